// What the store remembers of a producer: over connections a publish is stored once, and every answer stays true.

import type { Grant, ServerFrame } from 'steadywire/protocol'
import { type DetachQuery, type HookAnswer, memoryStore, type PublishQuery, type Store } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, SlowStore, Stage, type StageParts } from './stage.ts'

/** A client of its own connection that has attached to `a` as the producer `p`. */
function attachAs(stage: Stage, generation: number, extra: { settledBelow?: number; want?: Grant[] } = {}): Actor {
  const client = stage.open()
  client.hello('p', generation)
  client.take()
  client.say({ type: 'sub', channel: 'a', request: 1, want: ['write'], ...extra })
  return client
}

const recordIn = ([frame]: readonly ServerFrame[]) => (frame?.type === 'attached' ? frame.producer : undefined)

describe('attaching to write', () => {
  test('tells what is known of the producer: nothing at first, and later what it has stored', () => {
    const stage = new Stage()
    const first = attachAs(stage, 1)
    expect(recordIn(first.take())).toEqual({ incarnation: 'e2', last: 0, done: [] })
    first.publish('a', 3)
    first.publish('a', 7)
    first.leave()
    expect(recordIn(attachAs(stage, 2).take())).toEqual({
      incarnation: 'e2',
      last: 7,
      done: [
        [3, 'm3', 1],
        [7, 'm7', 2],
      ],
    })
  })

  test('tells no more of what has settled', () => {
    const stage = new Stage()
    const first = attachAs(stage, 1)
    for (const sequence of [1, 2, 3]) first.publish('a', sequence)
    expect(recordIn(attachAs(stage, 2, { settledBelow: 3 }).take())).toMatchObject({ last: 3, done: [[3, 'm3', 3]] })
  })

  test.each([
    ['wanted', {}, ['read'] as Grant[]],
    [
      'granted',
      { authorize: ({ action }, done) => done({ answer: action === 'read' }) } as StageParts['hooks'],
      ['read', 'write'] as Grant[],
    ],
  ])('that is not %s tells nothing and makes no record', (_, hooks, want) => {
    const stage = new Stage({ ...(hooks && { hooks }) })
    const client = attachAs(stage, 1, { want })
    const [attached] = client.take()
    expect(attached).toMatchObject({ type: 'attached', grants: ['read'] })
    expect(attached).not.toHaveProperty('producer')
  })

  test.each([
    ['a newer connection acts for', 'p', 2, '4409 replaced'],
    ['is another user’s', 'p', 9, '4403 other-user'],
  ])('as a producer that %s on another node closes', (_, producer, generation, end) => {
    const store = memoryStore()
    attachAs(new Stage({ store }), 5)
    const other = new Stage({ store }).open({
      authenticate: (__, done) => done({ answer: { userId: end.startsWith('4403') ? 'mallory' : 'anonymous' } }),
    })
    other.hello(producer, generation)
    other.take()
    other.attach('a')
    expect([other.end, other.take()]).toEqual([end, []])
  })
})

describe('a publish sent again on a new connection', () => {
  test('that was stored is acknowledged as it was, and stored once', () => {
    const stage = new Stage()
    const reader = stage.attach('a')
    attachAs(stage, 1).publish('a', 1, 'x')
    const again = attachAs(stage, 2)
    again.take()
    again.publish('a', 1, 'x')
    expect(again.take()).toEqual([{ type: 'ack', channel: 'a', sequence: 1, offset: 1 }])
    expect(stage.ids('a')).toEqual(['m1'])
    expect(reader.takeOffsets()).toEqual([1])
  })

  test('that the store was still busy with is stored once', () => {
    const store = new SlowStore()
    const stage = new Stage({ store })
    const first = attachAs(stage, 1)
    store.isSlow = true
    first.publish('a', 1)
    first.leave()
    store.isSlow = false
    const again = attachAs(stage, 2)
    again.take()
    store.answer()
    again.publish('a', 1)
    expect(again.take()).toMatchObject([{ type: 'ack', sequence: 1, offset: 1 }])
    expect(stage.ids('a')).toEqual(['m1'])
  })

  test('that was refused while later ones were stored is refused for good, whatever a hook would say', () => {
    const asked: PublishQuery[] = []
    let isStrict = true
    const stage = new Stage({
      hooks: {
        onPublish(query, done) {
          asked.push(query)
          done(isStrict && query.data === 'bad' ? { error: new Error('no') } : { answer: query.data })
        },
      },
    })
    const first = attachAs(stage, 1)
    first.publish('a', 1, 'bad')
    first.publish('a', 2, 'good')
    isStrict = false
    const again = attachAs(stage, 2)
    again.take()
    again.publish('a', 1, 'bad')
    expect(again.take()).toMatchObject([{ type: 'nack', sequence: 1, code: 'superseded' }])
    expect(stage.ids('a')).toEqual(['m2'])
    expect(asked).toHaveLength(2)
  })

  test('that was stored is not refused by a hook that has changed its mind', () => {
    let isStrict = false
    const stage = new Stage({
      hooks: { onPublish: ({ data }, done) => done(isStrict ? { error: new Error('no') } : { answer: data }) },
    })
    attachAs(stage, 1).publish('a', 1)
    isStrict = true
    const again = attachAs(stage, 2)
    again.take()
    again.publish('a', 1)
    again.publish('a', 2)
    expect(again.take()).toMatchObject([
      { type: 'ack', sequence: 1, offset: 1 },
      { type: 'nack', sequence: 2, code: 'internal' },
    ])
  })

  test('under another id closes 4400', () => {
    const stage = new Stage()
    attachAs(stage, 1).publish('a', 1)
    const again = attachAs(stage, 2)
    again.publish('a', 1, null, 'other')
    expect(again.end).toBe('4400 conflict')
  })
})

