// A slow link: what was asked for gets more time, and is asked for in smaller pieces, until something has come through.

import { describe, expect, test } from 'vitest'
import { type Answers, anAttached, EPOCH } from '../../support/fake-server.ts'
import { connected, type Desk } from '../../support/desk.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const QUICK = { backoff: { baseDelayMs: 10, maxDelayMs: 10 } }
/** Everybody is behind, and nothing that is asked is answered. */
const MUTE: Answers = {
  sub: ({ channel, request, want }) => [anAttached(channel, request, want, 9, { mode: 'catching-up' })],
  fetch: () => [],
  ping: () => [],
}

/** A client that reads `a` from offset 0 on, and whose connection has just been lost to a server that answers like this. */
async function lostTo(answers: Answers, options: object = {}) {
  const it = await connected({ ...QUICK, ...options })
  const heard: number[] = []
  it.client.channel('a').onAny(({ offset }) => heard.push(offset))
  await it.stage.advance(CONNECT_MS)
  for (let i = 0; i < 9; i++) it.server.grow('a')
  it.server.answers = answers
  it.server.last.close(1006)
  await it.stage.advance(10)
  return { ...it, heard }
}

/** How long each connection has lived, from dial to dial. */
function livesOf({ stage }: Desk, from = 1): number[] {
  return stage.dials.slice(from).flatMap(({ atMs }, i) => {
    const next = stage.dials[from + i + 1]
    return next ? [next.atMs - atMs] : []
  })
}

/** The default time until a dead connection is noticed at the latest, in milliseconds. */
const NOTICED_MS = 36_000

/** How long until the client notices that nothing comes through any more. */
async function noticeMs({ stage, client }: Desk): Promise<number> {
  let noticedAtMs = Infinity
  const off = client.on('status', ({ status }) => {
    if (status === 'reconnecting') noticedAtMs = Math.min(noticedAtMs, stage.nowMs)
  })
  stage.world.network.silence()
  const fromMs = stage.nowMs
  await stage.advance(600_000)
  off()
  return noticedAtMs - fromMs
}

describe('a fetch that ends in silence', () => {
  test('is given twice the time on the next connection, up to four minutes', async () => {
    const it = await lostTo(MUTE)
    await it.stage.advance(900_000)
    const waits = livesOf(it).map((lifeMs) => lifeMs - 4_000)
    for (const [i, waitMs] of waits.slice(0, 4).entries()) {
      expect(waitMs / (waits[0] as number)).toBeGreaterThan(2 ** i * 0.9)
      expect(waitMs / (waits[0] as number)).toBeLessThan(2 ** i * 1.1)
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(240_000)
    expect(waits.length).toBeGreaterThan(8)
  })

  test('is asked for in smaller pages on the next one', async () => {
    const it = await lostTo(MUTE)
    await it.stage.advance(120_000)
    const counts = it.server.framesOf('fetch').map(({ count }) => count)
    expect(counts.slice(0, 4)).toEqual([256, 128, 64, 32])
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(1)
  })

  test('is given more time although another channel has nothing to fetch', async () => {
    const it = await lostTo({
      ...MUTE,
      sub: ({ channel, request, want }) => [
        channel === 'a'
          ? anAttached(channel, request, want, 9, { mode: 'catching-up' })
          : anAttached(channel, request, want, 0, { mode: 'live' }),
      ],
    })
    it.client.channel('b').retain()
    await it.stage.advance(120_000)
    const counts = it.server.framesOf('fetch').map(({ count }) => count)
    expect(counts.slice(0, 4)).toEqual([256, 128, 64, 32])
  })

  test('comes through on a link that needs 20 s for it', async () => {
    // Whatever the server says waits behind the page.
    const it = await lostTo({ ...MUTE })
    it.server.answers = {
      ...MUTE,
      fetch: ({ channel, request, position }, connection) => {
        const from = position.offset + 1
        const events = it.server.after('a', position.offset)
        it.stage.world.clock.schedule(20_000, () => {
          connection.say({ type: 'page', channel, request, from, events, more: false })
          for (const { n } of connection.framesOf('ping')) connection.say({ type: 'pong', n, tops: [] })
          it.server.answers = {}
        })
        return []
      },
    }
    await it.stage.advance(180_000)
    expect(it.heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'live', fresh: true })
  })
})

describe('once something has come through', () => {
  test.each<[string, Answers]>([
    ['a page', { ...MUTE, fetch: undefined as never, ping: undefined as never }],
    [
      'a reset',
      {
        sub: ({ channel, request, want }) => {
          const position = { epoch: EPOCH, offset: 9 }
          return [
            anAttached(channel, request, want, 9, { mode: 'reset' }),
            { type: 'reset', channel, request, reason: 'history-evicted', position, top: position },
          ]
        },
      },
    ],
  ])('(%s) the times are what they were', async (_, answers) => {
    const it = await lostTo(MUTE)
    await it.stage.advance(120_000)
    it.server.answers = answers
    await it.stage.advance(120_000)
    expect(it.client.channel('a').state.getSnapshot().status).toBe('live')
    expect(await noticeMs(it)).toBeLessThanOrEqual(NOTICED_MS)
  })

  test('pages are as large as they were', async () => {
    const it = await lostTo(MUTE)
    await it.stage.advance(60_000)
    it.server.answers = {}
    await it.stage.advance(120_000)
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    expect(it.server.framesOf('fetch').at(-1)).toMatchObject({ count: 256 })
  })
})

describe('no patience is gained', () => {
  test('by a server that hangs up on what it was asked', async () => {
    const it = await connected({ backoff: { baseDelayMs: 10, maxDelayMs: 10 } })
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    it.server.answers = { sub: (_, connection) => (connection.close(1006), []) }
    it.server.last.close(1006)
    await it.stage.advance(1_000)
    it.server.answers = {}
    await it.stage.advance(1_000)
    expect(it.client.channel('a').state.getSnapshot().status).toBe('live')
    expect(it.stage.dials.length).toBeGreaterThan(6)
    expect(await noticeMs(it)).toBeLessThanOrEqual(NOTICED_MS)
  })

  test('by an application that hangs up on what it has asked', async () => {
    const it = await connected({}, { sub: () => [] })
    it.client.channel('a').retain()
    for (let i = 0; i < 5; i++) {
      await it.stage.advance(CONNECT_MS)
      it.client.disconnect()
      it.client.connect()
    }
    it.server.answers = {}
    it.client.disconnect()
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('a').state.getSnapshot().status).toBe('live')
    expect(await noticeMs(it)).toBeLessThanOrEqual(NOTICED_MS)
  })

  test('by silence in which nothing had been asked', async () => {
    const it = await connected(QUICK)
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 4; i++) {
      it.stage.world.network.silence()
      await it.stage.advance(NOTICED_MS + 1_000)
    }
    expect(await noticeMs(it)).toBeLessThanOrEqual(NOTICED_MS)
  })

  test('by publishes that nobody answers', async () => {
    const stage = new Stage()
    const server = stage.fake({ pub: () => [], ping: () => [] })
    const client = await stage.connected({ ...QUICK, onError: () => {} })
    watch(client.channel('a').publish('m', 1, { timeoutMs: Infinity }))
    await stage.advance(60_000)
    server.answers = {}
    await stage.advance(20_000)
    expect(await noticeMs({ stage, server, client })).toBeLessThanOrEqual(NOTICED_MS)
  })
})
