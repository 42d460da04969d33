// What arrives before its turn: held, put in order, fetched where it is missing, and never more than the bounds allow.

import { describe, expect, test } from 'vitest'
import { anAttached, anEntry, anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected, type Desk } from '../../support/desk.ts'
import { CONNECT_MS } from '../../support/stage.ts'

const OFFSETS = [1, 2, 3, 4, 5]
const ORDERS = permutations(OFFSETS)

function permutations(list: readonly number[]): number[][] {
  if (list.length < 2) return [[...list]]
  return list.flatMap((first) => permutations(list.filter((one) => one !== first)).map((rest) => [first, ...rest]))
}

/** A client that reads one channel for each of these orders, all of which have been pushed. */
async function pushed(orders: readonly (readonly number[])[]) {
  const it = await connected()
  const heard = orders.map((_, i) => {
    const offsets: number[] = []
    it.client.channel(`${i}`).onAny(({ offset }) => offsets.push(offset))
    return offsets
  })
  await it.stage.advance(CONNECT_MS)
  for (const [i, order] of orders.entries()) {
    for (const _ of OFFSETS) it.server.grow(`${i}`)
    it.server.last.say(...order.map((offset) => anEvent(`${i}`, offset)))
  }
  await it.stage.advance(CONNECT_MS)
  return { ...it, heard, fetches: () => it.server.framesOf('fetch') }
}

/** A client that reads `a` from the beginning. */
async function reading(options: object = {}, answers: object = {}) {
  const it = await connected(options, answers)
  const heard: number[] = []
  it.client.channel('a').onAny(({ offset }) => heard.push(offset))
  await it.stage.advance(CONNECT_MS)
  return { ...it, heard, fetches: () => it.server.framesOf('fetch') }
}

function grow({ server }: Desk, count: number, change: object = {}): void {
  for (let i = 0; i < count; i++) server.grow('a', change)
}

const upTo = (offset: number) => Array.from({ length: offset }, (_, i) => i + 1)

describe('five messages in every order', () => {
  test('are handed over in theirs, and nothing is fetched', async () => {
    const { heard, fetches, client } = await pushed(ORDERS)
    expect(heard).toEqual(ORDERS.map(() => OFFSETS))
    expect([fetches(), client.stats().held, client.stats().duplicates]).toEqual([[], 0, 0])
  })

  test.each(OFFSETS)('with %i coming twice are handed over once each', async (again) => {
    const orders = ORDERS.flatMap((order) => [
      [again, ...order],
      [...order, again],
    ])
    const { heard, fetches, client } = await pushed(orders)
    expect(heard).toEqual(orders.map(() => OFFSETS))
    expect([fetches(), client.stats().duplicates]).toEqual([[], orders.length])
  })

  test.each([1, 2, 3, 4])('with %i missing are held behind it until it is fetched', async (missing) => {
    const orders = ORDERS.map((order) => order.filter((offset) => offset !== missing))
    const { stage, heard, fetches, client } = await pushed(orders)
    expect(heard).toEqual(orders.map(() => upTo(missing - 1)))
    expect(fetches()).toEqual([])
    expect(client.stats().held).toBeGreaterThan(orders.length * (5 - missing) * JSON.stringify(anEvent('1', 1)).length)
    await stage.advance(2_000)
    expect(heard).toEqual(orders.map(() => OFFSETS))
    expect([fetches().length, client.stats().held, client.stats().gaps]).toEqual([orders.length, 0, orders.length])
  })

  test('with the last one missing wait for the server’s word on the top', async () => {
    const orders = ORDERS.map((order) => order.filter((offset) => offset !== 5))
    const { stage, heard, fetches, server } = await pushed(orders)
    server.answers = {
      ping: ({ n }) => [
        { type: 'pong', n, tops: orders.map((_, i) => ({ channel: `${i}`, epoch: EPOCH, offset: 5 })) },
      ],
    }
    await stage.advance(20_000)
    expect([heard[0], fetches()]).toEqual([[1, 2, 3, 4], []])
    await stage.advance(10_000)
    expect(heard).toEqual(orders.map(() => OFFSETS))
  })
})

