// One channel on one connection: asked for, judged, pushed, fetched, lost and begun anew.

import type { Grant, Position, ServerFrame } from 'steadywire/protocol'
import { type AuthorizeQuery, type HookAnswer, memoryStore, reject } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, SlowStore, Stage, type StageParts } from './stage.ts'

const at = (offset: number, epoch = 'e1'): Position => ({ epoch, offset })

function subscribe(
  client: Actor,
  position?: Position,
  extra: { want?: Grant[]; reset?: boolean; request?: number } = {},
) {
  const { want = ['read'], request = 1, ...rest } = extra
  client.say({ type: 'sub', channel: 'a', request, want, ...(position && { position }), ...rest })
  return client.take()
}

function fetchAfter(client: Actor, offset: number, count = 256, request = 9) {
  client.say({ type: 'fetch', channel: 'a', request, position: at(offset), count })
  return client.take()
}

/** A stage whose channel `a` has `count` messages, and room for `historyLimit` of them. */
function stageWith(count: number, { historyLimit, ...parts }: StageParts & { historyLimit?: number } = {}): Stage {
  const stage = new Stage({ store: memoryStore({ createId: () => 'e1', historyLimit }), ...parts })
  for (let i = 1; i <= count; i++) stage.publish('a', i)
  return stage
}

describe('a subscription', () => {
  test('without a position begins at the top and is pushed what follows', () => {
    const stage = stageWith(3)
    const client = stage.connect()
    expect(subscribe(client)).toEqual([
      { type: 'attached', channel: 'a', request: 1, grants: ['read'], top: at(3), mode: 'live' },
    ])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([4])
  })

  test.each([
    ['at the top is live', at(3), 'live'],
    ['within the history is catching up', at(1), 'catching-up'],
    ['at the beginning of a whole history is catching up', at(0), 'catching-up'],
  ])('%s', (_, position, mode) => {
    expect(subscribe(stageWith(3).connect(), position)).toMatchObject([{ type: 'attached', mode, top: at(3) }])
  })

  test.each([
    ['of another epoch', at(3, 'other'), 'epoch-changed'],
    ['beyond the top', at(4), 'offset-ahead'],
    ['before the history that is kept', at(0), 'history-evicted'],
  ])('with a position %s is reset to the top and live from there', (_, position, reason) => {
    const stage = stageWith(3, { historyLimit: 2 })
    const client = stage.connect()
    expect(subscribe(client, position)).toEqual([
      { type: 'attached', channel: 'a', request: 1, grants: ['read'], top: at(3), mode: 'reset' },
      { type: 'reset', channel: 'a', request: 1, reason, position: at(3), top: at(3) },
    ])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([4])
  })

  test('that asks for a new start gets one, wherever it stands', () => {
    const client = stageWith(3).connect()
    expect(subscribe(client, at(3), { reset: true })).toMatchObject([
      { mode: 'reset' },
      { type: 'reset', reason: 'asked', position: at(3) },
    ])
  })

  test('for writing alone is told the top and pushed nothing', () => {
    const stage = stageWith(1)
    const client = stage.connect()
    expect(subscribe(client, undefined, { want: ['write'] })).toMatchObject([{ grants: ['write'], top: at(1) }])
    stage.publish('a')
    expect(client.take()).toEqual([])
  })

  test('replaced by one for writing alone is no longer pushed to', () => {
    const stage = stageWith(1)
    const client = stage.connect()
    subscribe(client)
    subscribe(client, undefined, { want: ['write'], request: 2 })
    stage.publish('a')
    expect(client.take()).toEqual([])
  })

  test('that ends is no longer pushed to, and can begin again', () => {
    const stage = stageWith(1)
    const client = stage.connect()
    subscribe(client)
    client.say({ type: 'unsub', channel: 'a', request: 2 })
    stage.publish('a')
    expect(client.take()).toEqual([])
    expect(subscribe(client, at(1), { request: 3 })).toMatchObject([{ mode: 'catching-up', request: 3 }])
  })

  test('to nothing the server knows ends without a word', () => {
    const client = new Stage().connect()
    client.say({ type: 'unsub', channel: 'a', request: 2 })
    expect([client.take(), client.end]).toEqual([[], undefined])
  })

  test('beyond the limit of channels is denied, until one of the others ends', () => {
    const stage = new Stage({ options: { limits: { channelsPerConnection: 2 } } })
    const client = stage.connect()
    expect(client.attach('x', 1)).toMatchObject([{ type: 'attached' }])
    expect(client.attach('y', 2)).toMatchObject([{ type: 'attached' }])
    expect(client.attach('z', 3)).toEqual([{ type: 'denied', channel: 'z', request: 3, code: 'too-many' }])
    expect(client.attach('y', 4)).toMatchObject([{ type: 'attached', request: 4 }])
    client.say({ type: 'unsub', channel: 'y', request: 5 })
    expect(client.attach('z', 6)).toMatchObject([{ type: 'attached' }])
  })
})

