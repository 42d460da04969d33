// Publishing: every publish is answered once, in order, and the answer is true of the log.

import { type HookAnswer, type Hooks, memoryStore, type PublishQuery, reject } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, SlowStore, Stage } from './stage.ts'

const answers = (client: Actor) => client.take().filter(({ type }) => type === 'ack' || type === 'nack')

describe('a publish', () => {
  test('is stored, pushed to every reader and acknowledged with its offset', () => {
    const stage = new Stage()
    const reader = stage.attach('a')
    const writer = stage.attach('a')
    writer.publish('a', 1, { x: 1 }, 'mine')
    const event = {
      type: 'event',
      channel: 'a',
      offset: 1,
      id: 'mine',
      name: 'note',
      data: { x: 1 },
      sender: { user: 'anonymous', member: 'id-2' },
      storedAtMs: stage.environment.wallNow(),
    }
    expect(reader.take()).toEqual([event])
    expect(writer.take()).toEqual([event, { type: 'ack', channel: 'a', sequence: 1, offset: 1 }])
    expect(stage.ids('a')).toEqual(['mine'])
  })

  test.each(['constructor', '__proto__', 'toString', ' ', '\n', '\ud83d\ude00', 'x'.repeat(256)])(
    'reaches a channel named %j',
    (channel) => {
      const stage = new Stage()
      const client = stage.attach(channel)
      client.publish(channel, 1)
      expect(client.take()).toMatchObject([
        { type: 'event', channel, offset: 1 },
        { type: 'ack', channel, offset: 1 },
      ])
      client.say({ type: 'ping', n: 1 })
      expect(client.take()).toMatchObject([{ tops: [{ channel, offset: 1 }] }])
    },
  )

  test.each([null, false, 0, '', [], {}, 'ä\ud800', [[[1]]], JSON.parse('{"__proto__":{"x":1},"constructor":2}')])(
    'keeps the data %j as it came',
    (data) => {
      const stage = new Stage()
      const client = stage.attach('a')
      client.publish('a', 1, data)
      const [event] = client.take()
      expect(JSON.stringify(event?.type === 'event' && event.data)).toBe(JSON.stringify(data))
      expect(JSON.stringify(stage.history('a').messages[0]?.data)).toBe(JSON.stringify(data))
    },
  )

  test('whose base is the newest position is stored, any other is stale', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    const publish = (sequence: number, base: { epoch: string; offset: number }) =>
      client.say({ type: 'pub', channel: 'a', sequence, id: `m${sequence}`, name: 'n', data: 1, base })
    publish(1, { epoch: 'e1', offset: 0 })
    publish(2, { epoch: 'e1', offset: 0 })
    publish(3, { epoch: 'other', offset: 1 })
    publish(4, { epoch: 'e1', offset: 7 })
    publish(5, { epoch: 'e1', offset: 1 })
    expect(answers(client)).toMatchObject([
      { type: 'ack', sequence: 1, offset: 1 },
      { type: 'nack', sequence: 2, code: 'stale-base' },
      { type: 'nack', sequence: 3, code: 'stale-base' },
      { type: 'nack', sequence: 4, code: 'stale-base' },
      { type: 'ack', sequence: 5, offset: 2 },
    ])
    expect(stage.ids('a')).toEqual(['m1', 'm5'])
  })

  test('without the grant is forbidden', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.say({ type: 'sub', channel: 'a', request: 1, want: ['read'] })
    client.take()
    client.publish('a', 1)
    expect(client.take()).toMatchObject([{ type: 'nack', sequence: 1, code: 'forbidden' }])
    expect([client.end, stage.ids('a')]).toEqual([undefined, []])
  })

  test('larger than one message is too large, counted as subscribers would receive it', () => {
    const stage = new Stage({ options: { limits: { maxMessageBytes: 65_536 } } })
    const client = stage.attach('a')
    // Short to send, long to store: every number becomes 21 digits.
    const text = `[${Array(4_000).fill('1E20').join(',')}]`
    client.write(`{"type":"pub","channel":"a","sequence":1,"id":"m1","name":"n","data":${text}}`)
    client.publish('a', 2, 'x'.repeat(60_000))
    // With its sender and its place it would be more than a message holds.
    client.publish('a', 3, 'x'.repeat(65_300))
    expect(answers(client)).toMatchObject([
      { type: 'nack', sequence: 1, code: 'too-large' },
      { type: 'ack', sequence: 2 },
      { type: 'nack', sequence: 3, code: 'too-large' },
    ])
  })

  test('that the store has taken reaches everyone, even if its connection is gone by then', () => {
    const store = new SlowStore()
    const stage = new Stage({ store })
    const writer = stage.attach('a')
    const reader = stage.attach('a')
    store.isSlow = true
    writer.publish('a', 1)
    writer.leave()
    store.answer()
    stage.environment.settle()
    expect(reader.takeOffsets()).toEqual([1])
    expect(writer.take()).toEqual([])
  })

  test('whose channel was left meanwhile is still answered', () => {
    const store = new SlowStore()
    const stage = new Stage({ store })
    const client = stage.attach('a')
    store.isSlow = true
    client.publish('a', 1)
    client.say({ type: 'unsub', channel: 'a', request: 2 })
    store.answer()
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ type: 'ack', sequence: 1 }])
  })
})

