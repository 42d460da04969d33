// Following a channel: pages while behind, pushes while level, and the way from one to the other.

import type { ServerFrame } from 'steadywire/protocol'
import { describe, expect, test } from 'vitest'
import { at, fetchAfter, stageWith, subscribe } from './channel-a.ts'

describe('a page', () => {
  test('holds what follows the position, and the last one makes live', () => {
    const stage = stageWith(5)
    const client = stage.connect()
    subscribe(client, at(1))
    expect(fetchAfter(client, 1, 2)).toMatchObject([
      { type: 'page', request: 9, from: 2, events: [{ offset: 2 }, { offset: 3 }], more: true },
    ])
    stage.publish('a')
    expect(client.take()).toEqual([])
    const [page] = fetchAfter(client, 3, 256, 10)
    expect(page).toMatchObject({ type: 'page', request: 10, from: 4, more: false, top: at(6) })
    expect(page?.type === 'page' && page.events.map(({ offset }) => offset)).toEqual([4, 5, 6])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([7])
  })

  test('carries events as pushes do', () => {
    const stage = stageWith(0)
    const writer = stage.attach('a')
    writer.publish('a', 1, { text: 'ä\u2028\ud83d\ude00', list: [1, null] }, 'mine')
    const [event] = writer.take()
    const client = stage.connect()
    subscribe(client, at(0))
    const { type, channel, ...rest } = event as ServerFrame & { type: 'event' }
    expect(fetchAfter(client, 0)).toMatchObject([{ events: [rest] }])
    expect([type, channel]).toEqual(['event', 'a'])
  })

  test('from the top is empty and makes live', () => {
    const client = stageWith(3).connect()
    subscribe(client, at(1))
    expect(fetchAfter(client, 3)).toEqual([
      { type: 'page', channel: 'a', request: 9, from: 4, events: [], more: false, top: at(3) },
    ])
  })

  test.each([
    ['of another epoch', { epoch: 'other', offset: 2 }, 'epoch-changed'],
    ['beyond the top', at(9), 'offset-ahead'],
    ['that history no longer reaches', at(0), 'history-evicted'],
  ])('from a position %s is a reset instead', (_, position, reason) => {
    const stage = stageWith(3, { historyLimit: 2 })
    const client = stage.connect()
    subscribe(client)
    client.say({ type: 'fetch', channel: 'a', request: 4, position, count: 10 })
    expect(client.take()).toEqual([{ type: 'reset', channel: 'a', request: 4, reason, position: at(1), top: at(3) }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([])
  })

  test('holds at most 32 KiB, however many events were asked for', () => {
    const stage = stageWith(0)
    for (let i = 0; i < 20; i++) stage.publish('a', 'x'.repeat(8_000))
    const client = stage.connect()
    subscribe(client, at(0))
    const [page] = fetchAfter(client, 0, Number.MAX_SAFE_INTEGER)
    expect(page).toMatchObject({ more: true, events: { length: 4 } })
    expect(client.messages.at(-1)?.length).toBeLessThan(32_768 + 200)
  })

  test.each([
    ['of letters that take two bytes', 'ä'.repeat(8_000), 20],
    ['of small events', 'x'.repeat(90), 256],
  ])('holds at most 32 KiB %s', (_, data, count) => {
    const stage = stageWith(0)
    for (let i = 0; i < count; i++) stage.publish('a', data)
    const client = stage.connect()
    subscribe(client, at(0))
    expect(fetchAfter(client, 0)).toMatchObject([{ more: true }])
    expect(Buffer.byteLength(client.messages.at(-1) ?? '')).toBeLessThan(32_768 + 200)
  })

  test('holds one event at least, however large', () => {
    const stage = stageWith(0)
    stage.publish('a', 'x'.repeat(100_000))
    stage.publish('a', 1)
    const client = stage.connect()
    subscribe(client, at(0))
    expect(fetchAfter(client, 0)).toMatchObject([{ more: true, events: [{ offset: 1 }] }])
    expect(fetchAfter(client, 1, 0)).toMatchObject([{ more: false, events: [{ offset: 2 }] }])
  })

  test('holds 256 events at most', () => {
    const client = stageWith(400).connect()
    subscribe(client, at(0))
    expect(fetchAfter(client, 0, 100_000)).toMatchObject([{ more: true, events: { length: 256 } }])
  })

  test('that reaches what the node still has in hand is the last, and the rest is pushed', () => {
    const stage = stageWith(300)
    const listener = stage.connect()
    subscribe(listener)
    for (let i = 0; i < 10; i++) stage.publish('a')
    const client = stage.connect()
    subscribe(client, at(44))
    const [page, ...pushed] = fetchAfter(client, 44)
    // 45 … 300 fill the page; 301 … 310 are in hand.
    expect(page).toMatchObject({ more: false, top: at(310), events: { length: 256 } })
    expect(pushed.map((frame) => frame.type === 'event' && frame.offset)).toEqual(
      Array.from({ length: 10 }, (_, i) => 301 + i),
    )
  })

  test('asked for twice in one tick is sent once, for the newer question', () => {
    const client = stageWith(3).connect()
    subscribe(client, at(0))
    client.say(
      { type: 'fetch', channel: 'a', request: 5, position: at(0), count: 1 },
      { type: 'fetch', channel: 'a', request: 6, position: at(1), count: 1 },
    )
    expect(client.take()).toMatchObject([{ type: 'page', request: 6, from: 2 }])
  })

  test('leaves with three others at most in one tick, and then the next', () => {
    const client = stageWith(0).connect()
    const names = Array.from({ length: 10 }, (_, i) => `c${i}`)
    const epochs = names.map((channel, i) => {
      const [attached] = client.attach(channel, i)
      return attached?.type === 'attached' ? attached.top.epoch : ''
    })
    const before = client.messages.length
    client.say(
      ...names.map((channel, i) => {
        const position = { epoch: epochs[i] ?? '', offset: 0 }
        return { type: 'fetch', channel, request: i, position, count: 1 } as const
      }),
    )
    const counts = client.messages.slice(before).map((text) => (JSON.parse(text) as unknown[]).length)
    expect(counts).toEqual([4, 4, 2])
  })

  test('waits while too much is unsent, and leaves when the socket has drained', () => {
    const stage = stageWith(3)
    const client = stage.connect()
    subscribe(client, at(0))
    client.buffered = 2_000_000
    expect(fetchAfter(client, 0)).toEqual([])
    stage.publish('a')
    client.drain()
    expect(client.take()).toMatchObject([{ type: 'page', events: { length: 4 }, more: false }])
  })

  test('waits no longer than the next look of the broker, if the socket does not tell', () => {
    const stage = stageWith(3)
    const client = stage.connect()
    subscribe(client, at(0))
    client.buffered = 2_000_000
    fetchAfter(client, 0)
    client.buffered = 0
    stage.environment.advance(6_000)
    expect(client.takeTypes()).toEqual(['page'])
  })
})

describe('pushing', () => {
  test('an event is encoded once for everyone', () => {
    const stage = stageWith(0)
    const clients = [1, 2, 3].map(() => stage.attach('a'))
    stage.publish('a', { some: 'data' })
    const texts = clients.map(({ messages }) => messages.at(-1))
    expect(new Set(texts).size).toBe(1)
    expect(JSON.parse(texts[0] ?? '')).toMatchObject({ type: 'event', offset: 1, data: { some: 'data' } })
  })

  test('stops with `behind` when too much is unsent, and goes on after the last page', () => {
    const stage = stageWith(0, { options: { limits: { maxBufferedBytes: 10_000 } } })
    const client = stage.attach('a')
    const other = stage.attach('a')
    client.isStuck = true
    for (let i = 0; i < 30; i++) stage.publish('a', 'x'.repeat(1_000))
    const types = client.takeTypes()
    expect(types.at(-1)).toBe('behind')
    expect(types.length).toBeLessThan(12)
    expect(other.takeOffsets()).toHaveLength(30)
    client.isStuck = false
    client.drain()
    const received = types.length - 1
    expect(fetchAfter(client, received)).toMatchObject([{ type: 'page', from: received + 1, more: false }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([31])
    expect(stage.broker.figures().behind).toBe(1)
  })

  test('counts what waits for the end of the tick as unsent', () => {
    const stage = stageWith(0, { options: { limits: { maxBufferedBytes: 10_000 } } })
    const client = stage.attach('a')
    const data = 'x'.repeat(1_000)
    const publishes = Array.from({ length: 60 }, (_, i) => i + 1)
    client.say(
      ...publishes.map((n) => ({ type: 'pub', channel: 'a', sequence: n, id: `m${n}`, name: 'n', data }) as const),
    )
    const types = client.takeTypes()
    expect(types.filter((type) => type === 'behind')).toHaveLength(1)
    expect(types.filter((type) => type === 'ack')).toHaveLength(60)
    expect(types.filter((type) => type === 'event').length).toBeLessThan(12)
  })

  test('stops at a fetch, without a word, until a page says that there is no more', () => {
    const stage = stageWith(3)
    const client = stage.connect()
    subscribe(client)
    expect(fetchAfter(client, 0, 1)).toMatchObject([{ more: true }])
    stage.publish('a')
    expect(client.take()).toEqual([])
    expect(fetchAfter(client, 1)).toMatchObject([{ more: false, events: { length: 3 } }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([5])
  })

  test('one who is slow or gone changes nothing for the others', () => {
    const stage = stageWith(0)
    const [slow, gone, fine] = [stage.attach('a'), stage.attach('a'), stage.attach('a')]
    if (slow) slow.buffered = 2_000_000
    gone?.leave()
    stage.publish('a')
    expect(slow?.takeTypes()).toEqual(['behind'])
    expect(gone?.take()).toEqual([])
    expect(fine?.takeOffsets()).toEqual([1])
  })
})
