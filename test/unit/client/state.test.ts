// Snapshots: the same until something visible has changed, told at once for one's own calls and once per frame otherwise.

import { describe, expect, test } from 'vitest'
import { anEvent } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

describe('a snapshot', () => {
  test('of the connection is the same while nothing happens', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const before = client.state.getSnapshot()
    await stage.advance(20_000)
    expect(client.state.getSnapshot()).toBe(before)
  })

  test('of the connection is another after a change, and the old one is as it was', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const before = client.state.getSnapshot()
    const copy = { ...before }
    client.disconnect()
    expect(client.state.getSnapshot()).not.toBe(before)
    expect(before).toEqual(copy)
  })

  test('of a channel is the same while nothing changes, also before it is used', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const { state, retain } = client.channel('a')
    expect(state.getSnapshot()).toBe(state.getSnapshot())
    retain()
    await stage.advance(CONNECT_MS)
    const before = state.getSnapshot()
    await stage.advance(20_000)
    expect(state.getSnapshot()).toBe(before)
  })

  test('of a channel is not changed by another channel', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    client.channel('a').retain()
    client.channel('b').retain()
    await stage.advance(CONNECT_MS)
    const before = client.channel('a').state.getSnapshot()
    server.last.event('b')
    await stage.advance(CONNECT_MS)
    expect(client.channel('a').state.getSnapshot()).toBe(before)
  })

  test('of an idle client says that nothing has happened', () => {
    expect(new Stage().client().state.getSnapshot()).toEqual({
      status: 'idle',
      previous: 'idle',
      cause: null,
      attempt: 0,
      retryAtMs: null,
      sinceMs: 0,
      transport: null,
      resumed: false,
    })
  })

  test('of a connected client says how and since when', async () => {
    const stage = new Stage()
    const client = stage.client()
    const startMs = stage.environment().wallNow()
    client.connect()
    await stage.advance(CONNECT_MS)
    const snapshot = client.state.getSnapshot()
    expect(snapshot).toMatchObject({ status: 'connected', previous: 'connecting', attempt: 0, transport: 'websocket' })
    expect(snapshot.sinceMs - startMs).toBe(20)
  })

  test('keeps the moment at which a status began through tries and waits', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ backoff: { minDelayMs: 1_000 } })
    const { sinceMs } = client.state.getSnapshot()
    await stage.advance(20_000)
    expect(client.state.getSnapshot()).toMatchObject({ status: 'connecting', sinceMs })
    expect(client.state.getSnapshot().attempt).toBeGreaterThan(3)
  })

  test('of a channel tells how it is getting on', async () => {
    const stage = new Stage()
    const client = stage.client()
    const { state, retain } = client.channel('a')
    const seen = [state.getSnapshot().status]
    retain()
    seen.push(state.getSnapshot().status)
    await stage.advance(CONNECT_MS)
    seen.push(state.getSnapshot().status)
    stage.world.network.cut()
    await stage.advance(50)
    seen.push(state.getSnapshot().status)
    await stage.advance(5_000)
    seen.push(state.getSnapshot().status)
    expect(seen).toEqual(['idle', 'attaching', 'live', 'attaching', 'live'])
  })
})

