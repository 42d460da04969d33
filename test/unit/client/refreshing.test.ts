// New starts: asked for, or sent by the server; handlers that take their time; and what they say they have already.

import { describe, expect, test } from 'vitest'
import type { Message } from 'steadywire'
import { anAttached, anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected } from '../../support/desk.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'
import { unhandledIn } from '../../support/unhandled.ts'

const position = (offset: number, epoch = EPOCH) => ({ epoch, offset })
const aReset = (offset: number, change: object = {}) => ({
  type: 'reset',
  channel: 'a',
  reason: 'r',
  position: position(offset),
  top: position(offset),
  ...change,
})

/** Answers a `sub` that asks for a new start with one at this offset. */
const startingAt = (offset: number) => ({
  sub: ({
    channel,
    request,
    want,
    reset,
  }: {
    channel: string
    request: number
    want: readonly string[]
    reset?: boolean
  }) =>
    reset
      ? [
          anAttached(channel, request, want, offset, { mode: 'reset' }),
          aReset(offset, { channel, request, reason: 'asked', snapshot: { at: offset } }),
        ]
      : [anAttached(channel, request, want, 0)],
})

/** A handler of resets that takes as long as the test wants. */
function slowly() {
  const waiting: ((answer?: unknown) => void)[] = []
  return {
    handler: () => new Promise<unknown>((resolve) => waiting.push(resolve)),
    get count() {
      return waiting.length
    },
    done: (index: number, answer?: unknown) => waiting[index]?.(answer),
  }
}

