// Named scenarios on the simulator's world. The checkers look after every event, but for the crowds: a thousand clients are
// watched at what they hand over and settle.

import { expect, test } from 'vitest'
import { advance, createRun } from './simulation.ts'

const HEARTBEAT_MS = 25_000

/** Default options, a server that answers in 10 ms, and clients that have long been connected. */
function settledRun(clientCount: number, seed = 1) {
  const run = createRun(seed, clientCount, {}, { faults: { minDelayMs: 5, maxDelayMs: 5 } })
  for (const client of run.clients) {
    client.connect()
    client.subscribe('room')
    // Each at another moment of the heartbeat.
    run.world.advance(HEARTBEAT_MS / clientCount)
  }
  run.world.advance(60_000)
  return run
}

const OUTAGES_MS = [1_000, 2_000, 3_000, 5_000]

test.each(OUTAGES_MS)(
  '1,000 clients are live within 5 s of the return of a server that refused for %i ms',
  (outageMs) => {
    const { world, clients } = settledRun(1_000, outageMs)
    expect(clients.every(({ status }) => status === 'connected')).toBe(true)
    world.network.isRefusing = true
    world.network.cut()
    world.advance(outageMs)
    world.network.isRefusing = false
    const returnedAtMs = world.clock.now()
    let lastLiveMs = 0
    while (clients.some(({ status }) => status !== 'connected') && world.clock.now() - returnedAtMs < 60_000) {
      world.advance(10)
      lastLiveMs = world.clock.now() - returnedAtMs
    }
    console.log(`refused for ${outageMs} ms: all 1,000 live ${lastLiveMs} ms after the return`)
    expect(lastLiveMs).toBeLessThanOrEqual(5_000)
  },
)

test.each(['both', 'down', 'up'] as const)(
  'a network that is dead (%s) is noticed within 36 s by the defaults',
  (direction) => {
    const run = settledRun(20)
    const { world, clients } = run
    // Each client at another moment of its heartbeat.
    advance(run, 7_777)
    world.network.silence(direction)
    const diedAtMs = world.clock.now()
    const noticedAfterMs = clients.map(() => Infinity)
    while (noticedAfterMs.includes(Infinity) && world.clock.now() - diedAtMs < 120_000) {
      advance(run, 50)
      for (const [i, { status }] of clients.entries()) {
        if (status !== 'connected')
          noticedAfterMs[i] = Math.min(noticedAfterMs[i] as number, world.clock.now() - diedAtMs)
      }
    }
    console.log(`dead ${direction}: noticed after ${Math.min(...noticedAfterMs)} to ${Math.max(...noticedAfterMs)} ms`)
    expect(Math.max(...noticedAfterMs)).toBeLessThanOrEqual(36_000)
  },
)

test('a reset connection is live again with a median of at most 400 ms over 30 cuts', () => {
  const run = settledRun(1)
  const { world, clients } = run
  const [client] = clients
  const recoveryMs = Array.from({ length: 30 }, () => {
    world.network.cut()
    while (client?.status === 'connected') advance(run, 1)
    const lostAtMs = world.clock.now()
    while (client?.status !== 'connected') advance(run, 1)
    const tookMs = world.clock.now() - lostAtMs
    advance(run, 15_000)
    return tookMs
  }).sort((a, b) => a - b)
  console.log(`live again after a cut: median ${recoveryMs[15]} ms, worst ${recoveryMs[29]} ms`)
  expect(recoveryMs[15]).toBeLessThanOrEqual(400)
})

test('a subscriber that was away gets what it missed, in order, page by page', () => {
  const run = settledRun(1)
  const { world, clients, oracle } = run
  const [client] = clients
  world.network.isRefusing = true
  world.network.cut()
  advance(run, 1_000)
  for (let i = 0; i < 2_000; i++) world.server.publish('room', 'm', { i })
  world.network.isRefusing = false
  advance(run, 30_000)
  // That each came once and in order is the checkers' business.
  expect(client?.session.getChannelSnapshot('room')).toMatchObject({
    status: 'live',
    position: { epoch: oracle.top('room')?.epoch, offset: oracle.top('room')?.offset },
  })
})

test('a server that restarts with nothing resets its subscribers, and they go on', () => {
  const run = settledRun(2)
  const { world, clients } = run
  const [one, two] = clients
  one?.publish('room', 1)
  advance(run, 1_000)
  world.server.stop()
  world.server.start({ keepStore: false })
  advance(run, 10_000)
  const sent = two?.publish('room', 2)
  advance(run, 1_000)
  expect(sent?.result).toMatchObject({ offset: 1 })
  expect(one?.session.getStats()).toMatchObject({ resets: 1 })
  expect(one?.session.getChannelSnapshot('room')).toMatchObject({ status: 'live', position: { offset: 1 } })
})

test('publishes of an outage leave in the order of their calls once it is over', () => {
  const run = settledRun(1)
  const { world, clients, oracle } = run
  const [client] = clients
  world.network.isRefusing = true
  world.network.cut()
  advance(run, 1_000)
  const sent = Array.from({ length: 40 }, (_, i) => client?.publish('room', i))
  world.network.isRefusing = false
  advance(run, 10_000)
  expect(sent.map((published) => published?.result)).toEqual(
    sent.map((published, i) => ({ id: published?.id, epoch: oracle.top('room')?.epoch, offset: i + 1 })),
  )
})
