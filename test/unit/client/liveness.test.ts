// A dead network is noticed, a hint is no more than a hint, and what an abandoned socket still says means nothing.

import type { Client } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anEvent, aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const snapshotOf = (client: Client) => client.state.getSnapshot()

describe('a network that has died in silence', () => {
  test.each(['both', 'up', 'down'] as const)('is noticed within 36 s by default (%s)', async (direction) => {
    const stage = new Stage()
    await stage.connected()
    await stage.advance(7_000)
    stage.world.network.silence(direction)
    const silentAtMs = stage.nowMs
    await stage.advance(36_000)
    expect(stage.dials[0]?.closedWith).toMatchObject({ code: 4000 })
    expect(stage.dials[1]?.atMs).toBeLessThan(silentAtMs + 36_000 + 1)
  })

  test.each(['both', 'up', 'down'] as const)('is noticed within intervalMs + timeoutMs (%s)', async (direction) => {
    const stage = new Stage()
    const client = await stage.connected({
      heartbeat: { intervalMs: 1_000, timeoutMs: 500 },
      backoff: { minDelayMs: 60_000 },
    })
    stage.world.network.silence(direction)
    await stage.advance(1_500)
    expect(snapshotOf(client)).toMatchObject({ status: 'reconnecting', cause: { code: 'connection-lost' } })
  })

  test('is noticed in one direction although the other keeps talking', async () => {
    const stage = new Stage()
    const server = stage.fake({ ping: () => [] })
    const client = await stage.connected({ heartbeat: { intervalMs: 1_000, timeoutMs: 500 } })
    client.channel('a').on('m', () => {})
    for (let i = 0; i < 20; i++) {
      await stage.advance(100)
      server.last.event('a')
      server.last.say({ type: 'ping', n: i })
    }
    expect(stage.dials[0]?.closedWith).toMatchObject({ code: 4000 })
  })

  test('is noticed 4 s after a question that nobody answers, before the heartbeat would', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    await stage.advance(5_000)
    stage.world.network.silence()
    watch(client.channel('a').publish('m', 1))
    await stage.advance(7_500)
    expect(snapshotOf(client).status).toBe('reconnecting')
  })

  test('is noticed by bytes that do not leave', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 }, heartbeat: { timeoutMs: 3_000 } })
    stage.bufferedBytes = 1_000
    watch(client.channel('a').publish('m', 1))
    await stage.advance(4_000)
    expect(snapshotOf(client).status).toBe('reconnecting')
  })
})

describe('a network that lives', () => {
  test('is asked every interval and never given up', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(1)
    expect(server.framesOf('ping').length).toBeGreaterThanOrEqual(23)
    expect(server.framesOf('ping').length).toBeLessThanOrEqual(24)
  })

  test('is asked as often as the server wants, where that is more often', async () => {
    const stage = new Stage()
    const server = stage.fake({ hello: () => [aWelcome({ heartbeat: { intervalMs: 1_000 } })] })
    await stage.connected()
    await stage.advance(10_000)
    expect(server.framesOf('ping').length).toBeGreaterThanOrEqual(9)
  })

  test('is not asked more often than every 100 ms, whatever the server wants', async () => {
    const stage = new Stage()
    const server = stage.fake({ hello: () => [aWelcome({ heartbeat: { intervalMs: 1 } })] })
    await stage.connected()
    const before = server.framesOf('ping').length
    await stage.advance(1_000)
    expect(server.framesOf('ping').length - before).toBeLessThanOrEqual(10)
  })

  test('is not asked at all with an interval of Infinity', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected({ heartbeat: { intervalMs: Infinity } })
    await stage.advance(3_600_000)
    expect([server.framesOf('ping').length, stage.dials.length]).toEqual([0, 1])
  })

  test('has its own questions answered', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    server.last.say({ type: 'ping', n: 7 })
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('pong')).toEqual([{ type: 'pong', n: 7 }])
  })

  test('is not given up while a large message drains slowly', async () => {
    const stage = new Stage()
    const client = await stage.connected({ heartbeat: { intervalMs: 1_000, timeoutMs: 3_000 } })
    watch(client.channel('a').publish('m', 1))
    for (stage.bufferedBytes = 40; stage.bufferedBytes > 0; stage.bufferedBytes--) await stage.advance(500)
    expect([stage.dials.length, snapshotOf(client).status]).toEqual([1, 'connected'])
  })
})