/** A client that reads `a` and writes down what it hears. */
async function reading(options: object = {}, answers: object = startingAt(5)) {
  const it = await connected(options, answers)
  const room = it.client.channel('a')
  const heard: Message[] = []
  room.onAny((message) => heard.push(message))
  await it.stage.advance(CONNECT_MS)
  return { ...it, room, heard, offsets: () => heard.map(({ offset }) => offset) }
}

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

  test('asks once for several calls, and resolves them all', async () => {
    const it = await reading()
    const refreshed = [1, 2, 3].map((n) => watch(it.room.refresh().then(() => n)))
    await it.stage.advance(CONNECT_MS)
    expect(refreshed.map(({ result }) => result)).toEqual([1, 2, 3])
    expect(it.server.framesOf('sub').filter(({ reset }) => reset)).toHaveLength(1)
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

  test.fails('that was refused leaves no wish behind: a later reader gets no reset that it did not ask for', async () => {
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

  test.fails('that nobody awaits is no unhandled rejection', async () => {
    const unhandled = await unhandledIn(async () => {
      const it = await reading({}, { sub: () => [] })
      void it.room.refresh()
      void it.client.close()
      await it.stage.advance(CONNECT_MS)
    })
    expect(unhandled).toEqual([])
  })

  test.fails('is not done with by an older start: a handler that was still busy with that', async () => {
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

  test.fails('is done with when the handlers of the newest start are, not those of the one before', async () => {
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

describe('a handler that takes its time', () => {
  test('keeps its own channel waiting, and no other', async () => {
    const it = await reading()
    const slow = slowly()
    const others: number[] = []
    it.room.onReset(slow.handler)
    it.client.channel('b').onAny(({ offset }) => others.push(offset))
    await it.stage.advance(CONNECT_MS)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4), anEvent('b', 1), anEvent('a', 5))
    await it.stage.advance(CONNECT_MS)
    expect([it.offsets(), others]).toEqual([[], [1]])
    it.server.last.say(anEvent('a', 6), anEvent('b', 2))
    await it.stage.advance(CONNECT_MS)
    expect([it.offsets(), others]).toEqual([[], [1, 2]])
    slow.done(0)
    await it.stage.advance(0)
    expect(it.offsets()).toEqual([4, 5, 6])
  })

  test('keeps the position that the application sees', async () => {
    const it = await reading()
    const slow = slowly()
    it.room.onReset(slow.handler)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    expect(it.room.state.getSnapshot().position).toEqual(position(0))
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(it.room.state.getSnapshot().position).toEqual(position(4))
  })

  test('is waited for by all: the slowest of several counts', async () => {
    const it = await reading()
    const [one, other] = [slowly(), slowly()]
    it.room.onReset(one.handler)
    it.room.onReset(other.handler)
    it.room.onReset(() => {})
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    other.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([])
    one.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([4])
  })

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    ['rejects', () => Promise.reject(new Error('mine'))],
  ])('and %s is reported, and the channel goes on', async (_, handler) => {
    const it = await reading()
    it.room.onReset(handler)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([4])
    expect(it.stage.errors).toMatchObject([{ message: 'mine' }])
  })

  test('has later starts begin without it, and changes nothing when it ends', async () => {
    const it = await reading()
    const slow = slowly()
    it.room.onReset(slow.handler)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    it.server.last.sayTogether(aReset(9), anEvent('a', 10))
    await it.stage.advance(CONNECT_MS)
    expect([slow.count, it.offsets()]).toEqual([2, []])
    slow.done(0, { position: position(50) })
    await it.stage.advance(CONNECT_MS)
    expect([it.offsets(), it.room.state.getSnapshot().position]).toEqual([[], position(0)])
    slow.done(1)
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([10])
  })

  test('that ends after the channel was let go hands over nothing', async () => {
    const it = await connected({ channels: { lingerMs: 0 } }, startingAt(5))
    const slow = slowly()
    const heard: number[] = []
    const room = it.client.channel('a')
    const offs = [room.onReset(slow.handler), room.onAny(({ offset }) => heard.push(offset))]
    await it.stage.advance(CONNECT_MS)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    for (const off of offs) off()
    room.onAny(({ offset }) => heard.push(offset))
    await it.stage.advance(CONNECT_MS)
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual([])
  })

  test('and never ends holds up nothing but its channel, not even close', async () => {
    const it = await reading()
    it.room.onReset(() => new Promise(() => {}))
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    const sent = watch(it.client.channel('b').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
    const closed = watch(it.client.close().then(() => 'closed'))
    await it.stage.advance(0)
    expect([closed.result, [...it.stage.held], it.offsets()]).toEqual(['closed', [], []])
  })

  test('goes on over the loss of the connection: what waited comes once', async () => {
    const it = await reading({ backoff: { baseDelayMs: 10 } }, {})
    const slow = slowly()
    it.room.onReset(slow.handler)
    for (let i = 0; i < 5; i++) it.server.grow('a')
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(1_000)
    slow.done(0)
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([4, 5])
  })
})

describe('a handler that answers { position }', () => {
  /** What is handed over of 4, 5, 6 and 7 after a reset to 3 that handlers answer like this. */
  async function after(...handlers: (() => unknown)[]) {
    const it = await reading()
    for (const handler of handlers) it.room.onReset(handler)
    it.server.last.sayTogether(aReset(3), anEvent('a', 4), anEvent('a', 5), anEvent('a', 6))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(anEvent('a', 7))
    await it.stage.advance(CONNECT_MS)
    expect(it.room.state.getSnapshot().position).toEqual(position(7))
    return it.offsets()
  }
  const at = (offset: number, epoch = EPOCH) => ({ position: position(offset, epoch) })

  test.each<[string, unknown, number[]]>([
    ['leaves out what that contains', at(5), [6, 7]],
    ['ahead of what has come leaves out what comes then', at(6), [7]],
    ['of the reset itself leaves out nothing', at(3), [4, 5, 6, 7]],
    ['before it leaves out nothing', at(1), [4, 5, 6, 7]],
    ['of another history leaves out nothing', at(5, 'epoch-9'), [4, 5, 6, 7]],
    ['without an offset leaves out nothing', { position: { epoch: EPOCH } }, [4, 5, 6, 7]],
    ['that is null leaves out nothing', { position: null }, [4, 5, 6, 7]],
    ['in a text leaves out nothing', 'position', [4, 5, 6, 7]],
  ])('%s', async (_, answer, expected) => {
    expect(await after(() => Promise.resolve(answer))).toEqual(expected)
    expect(await after(() => answer)).toEqual(expected)
  })

  test('leaves out only what all of them have', async () => {
    expect(
      await after(
        () => at(6),
        () => at(4),
      ),
    ).toEqual([5, 6, 7])
    expect(
      await after(
        () => at(6),
        () => {},
      ),
    ).toEqual([4, 5, 6, 7])
    expect(
      await after(
        () => at(6),
        () => Promise.reject(new Error('mine')),
      ),
    ).toEqual([4, 5, 6, 7])
  })

  test.fails('leaves out only what all of them have, also where one throws', async () => {
    const mine = () => {
      throw new Error('mine')
    }
    expect(await after(() => at(6), mine)).toEqual([4, 5, 6, 7])
  })

  test('leaves out nothing of the next start', async () => {
    const it = await reading()
    const answers = [at(9), undefined]
    it.room.onReset(() => answers.shift())
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    it.server.last.sayTogether(aReset(5), anEvent('a', 6))
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([6])
  })
})

describe('an answer that is no promise but has a `then`', () => {
  test('is waited for', async () => {
    const it = await reading()
    let resume = () => {}
    it.room.onReset(() => ({ then: (done: () => void) => (resume = done) }))
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([])
    resume()
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([4])
  })

  test.fails('and fails is reported, and the channel goes on', async () => {
    const it = await reading()
    const unhandled = await unhandledIn(async () => {
      it.room.onReset(() => ({ then: (_: unknown, failed: (error: Error) => void) => failed(new Error('mine')) }))
      it.server.last.sayTogether(aReset(3), anEvent('a', 4))
      await it.stage.advance(CONNECT_MS)
    })
    expect([it.offsets(), it.stage.errors.length, unhandled]).toEqual([[4], 1, []])
  })
})

describe('messages that a snapshot may contain', () => {
  test('are marked up to overlapTo, and no further', async () => {
    const it = await reading()
    it.server.last.sayTogether(aReset(3, { top: position(5), overlapTo: 5, request: undefined }))
    it.server.answers = {
      fetch: ({ channel, request }) => [
        {
          type: 'page',
          channel,
          request,
          from: 4,
          events: [4, 5, 6].map((offset) => ({ ...anEvent('a', offset) })),
          more: false,
        },
      ],
    }
    await it.stage.advance(CONNECT_MS)
    expect(it.heard.map(({ offset, overlap }) => [offset, overlap])).toEqual([
      [4, true],
      [5, true],
      [6, false],
    ])
  })

  test.fails('are not marked any more when the channel was begun anew without a reset', async () => {
    const it = await connected({ channels: { lingerMs: 0 } })
    const room = it.client.channel('a')
    const off = room.on('m', () => {})
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(aReset(3, { overlapTo: 100, top: position(3) }))
    await it.stage.advance(CONNECT_MS)
    off()
    await it.stage.advance(CONNECT_MS)
    it.server.answers = {
      sub: ({ channel, request, want }) => [anAttached(channel, request, want, 0, { top: position(0, 'epoch-2') })],
    }
    const marks: boolean[] = []
    room.onAny(({ overlap }) => marks.push(overlap))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(anEvent('a', 1))
    await it.stage.advance(CONNECT_MS)
    expect(marks).toEqual([false])
  })
})

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
    expect(it.stage.lastDial.closedWith).toMatchObject({ code: 4000 })
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'reconnecting', cause: { code: 'connection-lost' } })
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

  test.fails('are not those that answer a new reader: the first snapshot was asked for', async () => {
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