describe('a missing message', () => {
  test('that comes within gapTimeoutMs is not fetched', async () => {
    const it = await reading()
    grow(it, 3)
    it.server.last.say(anEvent('a', 2), anEvent('a', 3))
    await it.stage.advance(1_900)
    it.server.last.say(anEvent('a', 1))
    await it.stage.advance(5_000)
    expect([it.heard, it.fetches()]).toEqual([[1, 2, 3], []])
  })

  test('is fetched after gapTimeoutMs, counted from the first that came too early', async () => {
    const it = await reading({ inbox: { gapTimeoutMs: 500 } })
    grow(it, 9)
    for (let offset = 2; offset < 9; offset++) {
      it.server.last.say(anEvent('a', offset))
      await it.stage.advance(100)
    }
    expect(it.fetches()).toMatchObject([{ position: { epoch: EPOCH, offset: 0 } }])
  })

  test('is fetched at once where gapTimeoutMs is 0', async () => {
    const it = await reading({ inbox: { gapTimeoutMs: 0 } })
    grow(it, 2)
    it.server.last.say(anEvent('a', 2))
    await it.stage.advance(20)
    expect(it.heard).toEqual([1, 2])
  })

  test('of one channel holds up no other', async () => {
    const it = await reading()
    const others: number[] = []
    it.client.channel('b').onAny(({ offset }) => others.push(offset))
    await it.stage.advance(CONNECT_MS)
    grow(it, 2)
    it.server.last.say(anEvent('a', 2))
    it.server.last.event('b')
    await it.stage.advance(CONNECT_MS)
    expect([it.heard, others]).toEqual([[], [1]])
  })

  test('tells fetched from pushed: what came by itself was pushed', async () => {
    const it = await reading()
    const replayed: [number, boolean][] = []
    it.client.channel('a').onAny((message) => replayed.push([message.offset, message.replayed]))
    grow(it, 4)
    it.server.last.say(anEvent('a', 2), anEvent('a', 1), anEvent('a', 4))
    await it.stage.advance(3_000)
    expect(replayed).toEqual([
      [1, false],
      [2, false],
      [3, true],
      [4, true],
    ])
  })

  test('that the page does not have is asked for once: what came early is dropped, and is the server’s to send again', async () => {
    const it = await reading(
      {},
      {
        fetch: ({ channel, request }: { channel: string; request: number }) => [
          { type: 'page', channel, request, from: 1, events: [], more: false, top: { epoch: EPOCH, offset: 0 } },
        ],
      },
    )
    it.server.last.say(anEvent('a', 2))
    await it.stage.advance(20_000)
    expect([it.stage.dials.length, it.server.framesOf('fetch').length, it.client.stats().held]).toEqual([1, 1, 0])
  })
})

describe('while a page is awaited', () => {
  test('an empty page and what follows it in one message leave nothing counted', async () => {
    const it = await reading({}, { fetch: () => [] })
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    const [fetch] = it.fetches()
    const page = { type: 'page', channel: 'a', request: fetch?.request, from: 1, events: [], more: false }
    it.server.last.say(page, anEvent('a', 1), anEvent('a', 2))
    await it.stage.advance(20)
    expect([it.heard, it.client.stats().held]).toEqual([upTo(2), 0])
  })

  test('what is pushed waits for it: the page brings it, or it is pushed again', async () => {
    const it = await reading({}, { fetch: () => [] })
    grow(it, 6)
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    it.server.last.say(...[1, 3, 2, 6, 5, 4].map((offset) => anEvent('a', offset)))
    await it.stage.advance(20)
    expect(it.heard).toEqual([])
    const [fetch] = it.fetches()
    const events = [1, 2, 3, 4].map((offset) => anEntry(offset))
    it.server.last.say({ type: 'page', channel: 'a', request: fetch?.request, from: 1, events, more: false })
    it.server.last.say(anEvent('a', 5), anEvent('a', 6))
    await it.stage.advance(20)
    expect([it.heard, it.client.stats().held]).toEqual([upTo(6), 0])
  })

  test('what is pushed moves nothing, however often the page has more', async () => {
    const it = await reading()
    grow(it, 9)
    it.server.answers = {
      fetch: ({ channel, request, position }) => {
        const from = position.offset + 1
        const events = [anEntry(from), anEntry(from + 1)]
        const more = from < 7
        return [anEvent('a', from), { type: 'page', channel, request, from, events, more }, anEvent('a', 9)]
      },
    }
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(1_000)
    expect([it.heard, it.fetches().length]).toEqual([upTo(9), 4])
  })
})