describe('a listener', () => {
  test.each<[string, string]>([
    ['connect', 'connecting'],
    ['disconnect', 'disconnected'],
    ['close', 'closed'],
  ])('hears of one’s own %s before the call returns', (call, status) => {
    const client = new Stage().client()
    const seen: string[] = []
    client.state.subscribe(() => seen.push(client.state.getSnapshot().status))
    void client[call as 'connect' | 'close']()
    expect(seen).toEqual([status])
  })

  test('hears of one’s own publish before the call returns', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const { state, publish } = client.channel('a')
    const seen: number[] = []
    state.subscribe(() => seen.push(state.getSnapshot().pending))
    watch(publish('m', 1))
    expect(seen).toEqual([1])
  })

  test('hears of one’s own first reader before the call returns', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const { state, retain } = client.channel('a')
    const seen: string[] = []
    state.subscribe(() => seen.push(state.getSnapshot().status))
    retain()
    expect(seen).toEqual(['attaching'])
  })

  test('hears of the network at most once per frame', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    const { state, retain } = client.channel('a')
    retain()
    await stage.advance(CONNECT_MS)
    const heardAtMs: number[] = []
    state.subscribe(() => heardAtMs.push(stage.nowMs))
    for (let i = 0; i < 50; i++) {
      server.last.event('a')
      await stage.advance(1)
    }
    await stage.advance(CONNECT_MS)
    expect(heardAtMs.length).toBeGreaterThan(1)
    expect(heardAtMs.slice(1).filter((atMs, i) => atMs - (heardAtMs[i] ?? 0) < 16)).toEqual([])
  })

  test('hears once of a hundred messages that came together', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    const { state, retain } = client.channel('a')
    retain()
    await stage.advance(CONNECT_MS)
    let heard = 0
    state.subscribe(() => heard++)
    server.last.sayTogether(...Array.from({ length: 100 }, (_, i) => anEvent('a', i + 1)))
    await stage.advance(CONNECT_MS)
    expect([heard, state.getSnapshot().position?.offset]).toEqual([1, 100])
  })

  test('hears nothing of what belongs to others', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    client.channel('a').retain()
    await stage.advance(CONNECT_MS)
    let heard = 0
    client.channel('b').state.subscribe(() => heard++)
    client.state.subscribe(() => heard++)
    server.last.event('a')
    watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(heard).toBe(0)
  })

  test('finds a new snapshot whenever it is called', async () => {
    const stage = new Stage()
    const client = stage.client()
    const snapshots: unknown[] = []
    client.state.subscribe(() => snapshots.push(client.state.getSnapshot()))
    client.connect()
    await stage.advance(CONNECT_MS)
    stage.world.network.cut()
    await stage.advance(30_000)
    client.disconnect()
    expect(new Set(snapshots).size).toBe(snapshots.length)
  })

  test('that is stopped hears no more', () => {
    const client = new Stage().client()
    let heard = 0
    const stop = client.state.subscribe(() => heard++)
    client.connect()
    stop()
    stop()
    client.disconnect()
    expect(heard).toBe(1)
  })

  test('subscribed twice hears twice, and once after one is stopped', () => {
    const client = new Stage().client()
    let heard = 0
    const listener = () => heard++
    const stop = client.state.subscribe(listener)
    client.state.subscribe(listener)
    client.connect()
    stop()
    client.disconnect()
    expect(heard).toBe(3)
  })

  test('that throws is reported, and the others hear', () => {
    const stage = new Stage()
    const client = stage.client()
    let heard = 0
    client.state.subscribe(() => {
      throw new Error('mine')
    })
    client.state.subscribe(() => heard++)
    client.connect()
    expect([heard, stage.errors.length]).toEqual([1, 1])
  })

  test('may call back in', async () => {
    const stage = new Stage()
    const client = stage.client()
    client.state.subscribe(() => {
      if (client.state.getSnapshot().status === 'connecting') client.disconnect()
    })
    client.connect()
    await stage.advance(CONNECT_MS)
    expect([client.state.getSnapshot().status, stage.dials.length]).toEqual(['disconnected', 1])
    expect(stage.lastDial.closedWith).toMatchObject({ code: 1000 })
  })
})

describe('an event', () => {
  test('of a status carries a snapshot of that status', async () => {
    const stage = new Stage()
    const client = stage.client()
    const seen: string[][] = []
    client.on('status', ({ status }) => seen.push([status, client.state.getSnapshot().status]))
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(seen).toEqual([
      ['connecting', 'connecting'],
      ['connected', 'connected'],
    ])
  })

  test('is heard after the snapshot has been told of', () => {
    const client = new Stage().client()
    const order: string[] = []
    client.on('status', () => order.push('event'))
    client.state.subscribe(() => order.push('snapshot'))
    client.connect()
    expect(order).toEqual(['snapshot', 'event'])
  })

  test('of a server’s complaint carries its words', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    const seen: unknown[] = []
    client.on('error', (detail) => seen.push(detail))
    server.last.say({ type: 'error', code: 'rate-limited', message: 'Slower', retryAfterMs: 500 })
    await stage.advance(CONNECT_MS)
    expect(seen).toMatchObject([{ error: { code: 'rate-limited', message: 'Slower', retryAfterMs: 500 } }])
    expect(stage.errors).toEqual([])
  })

  test('is heard no more once stopped, and trouble is reported again', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    const seen: unknown[] = []
    client.on('error', (detail) => seen.push(detail))()
    server.last.say({ type: 'error', code: 'server-error', message: 'Ouch' })
    await stage.advance(CONNECT_MS)
    expect([seen.length, stage.errors.length]).toEqual([0, 1])
  })
})
