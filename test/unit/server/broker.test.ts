// What the node does of its own: publishing and reading for operators, forgetting what nobody uses.

import { type History, memoryStore, type Receipt } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { SlowStore, Stage } from './stage.ts'

function publish(stage: Stage, channel: string, data: unknown, extra: { id?: string; name?: string } = {}): unknown {
  let answer: unknown
  stage.broker.publish({ channel, name: 'note', data, ...extra }, (given) => {
    answer = given
  })
  stage.environment.settle()
  return answer
}

describe('a server-side publish', () => {
  test('is stored and pushed without a sender', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    expect(publish(stage, 'a', { x: 1 })).toEqual({ id: 'id-2', epoch: 'e1', offset: 1 })
    expect(client.take()).toEqual([
      {
        type: 'event',
        channel: 'a',
        offset: 1,
        id: 'id-2',
        name: 'note',
        data: { x: 1 },
        storedAtMs: stage.environment.wallNow(),
      },
    ])
  })

  test('with an id is stored once among the last 1,000 so named', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    const first = publish(stage, 'a', 1, { id: 'key' })
    expect(publish(stage, 'a', 2, { id: 'key' })).toEqual(first)
    expect(client.takeOffsets()).toEqual([1])
    for (let i = 0; i < 999; i++) publish(stage, 'a', i, { id: `k${i}` })
    expect(publish(stage, 'a', 3, { id: 'key' })).toEqual(first)
    publish(stage, 'a', 1, { id: 'one more' })
    expect(publish(stage, 'a', 4, { id: 'key' })).toMatchObject({ offset: 1_002 })
  })

  test('with an id does not collide with what a client named so', () => {
    const stage = new Stage()
    stage.attach('a').publish('a', 1, 'theirs', 'key')
    expect(publish(stage, 'a', 'ours', { id: 'key' })).toMatchObject({ offset: 2 })
  })

  test.each([
    ['', 1, {}, 'invalid'],
    ['x'.repeat(257), 1, {}, 'invalid'],
    ['a', 1, { name: '' }, 'invalid'],
    ['a', 1, { id: 'x'.repeat(65) }, 'invalid'],
    ['a', undefined, {}, 'invalid'],
    ['a', 1n, {}, 'invalid'],
    ['a', 'x'.repeat(1_048_576), {}, 'too-large'],
  ])('to channel %.10s of %.10s with %j is %s', (channel, data, extra, code) => {
    const stage = new Stage()
    expect(publish(stage, channel, data, extra)).toMatchObject({ code })
  })

  test('that the store does not answer for says so', () => {
    const store = new SlowStore()
    store.isLost = true
    expect(publish(new Stage({ store }), 'a', 1)).toMatchObject({ code: 'unavailable' })
  })
})

describe('history', () => {
  const read = (stage: Stage, query: { after?: number; limit?: number } = {}) => {
    let history: unknown
    stage.broker.history({ channel: 'a', ...query }, (given) => {
      history = given
    })
    return history as History
  }
  const filled = (count: number, historyLimit?: number) => {
    const stage = new Stage({ store: memoryStore({ createId: () => 'e1', historyLimit }) })
    for (let i = 1; i <= count; i++) publish(stage, 'a', i)
    return stage
  }

  test('holds what was stored, with its sender if it has one', () => {
    const stage = new Stage()
    stage.attach('a').publish('a', 1, 'theirs')
    publish(stage, 'a', 'ours')
    const storedAtMs = stage.environment.wallNow()
    expect(read(stage)).toEqual({
      epoch: 'e1',
      top: 2,
      messages: [
        {
          offset: 1,
          id: 'm1',
          name: 'note',
          data: 'theirs',
          sender: { user: 'anonymous', member: 'id-1' },
          storedAtMs,
        },
        { offset: 2, id: 'id-2', name: 'note', data: 'ours', sender: null, storedAtMs },
      ],
    })
  })

  test.each([
    [{}, [1, 2, 3, 4, 5]],
    [{ after: 3 }, [4, 5]],
    [{ after: 1, limit: 2 }, [2, 3]],
    [{ after: 5 }, []],
    [{ after: 99 }, []],
  ])('asked with %j holds offsets %j', (query, offsets) => {
    expect(read(filled(5), query).messages.map(({ offset }) => offset)).toEqual(offsets)
  })

  test('begins at the oldest that is kept', () => {
    expect(read(filled(5, 2), { after: 1 }).messages.map(({ offset }) => offset)).toEqual([4, 5])
  })

  test('holds 100 messages unless asked for another number', () => {
    expect(read(filled(150)).messages).toHaveLength(100)
    expect(read(filled(150), { limit: 150 }).messages).toHaveLength(150)
  })
})

describe('housekeeping', () => {
  test('forgets a channel that nobody has listened to for the idle time, but not its log', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    client.publish('a', 1)
    stage.environment.advance(40_000)
    client.leave()
    stage.environment.advance(29.9 * 60_000)
    expect(stage.broker.figures().channels).toBe(1)
    stage.environment.advance(3 * 60_000)
    expect(stage.broker.figures().channels).toBe(0)
    expect(stage.ids('a')).toEqual(['m1'])
  })

  test('keeps a channel that somebody listens to', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    for (let i = 0; i < 100; i++) {
      stage.environment.advance(30_000)
      client.say({ type: 'ping', n: i })
    }
    stage.publish('a')
    expect(stage.broker.figures().channels).toBe(1)
    expect(client.takeTypes()).toContain('event')
  })

  test('trims the store by the minute', () => {
    const stage = new Stage({ store: memoryStore({ historyTtlMs: 90_000 }) })
    stage.publish('a')
    stage.environment.advance(60_000)
    stage.publish('a')
    stage.environment.advance(60_000)
    expect(stage.history('a').messages.map(({ offset }) => offset)).toEqual([2])
  })

  test('keeps the epoch of a quiet channel whose subscriber pings', () => {
    const stage = new Stage({ store: memoryStore({ historyTtlMs: 60_000, idleMs: 60_000 }) })
    const client = stage.attach('a')
    stage.publish('a')
    client.take()
    client.say({ type: 'ping', n: 0 })
    const [before] = client.take()
    for (let i = 0; i < 20; i++) {
      stage.environment.advance(30_000)
      client.say({ type: 'ping', n: i })
    }
    stage.publish('a')
    const events = client.take().filter(({ type }) => type === 'event')
    expect(before).toMatchObject({ tops: [{ offset: 1 }] })
    expect(events).toMatchObject([{ offset: 2 }])
  })
})

test('two brokers of one store see one log', () => {
  const store = memoryStore()
  const [one, other] = [new Stage({ store }), new Stage({ store })]
  const receipt = publish(one, 'a', 1) as Receipt
  expect(publish(other, 'a', 2)).toMatchObject({ epoch: receipt.epoch, offset: 2 })
  expect(one.ids('a')).toHaveLength(2)
})
