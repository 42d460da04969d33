// Fresh is what the server answered, counted from when it was asked: never longer than that, whatever sleeps or jumps.

import type { ChannelSnapshot } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anAttached, anEntry, anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected, SILENT } from '../../support/desk.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

/** When the wall clock of the world stands at, at its beginning. */
const WORLD_MS = 1_750_000_000_000
/** How long an answer counts: the heartbeat's interval and a margin. */
const FRESH_MS = 35_000
/** Pings that nobody answers end no connection here. */
const PATIENT = { heartbeat: { timeoutMs: 10_000_000 } }

/** A client that reads `a`, asked at `askedAtMs`, of a server that answers pings only by hand. */
async function reading(options: object = PATIENT, answers: object = { ping: () => [] }) {
  const it = await connected(options, answers)
  const room = it.client.channel('a')
  const heard: number[] = []
  const askedAtMs = it.stage.nowMs
  const off = room.onAny(({ offset }) => heard.push(offset))
  await it.stage.advance(CONNECT_MS)
  const look = (): ChannelSnapshot => room.state.getSnapshot()
  const pong = (tops: readonly object[] = [], n = it.server.framesOf('ping').at(-1)?.n ?? 0) =>
    it.server.last.say({ type: 'pong', n, tops })
  const advanceTo = (ms: number) => it.stage.advance(ms - it.stage.nowMs)
  return { ...it, room, heard, askedAtMs, off, look, pong, advanceTo }
}

const top = (offset: number, epoch = EPOCH) => ({ channel: 'a', epoch, offset })

describe('an attachment', () => {
  test('makes the channel fresh as of its question, for the heartbeat and 10 s', async () => {
    const it = await reading()
    expect(it.look()).toMatchObject({ fresh: true, syncedAtMs: WORLD_MS + it.askedAtMs })
    await it.advanceTo(it.askedAtMs + FRESH_MS - 1)
    expect(it.look().fresh).toBe(true)
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look()).toMatchObject({ fresh: false, syncedAtMs: WORLD_MS + it.askedAtMs })
  })

  test('that was answered late counts from the question all the same', async () => {
    const it = await connected(PATIENT, { sub: () => [] })
    const askedAtMs = it.stage.nowMs
    it.client.channel('a').retain()
    await it.stage.advance(10_000)
    it.server.answers = { ping: () => [] }
    it.server.last.say(anAttached('a', 1, ['read']))
    await it.stage.advance(FRESH_MS - 10_001)
    const { state } = it.client.channel('a')
    expect(state.getSnapshot()).toMatchObject({ fresh: true, syncedAtMs: WORLD_MS + askedAtMs })
    await it.stage.advance(1)
    expect(state.getSnapshot().fresh).toBe(false)
  })

  test('that is behind is not fresh before its pages have been handed over', async () => {
    const it = await reading({ ...PATIENT, backoff: { baseDelayMs: 10 } })
    await it.stage.advance(FRESH_MS)
    it.server.grow('a')
    it.server.answers = { ping: () => [], fetch: () => [] }
    it.server.last.close(1006)
    await it.stage.advance(CONNECT_MS)
    expect(it.look()).toMatchObject({ status: 'catching-up', fresh: false })
    const request = it.server.framesOf('fetch')[0]?.request
    it.server.last.say({ type: 'page', channel: 'a', request, from: 1, events: [anEntry(1)], more: false, top: top(1) })
    await it.stage.advance(20)
    expect(it.look()).toMatchObject({ status: 'live', fresh: true })
  })

  test('for writing alone has nothing that could be fresh', async () => {
    const it = await connected({}, SILENT)
    watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ fresh: null, syncedAtMs: null, position: null })
  })
})