describe('authorization', () => {
  type Answer = (answer: HookAnswer<boolean>) => void
  const stageThat = (authorize: (query: AuthorizeQuery, done: Answer) => void, store?: SlowStore) =>
    new Stage({ hooks: { authorize }, ...(store && { store }) })

  test('is asked for each wish, and what is granted is what is told', () => {
    const asked: unknown[] = []
    const stage = stageThat(({ user, channel, action }, done) => {
      asked.push([user.userId, channel, action])
      done({ answer: action === 'read' })
    })
    expect(stage.connect().attach('a')).toMatchObject([{ type: 'attached', grants: ['read'] }])
    expect(asked).toEqual([
      ['anonymous', 'a', 'read'],
      ['anonymous', 'a', 'write'],
    ])
  })

  test.each([
    ['no', { answer: false }, 'forbidden'],
    ['what is not a boolean', { answer: 'yes' } as never, 'forbidden'],
    ['a refusal', { error: reject('forbidden', 'x') }, 'forbidden'],
    ['trouble', { error: new Error('bug') }, 'internal'],
  ])('answered with %s denies', (_, answer, code) => {
    const stage = stageThat((__, done) => done(answer))
    const client = stage.connect()
    expect(client.attach('a')).toEqual([{ type: 'denied', channel: 'a', request: 1, code }])
    stage.publish('a')
    expect([client.take(), client.end]).toEqual([[], undefined])
  })

  test('that throws or is late denies that channel and no other', () => {
    const stage = stageThat(({ channel }, done) => {
      if (channel === 'throws') throw new Error('bug')
      if (channel !== 'silent') done({ answer: true })
    })
    const client = stage.connect()
    expect(client.attach('throws', 1)).toMatchObject([{ type: 'denied', code: 'internal' }])
    expect(client.attach('silent', 2)).toEqual([])
    expect(client.attach('fine', 3)).toMatchObject([{ type: 'attached' }])
    stage.environment.advance(5_000)
    expect(client.take()).toEqual([{ type: 'denied', channel: 'silent', request: 2, code: 'internal' }])
  })

  test('of a wish that was replaced meanwhile is dropped, and the newest is asked about', () => {
    const open: Answer[] = []
    const stage = stageThat((_, done) => void open.push(done))
    const client = stage.connect()
    for (const request of [1, 2, 3]) subscribe(client, undefined, { request })
    expect(open).toHaveLength(1)
    open[0]?.({ answer: false })
    stage.environment.settle()
    expect(client.take()).toEqual([])
    expect(open).toHaveLength(2)
    open[1]?.({ answer: true })
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ type: 'attached', request: 3 }])
  })

  test('that comes after the wish has ended attaches nothing', () => {
    const open: Answer[] = []
    const stage = stageThat((_, done) => void open.push(done))
    const client = stage.connect()
    subscribe(client)
    client.say({ type: 'unsub', channel: 'a', request: 2 })
    open[0]?.({ answer: true })
    stage.publish('a')
    expect(client.take()).toEqual([])
  })

  test('that comes after the connection has ended does nothing', () => {
    const open: Answer[] = []
    const stage = stageThat((_, done) => void open.push(done))
    const client = stage.connect()
    subscribe(client)
    client.leave()
    open[0]?.({ answer: true })
    stage.publish('a')
    expect(client.take()).toEqual([])
  })

  test('withdrawn at the next wish ends reading and writing without ending the connection', () => {
    let isAllowed = true
    const stage = stageThat((_, done) => done({ answer: isAllowed }))
    const client = stage.connect()
    client.attach('a')
    isAllowed = false
    expect(client.attach('a', 2)).toMatchObject([{ type: 'denied', code: 'forbidden' }])
    stage.publish('a')
    expect(client.take()).toEqual([])
    // A publish and a fetch that crossed the answer.
    client.publish('a', 1)
    expect(fetchAfter(client, 0)).toMatchObject([{ type: 'nack', sequence: 1, code: 'forbidden' }])
    expect(client.end).toBeUndefined()
  })
})

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
    expect(client.take()).toEqual([{ type: 'reset', channel: 'a', request: 4, reason, position: at(3), top: at(3) }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([4])
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

describe('a store that takes its time', () => {
  function slowStage(count: number): { stage: Stage; store: SlowStore } {
    const store = new SlowStore(memoryStore({ createId: () => 'e1' }))
    const stage = new Stage({ store })
    for (let i = 0; i < count; i++) stage.publish('a')
    return { stage, store }
  }

  test('misses nothing that is stored between the question and the answer', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    store.isSlow = true
    subscribe(client)
    store.isSlow = false
    stage.publish('a')
    stage.publish('a')
    store.answer()
    stage.environment.settle()
    const [attached, ...events] = client.take()
    expect(attached).toMatchObject({ mode: 'live', top: at(3) })
    expect(events).toMatchObject([{ offset: 4 }, { offset: 5 }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([6])
  })

  test('says catching up when more was stored than the node has in hand', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    store.isSlow = true
    subscribe(client)
    store.isSlow = false
    for (let i = 0; i < 300; i++) stage.publish('a')
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ mode: 'catching-up', top: at(3) }])
    expect(fetchAfter(client, 3)).toMatchObject([{ more: false, from: 4 }, ...Array(44).fill({ type: 'event' })])
  })

  test('says behind when that happens during a reset', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    store.isSlow = true
    subscribe(client, at(1, 'other'))
    store.isSlow = false
    for (let i = 0; i < 300; i++) stage.publish('a')
    store.answer()
    stage.environment.settle()
    expect(client.takeTypes()).toEqual(['attached', 'reset', 'behind'])
  })

  test('fills a page that was read before newer events from what is in hand', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    subscribe(client, at(1))
    store.isSlow = true
    fetchAfter(client, 1)
    store.isSlow = false
    stage.publish('a')
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([
      { type: 'page', more: false, top: at(3), events: [{ offset: 2 }, { offset: 3 }] },
      { type: 'event', offset: 4 },
    ])
  })

  test('reads four pages of one connection at a time, and then the others', () => {
    const { stage, store } = slowStage(0)
    const client = stage.connect()
    const names = Array.from({ length: 10 }, (_, i) => `c${i}`)
    names.forEach((channel, i) => client.attach(channel, i))
    store.isSlow = true
    client.say(
      ...names.map((channel, i) => ({ type: 'fetch', channel, request: i, position: at(0), count: 1 }) as const),
    )
    const counts: number[] = []
    for (; store.waitingCount > 0; stage.environment.settle()) {
      counts.push(store.waitingCount)
      store.answer()
    }
    expect(counts).toEqual([4, 4, 2])
    expect(client.takeTypes()).toEqual(Array(10).fill('page'))
  })

  test('answers pings in order, each after its question', () => {
    const { stage, store } = slowStage(1)
    const client = stage.connect()
    subscribe(client)
    store.isSlow = true
    client.say({ type: 'ping', n: 1 })
    client.say({ type: 'ping', n: 2 })
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ type: 'pong', n: 1 }])
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ type: 'pong', n: 2 }])
  })

  test.each([
    ['sub', (client: Actor) => subscribe(client, undefined, { request: 2 })],
    ['fetch', (client: Actor) => fetchAfter(client, 0)],
    ['ping', (client: Actor) => client.say({ type: 'ping', n: 1 })],
    ['pub', (client: Actor) => client.publish('a', 1)],
  ])('and then does not know closes 4503 at a %s, with no answer', (_, ask) => {
    const { stage, store } = slowStage(1)
    const client = stage.attach('a')
    store.isLost = true
    ask(client)
    expect(client.end).toBe('4503 store-unavailable')
    expect(client.take()).toEqual([])
  })
})

