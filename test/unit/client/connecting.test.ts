// Dialling, hanging up, trying again and ending, by the public door and in every order.

import type { Client, ClientSnapshot, Status } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const statusOf = (client: Client): Status => client.state.getSnapshot().status

/** Every status from now on, in order. */
function statuses(client: Client): Status[] {
  const seen: Status[] = []
  client.on('status', ({ status }) => seen.push(status))
  return seen
}

describe('first use', () => {
  test('of nothing leaves the client idle', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.channel('a').state.getSnapshot()
    await stage.advance(60_000)
    expect([statusOf(client), stage.dials.length]).toEqual(['idle', 0])
  })

  test('by a handler dials', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.channel('a').on('m', () => {})
    await stage.advance(CONNECT_MS)
    expect(statusOf(client)).toBe('connected')
  })

  test('by a publish dials', async () => {
    const stage = new Stage()
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('by retain dials', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.channel('a').retain()
    await stage.advance(CONNECT_MS)
    expect(statusOf(client)).toBe('connected')
  })

  test('with auto: false dials nothing and keeps what was asked for', async () => {
    const stage = new Stage()
    const client = stage.client({ connect: { auto: false } })
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toEqual([])
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('after disconnect dials nothing', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.disconnect()
    client.channel('a').on('m', () => {})
    await stage.advance(CONNECT_MS)
    expect([statusOf(client), stage.dials.length]).toEqual(['disconnected', 0])
  })

  test('on a page without sockets leaves the client idle', async () => {
    const stage = new Stage()
    const { createClient } = await import('steadywire')
    const { openSocket: _, ...environment } = stage.environment()
    const client = createClient({ url: 'ws://world.test', environment })
    client.connect()
    client.channel('a').on('m', () => {})
    client.retryNow()
    expect(statusOf(client)).toBe('idle')
  })
})

describe('connect', () => {
  test('goes from idle over connecting to connected, each told once', async () => {
    const stage = new Stage()
    const client = stage.client()
    const seen = statuses(client)
    client.connect()
    await stage.advance(60_000)
    expect(seen).toEqual(['connecting', 'connected'])
  })

  test('names the subprotocol and the address it was given', async () => {
    const stage = new Stage()
    await stage.connected({ url: new URL('wss://app.example/realtime?room=1') })
    expect(stage.lastDial).toMatchObject({ url: 'wss://app.example/realtime?room=1', protocols: ['steadywire.v1'] })
  })

  test('twice dials once', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.connect()
    client.connect()
    await stage.advance(CONNECT_MS)
    client.connect()
    await stage.advance(60_000)
    expect(stage.dials).toHaveLength(1)
  })

  test('does not cut a wait', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ backoff: { minDelayMs: 20_000 } })
    client.connect()
    await stage.advance(10_000)
    expect(stage.dials).toHaveLength(1)
  })

  test('does not leave failed', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, connection) => (connection.close(4403), []) })
    const client = await stage.connected()
    client.connect()
    await stage.advance(60_000)
    expect([statusOf(client), stage.dials.length]).toEqual(['failed', 1])
  })

  test('leaves disconnected, and that is connecting and not reconnecting', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    client.disconnect()
    const seen = statuses(client)
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(seen).toEqual(['connecting', 'connected'])
  })

  test('after close does nothing', async () => {
    const stage = new Stage()
    const client = stage.client()
    void client.close()
    client.connect()
    await stage.advance(CONNECT_MS)
    expect([statusOf(client), stage.dials.length]).toEqual(['closed', 0])
  })

  test('and the other functions work when passed on by themselves', async () => {
    const stage = new Stage()
    const { connect, disconnect, retryNow, channel, close, on, stats } = stage.client()
    on('status', () => {})
    connect()
    disconnect()
    retryNow()
    const { publish } = channel('a')
    const sent = watch(publish('m'))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
    expect(stats().reconnects).toBe(0)
    void close()
  })
})

describe('disconnect', () => {
  test('closes the socket as intended and stays down', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    client.disconnect()
    await stage.advance(600_000)
    expect(stage.dials).toMatchObject([{ closedWith: { code: 1000 } }])
    expect(client.state.getSnapshot()).toMatchObject({ status: 'disconnected', cause: null, retryAtMs: null })
  })

  test('twice is told once', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const seen = statuses(client)
    client.disconnect()
    client.disconnect()
    await stage.advance(CONNECT_MS)
    expect(seen).toEqual(['disconnected'])
  })

  test('while dialling gives the dial up', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = stage.client()
    client.connect()
    await stage.advance(5)
    client.disconnect()
    await stage.advance(60_000)
    expect(server.framesOf('hello')).toEqual([])
    expect(statusOf(client)).toBe('disconnected')
  })

  test('while waiting gives the next try up', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected()
    client.disconnect()
    const dialCount = stage.dials.length
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(dialCount)
  })

  test('leaves failed', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, connection) => (connection.close(4403), []) })
    const client = await stage.connected()
    client.disconnect()
    expect(client.state.getSnapshot()).toMatchObject({ status: 'disconnected', cause: null })
  })

  test('keeps what waits in the outbox for the next connection', async () => {
    const stage = new Stage()
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1))
    client.disconnect()
    await stage.advance(20_000)
    expect(sent.result).toBeUndefined()
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('keeps a publish that was on its way, and sends it again on the next connection', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(11)
    client.disconnect()
    await stage.advance(20_000)
    expect(sent.result).toBeUndefined()
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('is heard by no listener as a loss', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const seen: ClientSnapshot[] = []
    client.on('status', (snapshot) => seen.push(snapshot))
    client.disconnect()
    await stage.advance(60_000)
    expect(seen.map(({ status, previous, cause }) => ({ status, previous, cause }))).toEqual([
      { status: 'disconnected', previous: 'connected', cause: null },
    ])
  })
})