describe('a pong', () => {
  test('renews it as of the ping: ask, read, answer', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    await it.stage.advance(5_000)
    it.pong()
    await it.stage.advance(20)
    const { fresh, syncedAtMs } = it.look()
    expect(fresh).toBe(true)
    const sinceAnswerMs = WORLD_MS + it.stage.nowMs - (syncedAtMs ?? 0)
    expect(sinceAnswerMs).toBeGreaterThanOrEqual(5_000)
    expect(sinceAnswerMs).toBeLessThanOrEqual(5_000 + 2 * CONNECT_MS)
    await it.stage.advance(FRESH_MS - sinceAnswerMs - 1)
    expect(it.look().fresh).toBe(true)
    await it.stage.advance(1)
    expect(it.look().fresh).toBe(false)
  })

  test('of an older ping renews nothing', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    it.pong([], 0)
    it.pong([top(0)], 77)
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look().fresh).toBe(false)
  })

  test('that names a higher top renews nothing until that has been handed over', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    it.pong([top(1)])
    await it.stage.advance(1_500)
    expect(it.server.framesOf('fetch')).toEqual([])
    it.server.answers = { fetch: () => [] }
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect([it.look().fresh, it.server.framesOf('fetch').length]).toEqual([false, 1])
    it.server.last.say(anEvent('a', 1))
    await it.stage.advance(CONNECT_MS)
    expect([it.look().fresh, it.heard]).toEqual([false, []])
    const request = it.server.framesOf('fetch')[0]?.request
    it.server.last.say({ type: 'page', channel: 'a', request, from: 1, events: [anEntry(1)], more: false })
    await it.stage.advance(CONNECT_MS)
    expect([it.look().fresh, it.heard]).toEqual([true, [1]])
  })

  test('that names a higher top is no reason to fetch where the message comes within gapTimeoutMs', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    it.pong([top(1)])
    await it.stage.advance(1_000)
    it.server.last.event('a')
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect([it.look().fresh, it.server.framesOf('fetch')]).toEqual([true, []])
  })

  test('that names a lower top counts as reached', async () => {
    const it = await reading()
    it.server.last.event('a')
    it.server.last.event('a')
    await it.stage.advance(25_000)
    it.pong([top(1)])
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look()).toMatchObject({ fresh: true, position: { offset: 2 } })
  })

  test('that does not list the channel leaves the top where the last word placed it', async () => {
    const it = await reading()
    it.server.answers = { fetch: () => [] }
    it.pong([top(3)])
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look()).toMatchObject({ fresh: false, position: { offset: 0 } })
  })

  test('of another history makes the client fetch, and never fresh by itself', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    const position = { epoch: 'epoch-2', offset: 0 }
    it.server.answers = {
      ping: () => [],
      fetch: ({ channel, request }) => [
        { type: 'reset', channel, request, reason: 'epoch-changed', position, top: position },
      ],
    }
    it.pong([top(0, 'epoch-2')])
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look()).toMatchObject({ fresh: true, position })
    expect(it.server.framesOf('fetch')).toHaveLength(1)
  })

  test('about channels that nobody reads means nothing', async () => {
    const it = await reading()
    it.pong([
      { channel: 'b', epoch: EPOCH, offset: 9 },
      { channel: '__proto__', epoch: EPOCH, offset: 9 },
    ])
    await it.stage.advance(5_000)
    expect([it.server.framesOf('fetch'), it.client.channel('b').state.getSnapshot().fresh]).toEqual([[], null])
  })

  test('is not waited for longer than gapTimeoutMs after a page that ended below its top', async () => {
    const it = await reading()
    it.server.grow('a')
    it.server.answers = {
      ping: () => [],
      fetch: ({ channel, request }) => {
        it.server.answers = { ping: () => [] }
        return [{ type: 'page', channel, request, from: 1, events: [], more: false, top: top(1) }]
      },
    }
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    expect(it.look()).toMatchObject({ status: 'live', position: { offset: 0 }, syncedAtMs: WORLD_MS + it.askedAtMs })
    it.server.last.say(anEvent('a', 1))
    await it.stage.advance(20)
    expect(it.look().syncedAtMs).toBeGreaterThan(WORLD_MS + it.askedAtMs)
  })
})

describe('what handlers have not been given yet', () => {
  test('is not fresh: a reset whose handler takes its time', async () => {
    const it = await reading()
    let resume = () => {}
    it.room.onReset(() => new Promise<void>((resolve) => (resume = resolve)))
    await it.stage.advance(FRESH_MS)
    const position = { epoch: 'epoch-2', offset: 4 }
    it.server.answers = {
      ping: () => [],
      fetch: ({ channel, request }) => [{ type: 'reset', channel, request, reason: 'r', position, top: position }],
    }
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(1_000)
    expect(it.look().fresh).toBe(false)
    resume()
    await it.stage.advance(20)
    expect(it.look()).toMatchObject({ fresh: true, position })
  })

  test('is not fresh: a new start below the top, in the same history', async () => {
    const it = await reading()
    for (let i = 0; i < 9; i++) it.server.last.event('a')
    await it.stage.advance(20)
    it.server.answers = {
      ping: () => [],
      fetch: () => [],
      sub: ({ channel, request, want }) => {
        const position = { epoch: EPOCH, offset: 5 }
        return [
          anAttached(channel, request, want, 9, { mode: 'reset' }),
          { type: 'reset', channel, request, reason: 'asked', position, top: { epoch: EPOCH, offset: 9 } },
        ]
      },
    }
    watch(it.room.refresh())
    await it.stage.advance(CONNECT_MS)
    expect(it.look()).toMatchObject({ status: 'catching-up', position: { offset: 5 }, fresh: false })
  })
})