describe('a log that begins anew', () => {
  /** A stage whose store forgets everything, as a wiped one does. */
  function wipeableStage() {
    let epoch = 0
    const fresh = () => memoryStore({ createId: () => `e${++epoch}` })
    const store = new Forgetful(fresh)
    return { stage: new Stage({ store }), store }
  }

  test('sends everyone who was live behind, and the fetch is a reset', () => {
    const { stage, store } = wipeableStage()
    const client = stage.connect()
    subscribe(client)
    stage.publish('a')
    client.take()
    store.forget()
    stage.publish('a')
    expect(client.takeTypes()).toEqual(['behind'])
    expect(fetchAfter(client, 1)).toMatchObject([{ type: 'reset', reason: 'epoch-changed', position: at(1, 'e2') }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([2])
  })

  test('can be attached to while the node still has the old one in hand', () => {
    const { stage, store } = wipeableStage()
    const client = stage.connect()
    subscribe(client)
    for (let i = 0; i < 5; i++) stage.publish('a')
    client.take()
    store.forget()
    expect(subscribe(client, at(5), { request: 2 })).toMatchObject([
      { mode: 'reset', top: at(0, 'e2') },
      { reason: 'epoch-changed' },
    ])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([1])
  })

  test('shows in the next pong even if nothing is stored', () => {
    const { stage, store } = wipeableStage()
    const client = stage.connect()
    subscribe(client)
    client.say({ type: 'ping', n: 1 })
    client.take()
    store.forget()
    client.say({ type: 'ping', n: 2 })
    expect(client.take()).toEqual([{ type: 'pong', n: 2, tops: [{ channel: 'a', ...at(0, 'e2') }] }])
  })
})

class Forgetful extends SlowStore {
  readonly #fresh: () => SlowStore

  constructor(fresh: () => ConstructorParameters<typeof SlowStore>[0]) {
    super(fresh())
    this.#fresh = () => new SlowStore(fresh())
  }

  forget(): void {
    const { attach, append, page, tops } = this.#fresh()
    Object.assign(this, { attach, append, page, tops })
  }
}