describe('a hint', () => {
  async function waiting(options: object = {}) {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 }, ...options })
    stage.world.network.cut()
    await stage.advance(CONNECT_MS)
    return { stage, client }
  }

  test.each(['visible', 'online', 'resume', 'pageshow', 'gap'] as const)(
    '%s cuts a wait to half a second at most',
    async (hint) => {
      const { stage } = await waiting()
      stage.random = 1 - 2 ** -53
      stage.hint(hint)
      await stage.advance(500)
      expect(stage.dials).toHaveLength(2)
    },
  )

  test('leaves a random part of the half second: it reaches many clients at once', async () => {
    const { stage } = await waiting()
    stage.random = 0.5
    stage.hint('online')
    await stage.advance(249)
    expect(stage.dials).toHaveLength(1)
    await stage.advance(1)
    expect(stage.dials).toHaveLength(2)
  })

  test('renews the moment that the snapshot names', async () => {
    const { stage, client } = await waiting()
    const before = snapshotOf(client).retryAtMs ?? 0
    stage.hint('online')
    expect(snapshotOf(client).retryAtMs ?? Infinity).toBeLessThan(before - 50_000)
  })

  test.each(['offline', 'hidden'] as const)('%s cuts no wait', async (hint) => {
    const { stage } = await waiting()
    stage.hint(hint)
    await stage.advance(30_000)
    expect(stage.dials).toHaveLength(1)
  })

  test('never makes a wait longer', async () => {
    const { stage } = await waiting({ backoff: { minDelayMs: 200, baseDelayMs: 0 } })
    stage.random = 1 - 2 ** -53
    stage.hint('online')
    await stage.advance(200)
    expect(stage.dials).toHaveLength(2)
  })

  test('does not go below what the server asked for', async () => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected()
    server.last.close(4503, 'busy; retry=20000')
    await stage.advance(CONNECT_MS)
    for (let i = 0; i < 18; i++) {
      stage.hint('visible')
      await stage.advance(1_000)
    }
    expect(stage.dials).toHaveLength(1)
  })

  test('does not go below the second after trouble in the server', async () => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected()
    server.last.close(4500)
    await stage.advance(5)
    stage.hint('online')
    await stage.advance(999)
    expect(stage.dials).toHaveLength(1)
  })

  test('cuts no more often than every 2 s', async () => {
    const { stage } = await waiting()
    stage.world.network.isRefusing = true
    stage.random = 0
    for (let i = 0; i < 100; i++) {
      stage.hint(i % 2 ? 'visible' : 'online')
      await stage.advance(100)
    }
    expect(stage.dials.length - 1).toBe(5)
  })

  test.each(['visible', 'online', 'offline', 'resume', 'pageshow', 'gap'] as const)(
    '%s makes a connected client make sure, and stay where all is well',
    async (hint) => {
      const stage = new Stage()
      const server = stage.fake()
      const client = await stage.connected()
      stage.hint(hint)
      await stage.advance(10_000)
      expect(server.framesOf('ping')).toHaveLength(1)
      expect([snapshotOf(client).status, stage.dials.length]).toEqual(['connected', 1])
    },
  )

  test.each(['visible', 'online', 'offline', 'resume'] as const)('%s finds a dead socket within 3 s', async (hint) => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    stage.world.network.silence()
    stage.hint(hint)
    await stage.advance(3_000)
    expect(snapshotOf(client).status).toBe('reconnecting')
  })

  test('finds a dead socket within 3 s also where its own bytes take a moment to leave', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    stage.world.network.silence()
    stage.hint('visible')
    stage.bufferedBytes = 40
    await stage.advance(60)
    stage.bufferedBytes = 0
    await stage.advance(3_100)
    expect(client.state.getSnapshot().status).toBe('reconnecting')
  })

  test('hidden asks nothing', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    stage.hint('hidden')
    await stage.advance(10_000)
    expect(server.framesOf('ping')).toEqual([])
  })

  test('given a hundred times asks once', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    for (let i = 0; i < 100; i++) stage.hint('visible')
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('ping')).toHaveLength(1)
  })

  test.each(['idle', 'disconnected', 'failed'])('wakes nobody who is %s', async (status) => {
    const stage = new Stage()
    const client = stage.client()
    if (status === 'failed') {
      stage.fake({ hello: (_, connection) => (connection.close(4403), []) })
      client.connect()
      await stage.advance(CONNECT_MS)
    }
    if (status === 'disconnected') client.disconnect()
    const dialCount = stage.dials.length
    for (const hint of ['online', 'visible', 'pageshow'] as const) stage.hint(hint)
    await stage.advance(60_000)
    expect([snapshotOf(client).status, stage.dials.length]).toEqual([status, dialCount])
  })
})