describe('what is held', () => {
  test('is forgotten with the connection: the next one fetches from where handlers stand', async () => {
    const it = await reading({ backoff: { baseDelayMs: 10 } })
    grow(it, 3)
    it.server.last.say(anEvent('a', 3))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(1_000)
    expect(it.server.last.framesOf('sub')).toMatchObject([{ position: { epoch: EPOCH, offset: 0 } }])
    expect([it.heard, it.client.stats().held]).toEqual([[1, 2, 3], 0])
  })

  test('is forgotten with a new start', async () => {
    const it = await reading()
    it.server.last.say(anEvent('a', 7, { id: 'of-before' }))
    const position = { epoch: 'epoch-2', offset: 5 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'epoch-changed', position, top: position })
    it.server.last.say(anEvent('a', 6))
    await it.stage.advance(CONNECT_MS)
    expect([it.heard, it.client.stats().held]).toEqual([[6], 0])
  })

  test('is not fetched after a new start, which has filled every gap', async () => {
    const it = await reading()
    it.server.last.say(anEvent('a', 7, { id: 'of-before' }))
    const position = { epoch: 'epoch-2', offset: 5 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'epoch-changed', position, top: position })
    it.server.last.say(anEvent('a', 6))
    await it.stage.advance(5_000)
    expect([it.fetches(), it.client.stats().gaps]).toEqual([[], 0])
  })

  test('is forgotten when nobody reads any more', async () => {
    const it = await connected({ channels: { lingerMs: 0 } })
    const off = it.client.channel('a').on('m', () => {})
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(anEvent('a', 2))
    await it.stage.advance(CONNECT_MS)
    off()
    await it.stage.advance(5_000)
    expect([it.client.stats().held, it.server.framesOf('fetch')]).toEqual([0, []])
  })
})