describe('the order', () => {
  test('of answers is that of the publishes, refused ones too', () => {
    const store = new SlowStore()
    const stage = new Stage({ store })
    const client = stage.attach('a')
    store.isSlow = true
    client.publish('a', 1)
    client.publish('a', 2, 'x', '')
    client.publish('a', 3)
    expect(client.take()).toEqual([])
    store.answer()
    stage.environment.settle()
    expect(answers(client)).toMatchObject([
      { type: 'ack', sequence: 1 },
      { type: 'nack', sequence: 2 },
    ])
    store.answer()
    stage.environment.settle()
    expect(answers(client)).toMatchObject([{ type: 'ack', sequence: 3, offset: 2 }])
  })

  test('of one channel does not hold up another', () => {
    const { stage, pending } = hookedStage()
    const client = stage.attach('a')
    client.attach('b', 2)
    client.publish('a', 1)
    client.publish('b', 1)
    pending.get('b')?.({ answer: 1 })
    stage.environment.settle()
    expect(answers(client)).toMatchObject([{ type: 'ack', channel: 'b' }])
  })

  test('of hooks is that of the publishes, one at a time', () => {
    const { stage, pending, asked } = hookedStage()
    const client = stage.attach('a')
    for (const n of [1, 2, 3]) client.publish('a', n, n)
    for (const n of [1, 2, 3]) {
      expect(asked.map(({ data }) => data)).toEqual([1, 2, 3].slice(0, n))
      pending.get('a')?.({ answer: n * 10 })
    }
    stage.environment.settle()
    expect(stage.history('a').messages.map(({ data }) => data)).toEqual([10, 20, 30])
  })

  /** A stage whose hook answers when the test does. */
  function hookedStage() {
    const pending = new Map<string, (answer: HookAnswer<unknown>) => void>()
    const asked: PublishQuery[] = []
    const onPublish: Hooks['onPublish'] = (query, done) => {
      asked.push(query)
      pending.set(query.channel, done)
    }
    return { stage: new Stage({ hooks: { onPublish } }), pending, asked }
  }
})