describe('retryNow', () => {
  test('ends a wait at once', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ backoff: { minDelayMs: 20_000 } })
    stage.world.network.isRefusing = false
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(statusOf(client)).toBe('connected')
  })

  test('while dialling or connected does nothing', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.retryNow()
    client.retryNow()
    await stage.advance(CONNECT_MS)
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toHaveLength(1)
  })

  test('leaves disconnected', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    client.disconnect()
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(statusOf(client)).toBe('connected')
  })

  test('after close does nothing', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    void client.close()
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect([statusOf(client), stage.dials.length]).toEqual(['closed', 1])
  })
})

describe('maxAttempts', () => {
  test('ends in failed after so many tries, and retryNow starts as many anew', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ backoff: { maxAttempts: 3 } })
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(3)
    expect(client.state.getSnapshot()).toMatchObject({ status: 'failed', cause: { code: 'gave-up' }, retryAtMs: null })
    client.retryNow()
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(6)
  })

  test('counts from the last stable session', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { maxAttempts: 2, stableAfterMs: 5_000 } })
    await stage.advance(6_000)
    stage.world.network.isRefusing = true
    stage.world.network.cut()
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(3)
    expect(client.state.getSnapshot().cause?.code).toBe('gave-up')
  })

  test('is not reset by a server that accepts and closes at once', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, connection) => (connection.close(1001), []) })
    const client = await stage.connected({ backoff: { maxAttempts: 4 } })
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(4)
    expect(statusOf(client)).toBe('failed')
  })

  test('names the last close code with the reason to give up', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, connection) => (connection.close(4503), []) })
    const client = await stage.connected({ backoff: { maxAttempts: 1 } })
    expect(client.state.getSnapshot().cause).toMatchObject({ code: 'gave-up', closeCode: 4503 })
  })
})

describe('the wait', () => {
  test('after a stable session is at most the base at first, and grows by the factor', async () => {
    const stage = new Stage()
    stage.random = 1 - 2 ** -53
    await stage.connected({ backoff: { baseDelayMs: 500, factor: 2, maxDelayMs: 30_000 } })
    await stage.advance(20_000)
    stage.world.network.isRefusing = true
    stage.world.network.cut()
    await stage.advance(20_000)
    const waits = stage.dials.slice(1).map(({ atMs }, i) => atMs - (stage.dials[i]?.atMs ?? 0))
    // The first is counted from the cut; the others include the 10 ms that a refused dial takes.
    expect(waits.slice(1).map((ms) => Math.round(ms - 10))).toEqual([1_000, 2_000, 4_000, 4_000, 4_000])
    expect(stage.dials[1]?.atMs).toBeLessThan(20_100 + 500 + 30)
  })

  test('shows when the next try is due', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client({ backoff: { minDelayMs: 5_000, baseDelayMs: 0 } })
    client.connect()
    await stage.advance(10)
    const snapshot = client.state.getSnapshot()
    expect(snapshot).toMatchObject({ status: 'connecting', attempt: 1, cause: { code: 'connection-refused' } })
    expect((snapshot.retryAtMs ?? 0) - snapshot.sinceMs).toBe(5_010)
  })

  test('keeps to the caps of an outage', async () => {
    const stage = new Stage()
    stage.random = 1 - 2 ** -53
    await stage.connected()
    await stage.advance(20_000)
    const cutAtMs = stage.nowMs
    stage.world.network.isRefusing = true
    stage.world.network.cut()
    await stage.advance(300_000)
    const gaps = stage.dials.slice(1).map(({ atMs }, i) => [(stage.dials[i]?.atMs ?? 0) - cutAtMs, atMs] as const)
    const waits = gaps.map(([sinceMs, atMs]) => ({ sinceMs, waitMs: atMs - sinceMs - cutAtMs }))
    expect(waits.filter(({ sinceMs, waitMs }) => sinceMs > 0 && sinceMs < 14_000 && waitMs > 4_020)).toEqual([])
    expect(waits.filter(({ sinceMs, waitMs }) => sinceMs > 15_000 && sinceMs < 59_000 && waitMs > 10_020)).toEqual([])
    expect(waits.at(-1)?.waitMs).toBeCloseTo(30_010, 0)
  })
})
