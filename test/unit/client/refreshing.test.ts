// New starts: asked for by the application, and sent by a server unasked, which must not do so too often.

import { describe, expect, test } from 'vitest'
import { anAttached, anEvent } from '../../support/fake-server.ts'
import { connected } from '../../support/desk.ts'
import { aReset, position, reading, slowly, startingAt } from '../../support/new-starts.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'
import { unhandledIn } from '../../support/unhandled.ts'

describe('refresh', () => {
  test('asks for a new start and resolves when handlers are done with it', async () => {
    const it = await reading()
    const slow = slowly()
    it.room.onReset(slow.handler)
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').at(-1)).toMatchObject({ reset: true, position: position(0) })
    expect([slow.count, refreshed.result]).toEqual([1, undefined])
    slow.done(0)
    await it.stage.advance(0)
    expect(refreshed.result).toBe('done')
  })

  test('resolves where nobody listens for resets', async () => {
    const it = await reading()
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toBe('done')
  })

  test('hands the snapshot and its position to handlers, and goes on right after it', async () => {
    const it = await reading()
    const resets: unknown[] = []
    it.room.onReset((reset) => resets.push(reset))
    watch(it.room.refresh())
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(anEvent('a', 5), anEvent('a', 6))
    await it.stage.advance(CONNECT_MS)
    expect(resets).toEqual([{ reason: 'asked', snapshot: { at: 5 }, position: position(5) }])
    expect(it.offsets()).toEqual([6])
  })

  test('of several calls are all done with by the answer to the last', async () => {
    const it = await reading()
    const refreshed = [1, 2, 3].map((n) => watch(it.room.refresh().then(() => n)))
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.map(({ result }) => result)).toEqual([1, 2, 3])
    expect(it.client.stats().resets).toBe(1)
  })

  test('is not done with by an answer that was on its way when it was called', async () => {
    const it = await reading()
    it.server.answers = { sub: () => [] }
    const early = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    const answer = answerTo(it)
    it.server.last.say(...answer)
    const late = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    expect([early.result, late.result]).toEqual([undefined, undefined])
    it.server.last.say(...answerTo(it))
    await it.stage.advance(CONNECT_MS)
    expect([early.result, late.result]).toEqual(['done', 'done'])
  })

  test('asks again after one that was denied', async () => {
    const it = await reading()
    it.server.answers = { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'internal' }] }
    const denied = watch(it.room.refresh())
    await it.stage.advance(CONNECT_MS)
    expect(denied.result).toMatchObject({ code: 'internal' })
    it.server.answers = startingAt(5)
    const again = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    expect([again.result, it.room.state.getSnapshot().status]).toEqual(['done', 'live'])
  })

  test('is no concern of a publish that is refused: reading goes on, and the new start comes', async () => {
    const it = await reading()
    const slow = slowly()
    it.room.onReset(slow.handler)
    it.server.answers = {
      sub: ({ channel, request, reset }) => [
        anAttached(channel, request, ['read'], 5, { mode: reset ? 'reset' : 'live' }),
        ...(reset ? [aReset(5, { request, reason: 'asked' })] : []),
      ],
    }
    const published = watch(it.room.publish('m', 1))
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    watch(it.room.publish('m', 2))
    await it.stage.advance(CONNECT_MS)
    expect([published.result, refreshed.result]).toMatchObject([{ code: 'forbidden' }, undefined])
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toBe('done')
  })

  test('asks each time', async () => {
    const it = await reading()
    for (let i = 0; i < 10; i++) {
      watch(it.room.refresh())
      await it.stage.advance(CONNECT_MS)
    }
    expect([it.server.framesOf('sub').filter(({ reset }) => reset).length, it.stage.dials.length]).toEqual([10, 1])
  })

  test('waits for the connection where there is none, and over losses', async () => {
    const it = await reading({ backoff: { baseDelayMs: 10 } })
    it.server.answers = { sub: () => [] }
    it.server.last.close(1006)
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(1_000)
    it.server.last.close(1006)
    await it.stage.advance(10)
    expect(refreshed.result).toBeUndefined()
    it.server.answers = startingAt(5)
    await it.stage.advance(1_000)
    expect(refreshed.result).toBe('done')
  })

  test('reads the channel until it is done, and lets it go then', async () => {
    const it = await connected({ channels: { lingerMs: 0 } }, startingAt(5))
    const refreshed = watch(
      it.client
        .channel('a')
        .refresh()
        .then(() => 'done'),
    )
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toBe('done')
    expect(it.client.channel('a').state.getSnapshot().status).toBe('idle')
    expect(it.server.framesOf('unsub')).toHaveLength(1)
  })

  test('rejects with the server’s word where it refuses the channel', async () => {
    const it = await connected(
      {},
      { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'too-many' }] },
    )
    const refreshed = watch(it.client.channel('a').refresh())
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toMatchObject({ code: 'too-many' })
  })

  test('rejects forbidden where the channel is withdrawn meanwhile', async () => {
    const it = await reading({}, {})
    it.server.answers = { sub: ({ channel, request }) => [{ type: 'detached', channel, request, code: 'revoked' }] }
    const refreshed = watch(it.room.refresh())
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toMatchObject({ code: 'forbidden' })
  })

  test('that was refused leaves no wish behind: a later reader gets no reset that it did not ask for', async () => {
    const it = await connected(
      { channels: { lingerMs: 0 }, backoff: { baseDelayMs: 10 } },
      { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'forbidden' }] },
    )
    watch(it.client.channel('a').refresh())
    await it.stage.advance(CONNECT_MS)
    it.server.answers = {}
    it.client.channel('a').on('m', () => {})
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').at(-1)).not.toHaveProperty('reset')
  })

  test.each([
    ['before', true],
    ['while it waits', false],
  ])('rejects closed where the client was closed %s', async (_, isBefore) => {
    const it = await reading({}, { sub: () => [] })
    if (isBefore) void it.client.close()
    const refreshed = watch(it.room.refresh())
    if (!isBefore) void it.client.close()
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toMatchObject({ code: 'closed' })
  })

  test('that nobody awaits is no unhandled rejection', async () => {
    const unhandled = await unhandledIn(async () => {
      const it = await reading({}, { sub: () => [] })
      void it.room.refresh()
      void it.client.close()
      await it.stage.advance(CONNECT_MS)
    })
    expect(unhandled).toEqual([])
  })

  test('is not done with by an older start: a handler that was still busy with that', async () => {
    const it = await reading({}, {})
    const slow = slowly()
    it.room.onReset(slow.handler)
    it.server.last.say(aReset(3))
    await it.stage.advance(CONNECT_MS)
    it.server.answers = { sub: () => [] }
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect([slow.count, refreshed.result]).toEqual([1, undefined])
  })

  test('is done with when the handlers of the newest start are, not those of the one before', async () => {
    const it = await reading()
    const slow = slowly()
    it.room.onReset(slow.handler)
    it.server.last.say(aReset(3))
    await it.stage.advance(CONNECT_MS)
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    expect(slow.count).toBe(2)
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toBeUndefined()
    slow.done(1)
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toBe('done')
  })

  test('is done with by a start that takes the place of the one it asked for, before handlers have that', async () => {
    const it = await reading()
    it.server.answers = { sub: () => [] }
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(CONNECT_MS)
    it.server.last.sayTogether(...answerTo(it), aReset(6))
    await it.stage.advance(CONNECT_MS)
    expect([it.client.stats().resets, refreshed.result]).toEqual([2, 'done'])
  })

  test('rejects closed where the client is closed while handlers are busy with the new start', async () => {
    const it = await reading()
    it.room.onReset(slowly().handler)
    const refreshed = watch(it.room.refresh())
    await it.stage.advance(CONNECT_MS)
    void it.client.close()
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.result).toMatchObject({ code: 'closed' })
  })

  test('from inside a handler of the start that it asked for comes to an end', async () => {
    const it = await reading()
    let calls = 0
    it.room.onReset(async () => {
      if (++calls < 3) await it.room.refresh()
    })
    const refreshed = watch(it.room.refresh().then(() => 'done'))
    await it.stage.advance(1_000)
    expect([calls, refreshed.result]).toEqual([3, 'done'])
  })

  test('from inside a handler of a reset comes to an end', async () => {
    const it = await reading()
    let calls = 0
    const seen: string[] = []
    it.room.onReset(async () => {
      if (++calls > 1) return
      await it.room.refresh()
      seen.push('refreshed')
    })
    it.server.last.say(aReset(3))
    await it.stage.advance(1_000)
    expect([calls, seen]).toEqual([2, ['refreshed']])
  })

  test('of the real server begins anew, and goes on without loss', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const heard: unknown[] = []
    let resets = 0
    const room = client.channel('a')
    room.on('m', (data) => heard.push(data))
    room.onReset(() => {
      resets++
      heard.length = 0
    })
    await stage.advance(CONNECT_MS)
    for (let n = 0; n < 3; n++) watch(room.publish('m', n))
    await stage.advance(CONNECT_MS)
    const refreshed = watch(room.refresh().then(() => 'done'))
    await stage.advance(CONNECT_MS)
    watch(room.publish('m', 3))
    await stage.advance(CONNECT_MS)
    expect([heard, resets, refreshed.result]).toEqual([[0, 1, 2, 3], 1, 'done'])
  })
})

