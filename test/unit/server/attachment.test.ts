// One channel on one connection: asked for, allowed or not, and judged by where the subscriber stands.

import { type AuthorizeQuery, type HookAnswer, reject } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { at, fetchAfter, stageWith, subscribe } from './channel-a.ts'
import { type SlowStore, Stage } from './stage.ts'

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
  ])('with a position %s is reset to before the oldest message that is kept', (_, position, reason) => {
    const stage = stageWith(3, { historyLimit: 2 })
    const client = stage.connect()
    expect(subscribe(client, position)).toEqual([
      { type: 'attached', channel: 'a', request: 1, grants: ['read'], top: at(3), mode: 'reset' },
      { type: 'reset', channel: 'a', request: 1, reason, position: at(1), top: at(3) },
    ])
    stage.publish('a')
    // It fetches first.
    expect(client.takeOffsets()).toEqual([])
  })

  test('that asks for a new start gets one, wherever it stands', () => {
    for (const offset of [3, 1]) {
      const client = stageWith(3).connect()
      expect(subscribe(client, at(offset), { reset: true })).toMatchObject([
        { mode: 'reset' },
        { type: 'reset', reason: 'asked', position: at(0), top: at(3) },
      ])
    }
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
    expect(stage.broker.figures().channels).toBe(0)
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