describe('bounds', () => {
  test.each([1, 3])(
    'inbox.maxHeld %i: one more is not held, and what is missing is fetched at once',
    async (maxHeld) => {
      const it = await reading({ inbox: { maxHeld } })
      grow(it, 6)
      for (let i = 0; i < maxHeld; i++) it.server.last.say(anEvent('a', 2 + i))
      await it.stage.advance(20)
      expect(it.fetches()).toEqual([])
      expect(it.client.stats().held).toBeGreaterThan(0)
      it.server.last.say(anEvent('a', 2 + maxHeld))
      await it.stage.advance(20)
      expect([it.heard, it.fetches().length]).toEqual([upTo(6), 1])
    },
  )

  test('inbox.maxHeld 0: nothing is held, and what is missing is fetched at once', async () => {
    const it = await reading({ inbox: { maxHeld: 0 } })
    grow(it, 2)
    it.server.last.say(anEvent('a', 2))
    await it.stage.advance(20)
    expect([it.heard, it.fetches().length]).toEqual([[1, 2], 1])
  })

  test('inbox.maxHeldBytes: above it nothing more is held, and what is missing is fetched at once', async () => {
    const it = await reading({ inbox: { maxHeldBytes: 3_000 } })
    grow(it, 9)
    it.server.answers = { fetch: () => [] }
    for (let offset = 2; offset < 9; offset++) {
      it.server.last.say(anEvent('a', offset, { data: 'x'.repeat(1_000) }))
      await it.stage.advance(10)
      expect(it.client.stats().held).toBeLessThan(3_000 + 1_200)
    }
    expect(it.fetches()).toHaveLength(1)
  })

  test('of one channel are not taken up by another', async () => {
    const it = await reading({ inbox: { maxHeld: 2 } })
    it.client.channel('b').retain()
    await it.stage.advance(CONNECT_MS)
    grow(it, 5)
    for (const name of ['a', 'b']) it.server.last.say(anEvent(name, 3), anEvent(name, 2))
    await it.stage.advance(20)
    expect(it.fetches()).toEqual([])
  })

  test('hold against a server that pushes a million offsets, and the channel goes on', async () => {
    const it = await reading({ inbox: { maxHeld: 16 } })
    it.server.answers = { fetch: () => [] }
    for (let n = 0; n < 200; n++) {
      it.server.last.sayTogether(...Array.from({ length: 50 }, (_, i) => anEvent('a', 1_000_000 - n * 50 - i)))
    }
    await it.stage.advance(20)
    expect(it.client.stats().held).toBeLessThan(17 * 120)
    grow(it, 3)
    const request = it.fetches()[0]?.request
    const events = [1, 2, 3].map((offset) => anEntry(offset))
    it.server.last.say({ type: 'page', channel: 'a', request, from: 1, events, more: false })
    await it.stage.advance(20)
    expect(it.heard).toEqual([1, 2, 3])
  })

  test('what waits for handlers is bounded: the rest is fetched when half of it has been handed over', async () => {
    const it = await connected({ inbox: { maxHeldBytes: 4_000 } })
    const heard: number[] = []
    let resume = () => {}
    it.client.channel('a').onAny(({ offset }) => heard.push(offset))
    it.client.channel('a').onReset(() => new Promise<void>((resolve) => (resume = resolve)))
    await it.stage.advance(CONNECT_MS)
    const position = { epoch: EPOCH, offset: 0 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'r', position, top: position })
    for (let i = 0; i < 100; i++) it.server.last.event('a', { data: 'x'.repeat(300) })
    await it.stage.advance(60_000)
    expect([heard, it.server.framesOf('fetch')]).toEqual([[], []])
    expect(it.client.channel('a').state.getSnapshot().status).toBe('catching-up')
    expect(it.client.stats().held).toBeLessThan(4_000 + 500)
    resume()
    await it.stage.advance(1_000)
    expect(heard).toEqual(upTo(100))
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'live', position: { offset: 100 } })
  })

  test('are counted exactly: what has been handed over leaves nothing behind', async () => {
    const it = await reading()
    for (const length of [1, 22, 333]) grow(it, 1, { data: 'x'.repeat(length) })
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 40; i++) {
      it.server.grow('a')
      it.server.last.sayTogether(anEvent('a', 4 + i), ...Array.from({ length: i % 7 }, () => ({ type: 'ping', n: i })))
    }
    await it.stage.advance(CONNECT_MS)
    expect([it.heard, it.client.stats().held]).toEqual([upTo(43), 0])
  })

  test('one message larger than the bound is handed over', async () => {
    const it = await reading({ inbox: { maxHeldBytes: 1_000 } })
    it.server.last.event('a', { data: 'x'.repeat(5_000) })
    it.server.last.event('a')
    await it.stage.advance(CONNECT_MS)
    expect(it.heard).toEqual([1, 2])
  })
})

test('an attachment that was answered belongs to the newest question: what came between is fetched', async () => {
  const it = await reading()
  it.server.answers = { sub: () => [] }
  void it.client
    .channel('a')
    .publish('m', 1)
    .catch(() => {})
  await it.stage.advance(20)
  grow(it, 2)
  it.server.last.say(anEvent('a', 1), anEvent('a', 2))
  await it.stage.advance(20)
  expect(it.heard).toEqual([])
  it.server.last.say(anAttached('a', it.server.last.requestOf('a'), ['read'], 2, { mode: 'catching-up' }))
  await it.stage.advance(CONNECT_MS)
  expect(it.heard).toEqual([1, 2])
})