test('a connection that was replaced on another node stores nothing and closes 4409', () => {
  const store = memoryStore()
  const stage = new Stage({ store })
  const old = attachAs(stage, 1)
  old.take()
  attachAs(new Stage({ store }), 2)
  old.publish('a', 1)
  expect([old.end, old.take(), stage.ids('a')]).toEqual(['4409 replaced', [], []])
})

test('no publish is begun while the record is being asked for: what it covers is known only then', () => {
  const asked: PublishQuery[] = []
  const store = new SlowStore()
  const stage = new Stage({
    store,
    hooks: {
      onPublish(query, done) {
        asked.push(query)
        done({ answer: query.data })
      },
    },
  })
  const client = attachAs(stage, 1)
  store.isSlow = true
  client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
  client.publish('a', 1)
  expect(asked).toEqual([])
  store.isSlow = false
  store.answer()
  stage.environment.settle()
  expect(client.takeTypes()).toEqual(['attached', 'attached', 'ack'])
})

test('a publish that came while the record was asked for is answered, even if the wish was replaced meanwhile', () => {
  const store = new SlowStore()
  const stage = new Stage({ store })
  const client = attachAs(stage, 1)
  client.take()
  store.isSlow = true
  client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
  client.publish('a', 1)
  client.say({ type: 'sub', channel: 'a', request: 3, want: ['read'] })
  for (; store.waitingCount > 0; stage.environment.settle()) store.answer()
  expect(client.take()).toMatchObject([
    { type: 'ack', sequence: 1 },
    { type: 'attached', request: 3 },
  ])
})

