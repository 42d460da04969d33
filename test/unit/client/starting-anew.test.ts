// What handlers of a new start may do: take their time, fail, and say what they have already.

import { describe, expect, test } from 'vitest'
import { anAttached, anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected } from '../../support/desk.ts'
import { aReset, position, reading, slowly, startingAt } from '../../support/new-starts.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'
import { unhandledIn } from '../../support/unhandled.ts'

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

  test('leaves out only what all of them have, also where one throws', async () => {
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

  test('and fails is reported, and the channel goes on', async () => {
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

  test('are not marked any more when the channel was begun anew without a reset', async () => {
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
