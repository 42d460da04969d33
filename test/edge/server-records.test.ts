// Level 2 over real sockets: what survives a connection, and the hooks that are promises.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoredQuery } from '@steadywire/server'
import { sqliteStore } from '@steadywire/server/sqlite'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { attached, cleanUps, Client, HELLO, PUB, serve, SUB } from './server-client.ts'

test('a publish that is sent again on another connection is stored once and acknowledged as before', async () => {
  const { url } = await serve()
  const first = await attached(url)
  first.say(PUB)
  await first.heard('ack')
  first.socket.terminate()
  const again = await new Client(url).opened()
  again.say({ ...HELLO, generation: 2 }, SUB)
  expect(await again.heard('attached')).toMatchObject([
    { top: { offset: 1 }, producer: { last: 1, done: [[1, 'm1', 1]] } },
  ])
  again.say(PUB)
  expect(await again.heard('ack')).toEqual([{ type: 'ack', channel: 'a', sequence: 1, offset: 1 }])
})

test('a snapshot may be a promise', async () => {
  const { url } = await serve({ snapshot: async ({ channel, top }) => ({ data: { channel }, position: top }) })
  const client = await attached(url)
  expect(await client.heard('reset')).toMatchObject([{ reason: 'initial', snapshot: { channel: 'a' } }])
})

test('a state is folded as it is defined', async () => {
  const count = { initial: 0, reduce: (state: number) => state + 1 }
  const { server, url } = await serve({ state: (channel) => (channel === 'a' ? count : undefined) })
  for (let i = 0; i < 3; i++) await server.publish('a', 'note', i)
  const client = await attached(url)
  expect(await client.heard('reset')).toMatchObject([{ snapshot: 3, position: { offset: 3 } }])
})

test('a server in a file tells what is stored, and the next one what was not confirmed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
  cleanUps.push(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'messages.db')
  const told: StoredQuery[] = []

  const store = sqliteStore(file)
  const { server, url } = await serve({
    store,
    onStored: async (query) => {
      told.push(query)
      if (query.position.offset === 2) await new Promise(() => {})
    },
  })
  const client = await attached(url)
  for (const sequence of [1, 2, 3]) client.say({ ...PUB, sequence, id: `m${sequence}` })
  await client.heard('ack', 3)
  await until(() => told.length === 2)
  await server.close()
  store.close()

  const again = sqliteStore(file)
  cleanUps.push(() => again.close())
  told.length = 0
  await serve({ store: again, onStored: (query) => told.push(query) })
  await until(() => told.length === 2)
  expect(told.map(({ message, user }) => [message.id, user])).toEqual([
    ['m2', 'anonymous'],
    ['m3', 'anonymous'],
  ])
})