describe('sleep', () => {
  test.each(['runs', 'stops'] as const)('ends it, before anything has run (the clock %s)', async (clock) => {
    const it = await reading({}, {})
    const seen: unknown[] = []
    it.client.state.subscribe(() => seen.push(it.look().fresh))
    await it.stage.sleep(3_600_000, clock)
    expect(it.look().fresh).toBe(false)
    it.stage.hint('resume')
    expect(it.look().fresh).toBe(false)
    await it.stage.advance(5_000)
    expect(it.look().fresh).toBe(true)
    expect(seen.filter(Boolean)).toEqual([])
  })

  test('ends it although the question was answered before: only a new one counts', async () => {
    const it = await reading()
    await it.stage.advance(25_000)
    const n = it.server.framesOf('ping').at(-1)?.n
    await it.stage.sleep(3_600_000, 'stops')
    it.pong([], n)
    await it.stage.advance(20)
    expect(it.look().fresh).toBe(false)
  })

  test('is told to those who listen', async () => {
    const it = await reading()
    const told: unknown[] = []
    it.room.state.subscribe(() => told.push(it.look().fresh))
    await it.stage.sleep(3_600_000, 'stops')
    it.stage.hint('visible')
    await it.stage.advance(20)
    expect(told.at(-1)).toBe(false)
  })
})

describe('a wall clock', () => {
  test('that jumps forward ends it at once, until the server has been asked', async () => {
    const it = await reading({}, {})
    it.stage.wallShiftMs = 3_600_000
    expect(it.look().fresh).toBe(false)
    it.stage.hint('visible')
    await it.stage.advance(CONNECT_MS)
    expect(it.look()).toMatchObject({ fresh: true })
  })

  test('that jumps back makes nothing fresh for longer', async () => {
    const it = await reading()
    it.stage.wallShiftMs = -3_600_000
    await it.advanceTo(it.askedAtMs + FRESH_MS - 1)
    expect(it.look().fresh).toBe(true)
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look().fresh).toBe(false)
  })

  test('that jumps back and forth makes nothing fresh for longer', async () => {
    const it = await reading()
    for (let i = 0; i < 34; i++) {
      it.stage.wallShiftMs = i % 2 ? 0 : -500
      await it.stage.advance(1_000)
      it.look()
    }
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look().fresh).toBe(false)
  })
})

describe('null', () => {
  test('is what it is where nobody asks: heartbeat.intervalMs Infinity', async () => {
    const it = await reading({ heartbeat: { intervalMs: Infinity } })
    it.server.last.event('a')
    await it.stage.advance(120_000)
    expect(it.look()).toMatchObject({ fresh: null, position: { offset: 1 } })
  })

  test('is what it is before anybody reads, and once the channel has stopped lingering', async () => {
    const it = await reading()
    expect(it.client.channel('b').state.getSnapshot().fresh).toBeNull()
    it.off()
    await it.stage.advance(999)
    expect(it.look().fresh).toBe(true)
    await it.stage.advance(20)
    expect(it.look()).toMatchObject({ status: 'idle', fresh: null, syncedAtMs: null })
  })

  test('is not what it is while the first answer is still to come', async () => {
    const it = await connected(PATIENT, { sub: () => [] })
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'attaching', fresh: false })
  })
})

describe('the snapshot', () => {
  test('is the same object until something visible has changed', async () => {
    const it = await reading()
    const before = it.look()
    await it.stage.advance(20_000)
    expect(it.look()).toBe(before)
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    const after = it.look()
    expect(after).not.toBe(before)
    await it.stage.advance(1_000)
    expect(it.look()).toBe(after)
  })

  test('tells within a frame that the time is over, once', async () => {
    const it = await reading()
    const told: unknown[] = []
    it.room.state.subscribe(() => told.push(it.look().fresh))
    await it.advanceTo(it.askedAtMs + FRESH_MS + 20)
    expect(told).toEqual([false])
  })

  test('that is looked at after the time is over tells those who listen soon, and never from the look itself', async () => {
    const it = await reading()
    let told = 0
    it.room.state.subscribe(() => told++)
    // A page that was busy: no timer has run since.
    it.stage.busyMs += 40_000
    expect([it.look().fresh, told]).toEqual([false, 0])
    await it.stage.advance(20)
    expect(told).toBeGreaterThan(0)
  })

  test('that is looked at is the same at the second look', async () => {
    const it = await reading()
    it.stage.busyMs += 40_000
    expect(it.look()).toBe(it.look())
  })
})

describe('the loss of the connection', () => {
  test('ends it when the time is over, and the next attachment renews it', async () => {
    const it = await reading({ backoff: { minDelayMs: 50_000 } })
    it.server.last.close(1006)
    await it.stage.advance(CONNECT_MS)
    expect(it.look()).toMatchObject({ status: 'attaching', fresh: true })
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look().fresh).toBe(false)
    await it.stage.advance(20_000)
    expect(it.look()).toMatchObject({ status: 'live', fresh: true })
  })

  test('lets no pong of before count', async () => {
    const it = await reading({ ...PATIENT, backoff: { baseDelayMs: 10 } })
    await it.stage.advance(25_000)
    const n = it.server.framesOf('ping').at(-1)?.n
    it.server.answers = { ping: () => [], sub: () => [] }
    it.server.last.close(1006)
    await it.stage.advance(CONNECT_MS)
    it.pong([], n)
    await it.advanceTo(it.askedAtMs + FRESH_MS)
    expect(it.look().fresh).toBe(false)
  })
})
