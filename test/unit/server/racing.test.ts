// What happens between a question to the store and its answer, and when the store's log begins anew.

import { memoryStore } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { at, fetchAfter, subscribe } from './channel-a.ts'
import { type Actor, SlowStore, Stage } from './stage.ts'

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

  test('does not repeat what was stored before the question and told after it', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    store.isSlow = true
    stage.broker.publish({ channel: 'a', name: 'n', data: 4 }, () => {})
    store.isSlow = false
    expect(subscribe(client)).toMatchObject([{ mode: 'live', top: at(4) }])
    store.answer()
    stage.environment.settle()
    expect(client.take()).toEqual([])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([5])
  })

  test('answers the newer of two fetches, and drops the older', () => {
    const { stage, store } = slowStage(3)
    const client = stage.connect()
    subscribe(client, at(0))
    store.isSlow = true
    fetchAfter(client, 0, 1, 5)
    fetchAfter(client, 1, 1, 6)
    for (; store.waitingCount > 0; stage.environment.settle()) store.answer()
    expect(client.take()).toMatchObject([{ type: 'page', request: 6, from: 2 }])
  })

  test('lists in a pong what is attached when it leaves', () => {
    const { stage, store } = slowStage(1)
    const client = stage.attach('a')
    client.attach('b', 2)
    store.isSlow = true
    client.say({ type: 'ping', n: 1 })
    client.say({ type: 'unsub', channel: 'a', request: 3 })
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ type: 'pong', tops: [{ channel: 'b' }] }])
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
    const { stage, store } = slowStage(0)
    const client = stage.connect()
    store.isSlow = true
    subscribe(client, at(1, 'other'))
    store.answer()
    stage.environment.settle()
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
    expect(fetchAfter(client, 1)).toMatchObject([
      { type: 'reset', reason: 'epoch-changed', position: at(0, 'e2'), top: at(1, 'e2') },
    ])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([])
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
    const { attach, detach, append, page, tops } = this.#fresh()
    Object.assign(this, { attach, detach, append, page, tops })
  }
}