/** The answer to the newest `sub`: a new start. */
function answerTo({ server }: Awaited<ReturnType<typeof reading>>): unknown[] {
  const [sub] = server.framesOf('sub').slice(-1)
  return sub ? [...(startingAt(5).sub?.(sub, server.last) ?? [])] : []
}

describe('resets that nobody asked for', () => {
  async function resets(count: number, everyMs: number) {
    const it = await reading({ backoff: { minDelayMs: 60_000 } })
    for (let i = 0; i < count; i++) {
      it.server.last.say(aReset(3 + i))
      await it.stage.advance(everyMs)
    }
    return it
  }

  test('three in a minute are borne', async () => {
    const it = await resets(3, 10)
    expect([it.client.stats().resets, it.stage.lastDial.closedWith]).toEqual([3, undefined])
  })

  test('more than three in a minute replace the connection, after a wait', async () => {
    const it = await resets(4, 10)
    expect(it.stage.dials).toHaveLength(1)
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'reconnecting', cause: { code: 'connection-lost' } })
  })

  test('that repeat the number of an answered question are slowed too', async () => {
    const it = await reading({ backoff: { minDelayMs: 60_000 } })
    const request = it.server.last.requestOf('a')
    it.server.answers = { fetch: () => [aReset(0, { request, top: position(5) })] }
    it.server.last.say(aReset(0, { request, top: position(5) }))
    await it.stage.advance(10_000)
    expect([it.client.stats().resets, it.stage.dials.length]).toEqual([3, 1])
  })

  test('one in twenty seconds is borne for ever', async () => {
    const it = await resets(60, 20_000)
    expect([it.client.stats().resets, it.stage.dials.length]).toEqual([60, 1])
  })

  test('of one channel are not counted with those of another', async () => {
    const it = await reading()
    it.client.channel('b').retain()
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 3; i++) it.server.last.say(aReset(3 + i), aReset(3 + i, { channel: 'b' }))
    await it.stage.advance(CONNECT_MS)
    expect([it.client.stats().resets, it.stage.dials.length]).toEqual([6, 1])
  })

  test('are not those that answer a new reader: the first snapshot was asked for', async () => {
    const it = await connected(
      { channels: { lingerMs: 0 } },
      {
        sub: ({ channel, request, want }) => [
          anAttached(channel, request, want, 4, { mode: 'reset' }),
          aReset(4, { request, reason: 'initial' }),
        ],
      },
    )
    for (let i = 0; i < 8; i++) {
      const off = it.client.channel('a').on('m', () => {})
      await it.stage.advance(CONNECT_MS)
      off()
      await it.stage.advance(CONNECT_MS)
    }
    expect([it.client.stats().resets, it.stage.dials.length]).toEqual([8, 1])
  })
})
