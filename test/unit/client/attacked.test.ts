// What an attack once got through: readers that change in the middle, sockets that drain oddly, ends that were not the end.

import type { Client } from 'steadywire'
import { expect, test } from 'vitest'
import { anEvent } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

test('a reader that comes back after lingering hears nothing from in between, also while a publish is pending', async () => {
  const stage = new Stage()
  const server = stage.fake({ pub: () => [] })
  const client = await stage.connected({ onError: () => {} })
  const room = client.channel('a')
  const off = room.on('m', () => {})
  await stage.advance(CONNECT_MS)
  server.last.event('a')
  watch(room.publish('m', 1))
  await stage.advance(CONNECT_MS)
  off()
  await stage.advance(5_000)
  for (let i = 0; i < 5; i++) server.grow('a')
  const heard: number[] = []
  room.on('m', (_data, { offset }) => heard.push(offset))
  await stage.advance(CONNECT_MS)
  expect(heard).toEqual([])
})

test.each([0, 1_000])(
  'a handler that takes another’s place while a batch is handed over sees no gap (lingering %i ms)',
  async (lingerMs) => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected({ channels: { lingerMs } })
    const room = client.channel('a')
    const heard: number[] = []
    const off = room.onAny(() => {
      off()
      room.onAny(({ offset }) => heard.push(offset))
    })
    await stage.advance(CONNECT_MS)
    for (let i = 0; i < 4; i++) server.grow('a')
    server.last.sayTogether(...[1, 2, 3, 4].map((offset) => anEvent('a', offset)))
    // Two more cross the new `sub`.
    server.grow('a')
    server.grow('a')
    await stage.advance(CONNECT_MS)
    server.last.event('a')
    await stage.advance(CONNECT_MS)
    const first = heard[0] as number
    expect(heard).toEqual(heard.map((_, i) => first + i))
  },
)

test('nothing is held any more once close({ drainMs }) has resolved', async () => {
  const stage = new Stage()
  stage.fake()
  const client = await stage.connected()
  const toldAfter: string[] = []
  let held: string[] | undefined
  client.state.subscribe(() => held && toldAfter.push(client.state.getSnapshot().status))
  watch(client.channel('a').publish('m', 1))
  void client.close({ drainMs: 5_000 }).then(() => {
    held = [...stage.held]
  })
  await stage.advance(1_000)
  expect([toldAfter, held]).toEqual([[], []])
})

test('a link that is dead one way is noticed within 36 s, whatever small things still leave the other way', async () => {
  const stage = new Stage()
  const client = await stage.connected({ onError: () => {} })
  let noticedAtMs = 0
  client.on('status', ({ status }) => {
    if (status === 'reconnecting') noticedAtMs ||= stage.nowMs
  })
  watch(client.channel('a').publish('m', 1))
  await stage.advance(1_000)
  const diedAtMs = stage.nowMs
  stage.world.network.silence('down')
  for (let i = 0; i < 40 && !noticedAtMs; i++) {
    watch(client.channel('a').publish('m', 1))
    stage.bufferedBytes = 200
    await stage.advance(60)
    stage.bufferedBytes = 0
    await stage.advance(2_440)
  }
  expect(noticedAtMs - diedAtMs).toBeGreaterThan(0)
  expect(noticedAtMs - diedAtMs).toBeLessThanOrEqual(36_000)
})

test.each([
  ['the position of a channel that has none', (client: Client) => client.channel('a').state.getSnapshot().position],
  ['an offset alone', () => 5],
  ['half a position', () => ({ offset: 5 })],
])('a publish on %s is refused at once, and the client lives on', async (_, base) => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const refused = watch(client.channel('a').publish('m', 1, { base: base(client) as never }))
  watch(client.channel('a').publish('m', 2))
  await stage.advance(CONNECT_MS)
  expect(refused.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
  expect(server.framesOf('pub')).toMatchObject([{ data: 2 }])
})