describe('onPublish', () => {
  const stageThat = (onPublish: NonNullable<Hooks['onPublish']>, maxMessageBytes = 1_048_576) =>
    new Stage({ hooks: { onPublish }, options: { limits: { maxMessageBytes } } })

  test('is asked with the user, the channel, the name and the data', () => {
    const asked: PublishQuery[] = []
    const stage = stageThat((query, done) => {
      asked.push(query)
      done({ answer: query.data })
    })
    const client = stage.open({ authenticate: (_, done) => done({ answer: { userId: 'alice', role: 'editor' } }) })
    client.hello('p')
    client.attach('a')
    client.publish('a', 1, { x: 1 })
    expect(asked).toEqual([{ user: { userId: 'alice', role: 'editor' }, channel: 'a', name: 'note', data: { x: 1 } }])
  })

  test('decides what is stored; undefined leaves the data as it came', () => {
    const stage = stageThat(({ data }, done) => done({ answer: data === 'plain' ? undefined : { wrapped: data } }))
    const client = stage.attach('a')
    client.publish('a', 1, 'plain')
    client.publish('a', 2, 'other')
    expect(stage.history('a').messages.map(({ data }) => data)).toEqual(['plain', { wrapped: 'other' }])
  })

  test('is not asked about what cannot be stored anyway', () => {
    const stage = stageThat(() => {
      throw new Error('asked')
    })
    const client = stage.attach('a')
    client.publish('a', 1, 'x', '')
    expect(answers(client)).toMatchObject([{ type: 'nack', code: 'invalid' }])
    expect(stage.environment.errors).toEqual([])
  })

  const cycle: unknown[] = []
  cycle.push(cycle)
  test.each([
    ['a refusal', { error: reject('forbidden', 'Not now.') }, { code: 'forbidden', message: 'Not now.' }, 0],
    ['a word of its own', { error: reject('title-too-long', 'Cut it.') }, { code: 'title-too-long' }, 0],
    ['a word that is none', { error: reject('x'.repeat(65), 'x') }, { code: 'invalid' }, 0],
    ['an endless message', { error: reject('no', 'x'.repeat(5_000)) }, { message: 'x'.repeat(1_000) }, 0],
    ['trouble', { error: new Error('secret') }, { code: 'internal', message: 'The server could not process this.' }, 1],
    ['a cycle', { answer: cycle }, { code: 'internal' }, 1],
    ['a BigInt', { answer: 1n }, { code: 'internal' }, 1],
    ['a function', { answer: () => {} }, { code: 'internal' }, 1],
    ['too much', { answer: 'x'.repeat(70_000) }, { code: 'internal' }, 1],
  ])('answering %s refuses that publish and no other', (_, answer, nack, errorCount) => {
    const stage = stageThat(({ data }, done) => done(data === 'bad' ? answer : { answer: data }), 65_536)
    const client = stage.attach('a')
    client.publish('a', 1, 'good')
    client.publish('a', 2, 'bad')
    client.publish('a', 3, 'good')
    expect(answers(client)).toMatchObject([
      { type: 'ack', sequence: 1 },
      { type: 'nack', sequence: 2, ...nack },
      { type: 'ack', sequence: 3 },
    ])
    expect(stage.ids('a')).toEqual(['m1', 'm3'])
    expect(stage.environment.errors).toHaveLength(errorCount)
  })

  test('that answers leaves no timer behind', () => {
    let answer = () => {}
    const stage = stageThat(({ data }, done) => {
      answer = () => done({ answer: data })
    })
    const client = stage.attach('a')
    const before = stage.environment.timerCount
    client.publish('a', 1)
    expect(stage.environment.timerCount).toBe(before + 1)
    answer()
    expect(stage.environment.timerCount).toBe(before)
  })

  test('that throws refuses that publish with `internal` and is reported', () => {
    const stage = stageThat(() => {
      throw new Error('bug')
    })
    const client = stage.attach('a')
    client.publish('a', 1)
    expect(answers(client)).toMatchObject([{ type: 'nack', code: 'internal' }])
    expect(stage.environment.errors).toEqual([new Error('bug')])
    expect(client.end).toBeUndefined()
  })

  test('that does not answer in 5 seconds refuses, and a late answer stores nothing', () => {
    let late = (_: HookAnswer<unknown>) => {}
    const stage = stageThat((_, done) => {
      late = done
    })
    const client = stage.attach('a')
    client.publish('a', 1)
    stage.environment.advance(4_999)
    expect(client.take()).toEqual([])
    stage.environment.advance(1)
    expect(answers(client)).toMatchObject([{ type: 'nack', code: 'internal' }])
    late({ answer: 1 })
    expect(stage.ids('a')).toEqual([])
  })

  test('whose connection is gone when it answers stores nothing', () => {
    let late = (_: HookAnswer<unknown>) => {}
    const stage = stageThat((_, done) => {
      late = done
    })
    const client = stage.attach('a')
    client.publish('a', 1)
    client.leave()
    late({ answer: 1 })
    expect(stage.ids('a')).toEqual([])
  })
})

describe('the window', () => {
  const slow = () => {
    const store = new SlowStore(memoryStore())
    const stage = new Stage({ store })
    const client = stage.attach('a')
    client.attach('b', 2)
    store.isSlow = true
    return { store, stage, client }
  }

  test('holds 64 unanswered publishes of a connection, whatever their channels', () => {
    const { stage, client } = slow()
    for (let n = 1; n <= 32; n++) {
      client.publish('a', n)
      client.publish('b', n)
    }
    expect(client.end).toBeUndefined()
    client.publish('b', 33)
    expect(client.end).toBe('4400 window')
    expect(stage.broker.figures().connections).toBe(0)
  })

  test('opens again with each answer', () => {
    const { store, stage, client } = slow()
    for (let n = 1; n <= 64; n++) client.publish('a', n)
    for (let n = 65; n <= 80; n++) {
      store.answer()
      stage.environment.settle()
      client.publish('a', n)
    }
    expect(client.end).toBeUndefined()
  })

  test('holds as many as are configured', () => {
    const stage = new Stage({ options: { limits: { window: 1, publishesPerSecond: 1, publishBurst: 1 } } })
    const client = stage.attach('a')
    for (const n of [1, 2]) client.publish('a', n)
    expect(client.end).toBeUndefined()
    client.publish('a', 3)
    expect(client.end).toBe('4400 window')
  })

  test('holds 262,144 bytes', () => {
    const { client } = slow()
    client.publish('a', 1, 'x'.repeat(200_000))
    client.publish('a', 2, 'x'.repeat(60_000))
    expect(client.end).toBeUndefined()
    client.publish('a', 3, 'x'.repeat(3_000))
    expect(client.end).toBe('4400 window')
  })

  test('holds one publish of any size', () => {
    const { store, stage, client } = slow()
    client.publish('a', 1, 'x'.repeat(1_000_000))
    expect(client.end).toBeUndefined()
    store.answer()
    stage.environment.settle()
    client.publish('a', 2, 'x'.repeat(1_000_000))
    expect(client.end).toBeUndefined()
  })
})
