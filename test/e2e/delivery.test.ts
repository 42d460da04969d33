// Publishing and reading through broken connections: the built client in Node, real sockets, a proxy that breaks them.
//
// Rules of this file:
// - The figures of the long form (`--mode long`) are those that the project states; the short form has the same scenes.
// - Every scene ends with the same comparison: the log, the promises and the handlers agree, message by message.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, memoryStore, type Server, type Store } from '@steadywire/server'
import { sqliteStore } from '@steadywire/server/sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FaultProxy, startProxy } from '../support/proxy.ts'
import { loggedNumbers, numbersBelow, readLog, Room } from '../support/room.ts'
import { until } from '../support/until.ts'

const IS_LONG = process.env['LONG'] !== undefined
const OPTIONS = { backoff: { baseDelayMs: 20, maxDelayMs: 100 }, publish: { timeoutMs: Infinity } }

let folder: string
let stopAll: (() => unknown)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
})

afterEach(async () => {
  for (const stop of stopAll.reverse()) await stop()
  stopAll = []
  rmSync(folder, { recursive: true })
})

const STORES: readonly (readonly [string, () => Store & { close?(): void }])[] = [
  ['memory', () => memoryStore()],
  ['SQLite', () => sqliteStore(join(folder, 'log.db'))],
]

interface Scene {
  readonly store: Store
  readonly server: Server
  readonly proxy: FaultProxy
  readonly room: Room
  /** Messages that the store has taken so far. */
  storedCount(): number
}

async function scene(create: () => Store & { close?(): void }, options: object = {}): Promise<Scene> {
  const store = create()
  let storedCount = 0
  const watched: Store = {
    ...store,
    append: (query, done) =>
      store.append(query, (answer) => {
        if (answer !== 'unavailable') storedCount += answer.outcomes.filter(({ type }) => type === 'stored').length
        done(answer)
      }),
  }
  const server = createServer({ store: watched })
  const { port } = await server.listen({ port: 0 })
  const proxy = await startProxy(port)
  const room = new Room({ ...OPTIONS, ...options, url: `ws://127.0.0.1:${proxy.port}/realtime` })
  stopAll.push(
    () => store.close?.(),
    () => server.close(),
    () => proxy.close(),
    () => room.close(),
  )
  await room.live()
  return { store, server, proxy, room, storedCount: () => storedCount }
}

/** The log has every publish once, in the order of the calls; every promise says where; handlers saw the same. */
async function expectAgreement({ store, room }: Pick<Scene, 'store' | 'room'>): Promise<void> {
  await room.settled()
  const numbers = numbersBelow(room.results.length)
  const log = await readLog(store)
  expect(await loggedNumbers(store)).toEqual(numbers)
  expect(room.results).toEqual(log.map(({ id, offset }) => ({ id, offset, epoch: room.state.position?.epoch })))
  await until(() => room.seen.length >= numbers.length, 20_000)
  expect(room.seenNumbers).toEqual(numbers)
  expect(room.resets).toEqual([])
}

describe.each(STORES)('with messages in %s', (_, create) => {
  const cuts = IS_LONG ? 200 : 15

  test(`${cuts} cuts between the commit and its acknowledgement lose and double nothing`, async () => {
    const it = await scene(create)
    for (let cut = 0; cut < cuts; cut++) {
      // The first one makes the connection ask for the right to publish: that answer must get through.
      it.room.publish()
      await it.room.settled()
      it.proxy.blackHole('down')
      const wanted = it.storedCount() + 1 + (cut % 5)
      while (it.room.results.length < wanted) it.room.publish()
      await until(() => it.storedCount() === wanted)
      it.proxy.cut('rst')
      await it.proxy.pass()
      await it.room.settled()
    }
    await expectAgreement(it)
  })

  const zombies = IS_LONG ? 50 : 5

  test(`${zombies} connections that speak again after the client has left them change nothing`, async () => {
    const it = await scene(create, { heartbeat: { intervalMs: 100, timeoutMs: 100 } })
    for (let zombie = 0; zombie < zombies; zombie++) {
      await it.room.live()
      const { accepted } = it.proxy.counters
      it.proxy.blackHole('up', { spareNew: true })
      for (let i = 0; i <= zombie % 5; i++) it.room.publish()
      await until(() => it.proxy.counters.accepted > accepted)
      // Sometimes before the new connection has said anything, sometimes long after.
      if (zombie % 2) await it.room.settled()
      await it.proxy.pass()
      await it.room.settled()
    }
    await expectAgreement(it)
  })
})

describe('a silent outage of 5 s', () => {
  const outage = async (end: (proxy: FaultProxy) => unknown) => {
    const it = await scene(() => memoryStore())
    for (let i = 0; i < 180; i++) {
      if (i === 40) it.proxy.blackHole()
      if (i === 140) {
        end(it.proxy)
        await it.proxy.pass()
      }
      it.room.publish()
      await pause(50)
    }
    await expectAgreement(it)
    expect(it.room.results).toHaveLength(180)
  }

  test('at the end of which the connection goes on loses none of 180 messages at 20 a second', () => outage(() => {}))
  test('at the end of which the connection is gone loses none of 180 messages at 20 a second', () =>
    outage((proxy) => proxy.cut('rst')))
})

const resets = IS_LONG ? 100 : 8

test(`200 messages a second pass through ${resets} resets, each once and in order`, async () => {
  const it = await scene(() => memoryStore())
  const steady = new Room({ ...OPTIONS, url: `ws://127.0.0.1:${it.proxy.port}/realtime` })
  stopAll.push(() => steady.close())
  await steady.live()
  let isFlowing = true
  const flow = (async () => {
    const startedAtMs = performance.now()
    while (isFlowing) {
      // By the clock: a late timer must not slow the flow down.
      const dueCount = (performance.now() - startedAtMs) / 5
      while (it.room.results.length < dueCount) it.room.publish()
      await pause(5)
    }
  })()
  for (let reset = 0; reset < resets; reset++) {
    await pause(200 + 100 * (reset % 3))
    it.proxy.cut('rst')
  }
  isFlowing = false
  await flow
  await expectAgreement(it)
  await until(() => steady.seen.length >= it.room.results.length, 20_000)
  expect(steady.seenNumbers).toEqual(it.room.seenNumbers)
  console.log(`${it.room.results.length} messages through ${resets} resets: none lost, doubled or out of order`)
})

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms))
}