describe('sleep', () => {
  test('of an hour over a dead socket is noticed within 3 s of waking', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    stage.world.network.silence()
    await stage.sleep(3_600_000)
    await stage.advance(3_000)
    expect(snapshotOf(client).status).toBe('reconnecting')
  })

  test('of an hour over a living socket costs no reconnect', async () => {
    const stage = new Stage()
    stage.fake()
    await stage.connected()
    await stage.sleep(3_600_000)
    await stage.advance(60_000)
    expect(stage.dials).toHaveLength(1)
  })

  test('does not count towards the deadline of a publish', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client({ backoff: { minDelayMs: 600_000 } })
    const sent = watch(client.channel('a').publish('m', 1, { timeoutMs: 60_000 }))
    await stage.advance(1_000)
    await stage.sleep(3_600_000)
    stage.world.network.isRefusing = false
    await stage.advance(2_000)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('counts towards a wait', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    stage.world.network.isRefusing = false
    await stage.sleep(120_000)
    await stage.advance(CONNECT_MS)
    expect(snapshotOf(client).status).toBe('connected')
  })

  test('seen only by the wall clock counts too', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    stage.wallShiftMs = 3_600_000
    await stage.advance(25_000)
    const [ping] = server.framesOf('ping')
    expect(ping).toBeDefined()
    expect(stage.dials).toHaveLength(1)
  })

  test('a wall clock that is set back delays nothing', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 5_000, baseDelayMs: 0 } })
    stage.world.network.cut()
    await stage.advance(CONNECT_MS)
    stage.wallShiftMs = -86_400_000
    await stage.advance(5_000 + CONNECT_MS)
    expect(snapshotOf(client).status).toBe('connected')
  })
})

describe('an abandoned socket', () => {
  test('says what it likes: nothing changes', async () => {
    const stage = new Stage({ faults: { lateChance: 1 } })
    const server = stage.fake()
    const client = await stage.connected({ heartbeat: { intervalMs: 1_000, timeoutMs: 500 } })
    const seen: unknown[] = []
    client.channel('a').on('m', (data) => seen.push(data))
    await stage.advance(CONNECT_MS)
    const [old] = server.connections
    stage.world.network.silence()
    await stage.advance(3_000)
    expect(server.connections).toHaveLength(2)
    const before = snapshotOf(client)
    const request = old?.requestOf('a')
    old?.say(
      anEvent('a', 1),
      { type: 'denied', channel: 'a', request, code: 'forbidden' },
      { type: 'ack', channel: 'a', sequence: 99, offset: 1 },
      { type: 'error', code: 'server-error', message: 'late' },
      { type: 'nonsense' },
    )
    old?.raw('not JSON')
    old?.close(4403)
    stage.world.network.release()
    await stage.advance(400)
    expect(snapshotOf(client)).toBe(before)
    expect(client.channel('a').state.getSnapshot().status).toBe('live')
    expect([...seen, ...stage.errors]).toEqual([])
  })

  test('of a dial that opens after it was given up says no hello', async () => {
    const stage = new Stage({ faults: { maxDialMs: 0, minDelayMs: 2_000, maxDelayMs: 2_000, lateChance: 1 } })
    const server = stage.fake()
    const client = stage.client({ connect: { timeoutMs: 1_000 }, backoff: { minDelayMs: 60_000 } })
    client.connect()
    await stage.advance(30_000)
    expect(server.framesOf('hello')).toEqual([])
  })

  test('whose end comes late does not end the next', async () => {
    const stage = new Stage({ faults: { lateChance: 1 } })
    const server = stage.fake()
    const client = await stage.connected()
    client.disconnect()
    client.connect()
    await stage.advance(CONNECT_MS)
    server.connections[0]?.close(4409)
    await stage.advance(CONNECT_MS)
    expect(snapshotOf(client).status).toBe('connected')
  })
})