describe('a producer that the store has forgotten', () => {
  /** The store forgets a record as soon as nobody is attached to it, and here it can be told so. */
  function forgetfulStage(hooks: StageParts['hooks'] = {}) {
    const store = memoryStore({ createId: () => 'e', producerLimit: 0 })
    const stage = new Stage({ store, hooks })
    const forget = () => store.detach({ channel: 'a', producerId: 'p', generation: 1 })
    return { stage, forget }
  }

  test('is detached with the request that attached it, and what waits is dropped', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, forget } = forgetfulStage({ onPublish: (_, done) => void pending.push(done) })
    const client = attachAs(stage, 1)
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
    client.take()
    for (const sequence of [1, 2, 3]) client.publish('a', sequence)
    forget()
    pending[0]?.({ answer: 1 })
    stage.environment.settle()
    expect(client.take()).toEqual([{ type: 'detached', channel: 'a', request: 2, code: 'producer-gone' }])
    expect([pending.length, stage.ids('a'), client.end]).toEqual([1, [], undefined])
  })

  test('is told once, and what comes before the next `attached` is dropped in silence', () => {
    const { stage, forget } = forgetfulStage()
    const client = attachAs(stage, 1)
    client.take()
    forget()
    for (let sequence = 1; sequence <= 200; sequence++) client.publish('a', sequence)
    expect([client.takeTypes(), client.end]).toEqual([['detached'], undefined])
  })

  test('has what the store was just busy with stored under its next record, if that has been asked for', () => {
    const inner = memoryStore({ createId: () => 'e', producerLimit: 0 })
    const store = new SlowStore(inner)
    const stage = new Stage({ store })
    const client = attachAs(stage, 1)
    client.take()
    inner.detach({ channel: 'a', producerId: 'p', generation: 1 })
    store.isSlow = true
    client.publish('a', 1)
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
    for (; store.waitingCount > 0; stage.environment.settle()) store.answer()
    expect(client.take()).toMatchObject([
      { type: 'attached', request: 2, producer: { last: 0 } },
      { type: 'ack', sequence: 1, offset: 1 },
    ])
  })

  test('may send what was dropped once more, with the same sequences', () => {
    const { stage, forget } = forgetfulStage()
    const client = attachAs(stage, 1)
    client.publish('a', 1)
    forget()
    for (const sequence of [2, 3]) client.publish('a', sequence)
    client.take()
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
    expect(recordIn(client.take())).toMatchObject({ last: 0, done: [] })
    for (const sequence of [2, 3, 4]) client.publish('a', sequence)
    expect(client.take()).toMatchObject([
      { type: 'ack', sequence: 2, offset: 2 },
      { type: 'ack', sequence: 3, offset: 3 },
      { type: 'ack', sequence: 4, offset: 4 },
    ])
    client.publish('a', 3)
    expect(client.end).toBe('4400 sequence')
  })

  test('is claimed once more where that shows while its snapshot is awaited', () => {
    const publishing: ((answer: HookAnswer<unknown>) => void)[] = []
    const snapshots: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, forget } = forgetfulStage({
      onPublish: (_, done) => void publishing.push(done),
      snapshot: (_, done) => void snapshots.push(done as (answer: HookAnswer<unknown>) => void),
    })
    const client = attachAs(stage, 1)
    client.publish('a', 1)
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['read', 'write'] })
    client.take()
    forget()
    publishing[0]?.({ answer: 1 })
    stage.environment.settle()
    expect(client.takeTypes()).toEqual(['detached'])
    while (snapshots.length > 0) {
      snapshots.shift()?.({ answer: undefined })
      stage.environment.settle()
    }
    expect(client.take()).toMatchObject([{ type: 'attached', request: 2, producer: { last: 0 } }])
    client.publish('a', 1)
    publishing[1]?.({ answer: 1 })
    stage.environment.settle()
    expect(client.take()).toMatchObject([
      { type: 'event', offset: 1 },
      { type: 'ack', sequence: 1 },
    ])
  })

  test('may not send anew what had its answer before', () => {
    const { stage, forget } = forgetfulStage()
    const client = attachAs(stage, 1)
    client.publish('a', 1)
    forget()
    client.publish('a', 2)
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
    client.publish('a', 1)
    expect(client.end).toBe('4400 sequence')
  })

  test('gives the places of what was dropped back', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, forget } = forgetfulStage({ onPublish: (_, done) => void pending.push(done) })
    const client = attachAs(stage, 1)
    for (let sequence = 1; sequence <= 64; sequence++) client.publish('a', sequence)
    forget()
    pending[0]?.({ answer: 1 })
    client.say({ type: 'sub', channel: 'a', request: 2, want: ['write'] })
    for (let sequence = 1; sequence <= 64; sequence++) client.publish('a', sequence)
    expect(client.end).toBeUndefined()
    client.publish('a', 65)
    expect(client.end).toBe('4400 window')
  })
})

describe('the record is given up', () => {
  function watchedStage(hooks: StageParts['hooks'] = {}, store: Store = memoryStore()) {
    const detached: DetachQuery[] = []
    store.detach = (query) => void detached.push(query)
    return { stage: new Stage({ store, hooks }), detached }
  }
  const own = { channel: 'a', producerId: 'p', generation: 1 }

  test.each([
    ['the connection ends', (client: Actor) => client.leave()],
    ['the channel is left', (client: Actor) => client.say({ type: 'unsub', channel: 'a', request: 2 })],
    [
      'only reading is wanted',
      (client: Actor) => client.say({ type: 'sub', channel: 'a', request: 2, want: ['read'] }),
    ],
    ['the next wish is denied', (client: Actor) => client.say({ type: 'sub', channel: 'a', request: 2, want: [] })],
  ])('once when %s', (_, end) => {
    const { stage, detached } = watchedStage()
    const client = attachAs(stage, 1)
    expect(detached).toEqual([])
    end(client)
    expect(detached).toEqual([own])
    client.leave()
    expect(detached).toEqual([own])
  })

  test('after the publishes that came before', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, detached } = watchedStage({ onPublish: (_, done) => void pending.push(done) })
    const client = attachAs(stage, 1)
    client.publish('a', 1)
    client.say({ type: 'unsub', channel: 'a', request: 2 })
    expect(detached).toEqual([])
    pending[0]?.({ answer: 1 })
    expect([stage.ids('a'), detached]).toEqual([['m1'], [own]])
  })

  test('also if the connection ends before the store has answered', () => {
    const store = new SlowStore()
    const { stage, detached } = watchedStage({}, store)
    store.isSlow = true
    attachAs(stage, 1).leave()
    expect(detached).toEqual([own])
  })

  test('not by a wish that was never granted it', () => {
    const { stage, detached } = watchedStage()
    attachAs(stage, 1, { want: ['read'] }).leave()
    expect(detached).toEqual([])
  })
})
