// One connection: greeting, order, liveness, and the end.

import { describe, expect, test } from 'vitest'
import { Stage } from './stage.ts'

describe('hello', () => {
  test('is answered with the level, the limits and a public id', () => {
    const client = new Stage().open()
    client.hello('p')
    expect(client.take()).toEqual([
      {
        type: 'welcome',
        version: 1,
        level: 2,
        features: ['history', 'drain', 'volatile', 'presence'],
        member: 'id-1',
        heartbeat: { intervalMs: 25_000 },
        limits: {
          window: 64,
          windowBytes: 262_144,
          messageBytes: 1_048_576,
          snapshotBytes: 1_048_576,
          pageCount: 256,
          publishesPerSecond: 1_000,
          publishBurst: 2_000,
          volatilePerSecond: 120,
        },
      },
    ])
  })

  test('announces the configured limits', () => {
    const options = {
      heartbeatMs: 500,
      limits: { maxMessageBytes: 70_000, publishesPerSecond: 5, publishBurst: 7, volatilePerSecond: 9, window: 1 },
    }
    const client = new Stage({ options }).open()
    client.hello('p')
    expect(client.take()).toMatchObject([
      {
        heartbeat: { intervalMs: 500 },
        limits: { messageBytes: 70_000, publishesPerSecond: 5, publishBurst: 7, volatilePerSecond: 9, window: 1 },
      },
    ])
  })

  test('may be followed by subscriptions in the same message', () => {
    const client = new Stage().open()
    client.say(
      { type: 'hello', version: 1, producer: 'p', generation: 1 },
      { type: 'sub', channel: 'a', request: 1, want: ['read'] },
    )
    expect(client.takeTypes()).toEqual(['welcome', 'attached'])
    expect(client.messages).toHaveLength(1)
  })

  test('repeated word for word is welcomed again', () => {
    const client = new Stage().open()
    client.hello('p', 1, 'token')
    client.hello('p', 1, 'token')
    const [first, second] = client.take()
    expect(second).toEqual(first)
    expect(client.end).toBeUndefined()
  })

  test.each([
    ['another producer', { producer: 'q', generation: 1 }],
    ['another generation', { producer: 'p', generation: 2 }],
    ['another token', { producer: 'p', generation: 1, token: 't' }],
  ])('repeated with %s is a broken order', (_, change) => {
    const client = new Stage().open()
    client.hello('p')
    client.say({ type: 'hello', version: 1, ...change })
    expect(client.end).toBe('4400 second-hello')
  })

  test('of another version is refused by that word', () => {
    const client = new Stage().open()
    client.say({ type: 'hello', version: 2, producer: 'p', generation: 1 })
    expect(client.end).toBe('4400 version')
  })

  test('that does not come in time closes 4408', () => {
    const stage = new Stage()
    const client = stage.open()
    stage.environment.advance(4_999)
    expect(client.end).toBeUndefined()
    stage.environment.advance(1_001)
    expect(client.end).toBe('4408 no-hello')
  })

  test('keeps its member id over connections, and another producer has another', () => {
    const stage = new Stage()
    const first = stage.open()
    first.hello('p', 1)
    first.leave()
    const again = stage.open()
    again.hello('p', 2)
    const other = stage.open()
    other.hello('q', 1)
    const members = [first, again, other]
      .map((client) => client.take()[0])
      .map((frame) => frame?.type === 'welcome' && frame.member)
    expect(members).toEqual(['id-1', 'id-1', 'id-2'])
  })
})

describe('liveness', () => {
  test('a client is asked for a sign of life each interval', () => {
    const stage = new Stage()
    const client = stage.connect()
    stage.environment.advance(25_000)
    client.say({ type: 'pong', n: 1 })
    stage.environment.advance(25_000)
    expect(client.take()).toEqual([
      { type: 'ping', n: 1 },
      { type: 'ping', n: 2 },
    ])
  })

  test('a client that says nothing for two intervals is cut off', () => {
    const stage = new Stage()
    const client = stage.connect()
    stage.environment.advance(49_999)
    expect(client.end).toBeUndefined()
    stage.environment.advance(1_001)
    expect(client.end).toBe('terminated')
    expect(stage.broker.figures().connections).toBe(0)
  })

  test('any message is a sign of life', () => {
    const stage = new Stage()
    const client = stage.connect()
    for (let i = 0; i < 10; i++) {
      stage.environment.advance(30_000)
      client.write('[]')
    }
    expect(client.end).toBeUndefined()
  })

  test('nobody is cut off because the machine itself was asleep', () => {
    const stage = new Stage()
    const client = stage.connect()
    stage.environment.sleep(600_000)
    stage.environment.advance(1_000)
    expect(client.end).toBeUndefined()
    stage.environment.advance(51_000)
    expect(client.end).toBe('terminated')
  })

  test('one timer serves every connection, and none is left at the end', () => {
    const stage = new Stage()
    const clients = Array.from({ length: 20 }, () => stage.connect())
    stage.open()
    expect(stage.environment.timerCount).toBe(1)
    stage.environment.advance(10_000)
    for (const client of clients) client.leave()
    expect(stage.environment.timerCount).toBe(1)
    stage.broker.close()
    expect(stage.environment.timerCount).toBe(0)
  })

  test('a socket that takes nothing for 30 seconds is closed 4429', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.isStuck = true
    client.say({ type: 'ping', n: 1 })
    for (let i = 0; i < 5; i++) {
      stage.environment.advance(5_500)
      client.say({ type: 'pong', n: 1 })
      expect(client.end).toBeUndefined()
    }
    stage.environment.advance(10_000)
    expect(client.end).toBe('4429 too-slow')
  })

  test('a socket that takes a little now and then is not', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.buffered = 1_000
    client.say({ type: 'ping', n: 1 })
    for (let i = 0; i < 20; i++) {
      stage.environment.advance(10_000)
      client.buffered -= 40
      client.say({ type: 'pong', n: 1 })
    }
    expect(client.end).toBeUndefined()
  })

  test('a client that asks on and on without reading the answers is cut off', () => {
    const stage = new Stage({
      options: { limits: { maxBufferedBytes: 1_000, maxMessageBytes: 65_536, snapshotBytes: 1 } },
    })
    const client = stage.connect()
    client.isStuck = true
    for (let i = 0; i < 20_000 && !client.end; i++) client.say({ type: 'ping', n: i })
    expect(client.end).toBe('terminated')
    expect(client.buffered).toBeLessThan(400_000)
  })
})

describe('ping', () => {
  test('is answered with the tops of all attached channels at first, and then of those that changed', () => {
    const stage = new Stage()
    const client = stage.connect()
    for (const [i, channel] of ['a', 'b'].entries()) client.say({ type: 'sub', channel, request: i, want: ['read'] })
    client.take()
    stage.connect().attach('c')
    client.say({ type: 'ping', n: 1 })
    expect(client.take()).toEqual([
      {
        type: 'pong',
        n: 1,
        tops: [
          { channel: 'a', epoch: 'e1', offset: 0 },
          { channel: 'b', epoch: 'e2', offset: 0 },
        ],
      },
    ])
    client.say({ type: 'ping', n: 2 })
    expect(client.take()).toEqual([{ type: 'pong', n: 2, tops: [] }])
    stage.publish('b')
    client.take()
    client.say({ type: 'ping', n: 3 })
    expect(client.take()).toEqual([{ type: 'pong', n: 3, tops: [{ channel: 'b', epoch: 'e2', offset: 1 }] }])
  })

  test('lists a channel that was attached since', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    client.say({ type: 'ping', n: 1 })
    client.attach('b', 2)
    client.take()
    client.say({ type: 'ping', n: 2 })
    expect(client.take()).toMatchObject([{ n: 2, tops: [{ channel: 'b' }] }])
  })

  test('reads the store after it was asked, so what a bus forgot is in the answer', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    client.say({ type: 'ping', n: 1 })
    client.take()
    const event = { id: 'x', name: 'n', dataText: '1' }
    stage.store.append({ channel: 'a', nowMs: 0, events: [event] }, () => {})
    client.say({ type: 'ping', n: 2 })
    expect(client.take()).toEqual([{ type: 'pong', n: 2, tops: [{ channel: 'a', epoch: 'e1', offset: 1 }] }])
  })

  test('is answered in order, and however many come at once the store is asked once', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    let askedCount = 0
    const { tops } = stage.store
    stage.store.tops = (channels, done) => {
      askedCount++
      tops(channels, done)
    }
    client.say({ type: 'ping', n: 3 }, { type: 'ping', n: 1 }, { type: 'ping', n: 2 })
    expect(client.take().map((frame) => frame.type === 'pong' && frame.n)).toEqual([3, 1, 2])
    expect(askedCount).toBe(1)
  })
})

describe('the end', () => {
  test('of the broker closes every connection 4503 and takes no more', () => {
    const stage = new Stage()
    const clients = [stage.connect(), stage.open()]
    stage.broker.close()
    clients.push(stage.open())
    expect(clients.map(({ end }) => end)).toEqual(['4503 closing', '4503 closing', '4503 closing'])
    expect(stage.broker.figures().connections).toBe(0)
  })

  test('sends what was answered before it', () => {
    const client = new Stage().connect()
    client.say(
      { type: 'sub', channel: 'a', request: 1, want: ['read'] },
      { type: 'fetch', channel: 'b', request: 2, position: { epoch: 'e', offset: 0 }, count: 1 },
    )
    expect(client.takeTypes()).toEqual(['attached'])
    expect(client.end).toBe('4400 not-attached')
  })

  test('of one connection leaves nothing that is sent to it', () => {
    const stage = new Stage()
    const gone = stage.attach('a')
    const stays = stage.attach('a')
    stage.broker.publish({ channel: 'a', name: 'n', data: 1 }, () => {})
    gone.leave()
    expect(stays.takeOffsets()).toEqual([1])
    stage.publish('a')
    expect(gone.take()).toEqual([])
    expect(stays.takeOffsets()).toEqual([2])
  })

  test('takes back what would have run at the end of the tick', () => {
    const stage = new Stage()
    stage.attach('a')
    stage.broker.publish({ channel: 'a', name: 'n', data: 1 }, () => {})
    expect(stage.environment.soonCount).toBe(1)
    stage.broker.close()
    expect(stage.environment.soonCount).toBe(0)
  })
})

test('what is said in one tick leaves in one message', () => {
  const stage = new Stage()
  const client = stage.attach('a')
  const before = client.messages.length
  client.say(
    { type: 'pub', channel: 'a', sequence: 1, id: 'x', name: 'n', data: 1 },
    { type: 'pub', channel: 'a', sequence: 2, id: 'y', name: 'n', data: 2 },
    { type: 'ping', n: 1 },
  )
  expect(client.takeTypes()).toEqual(['event', 'ack', 'event', 'ack', 'pong'])
  expect(client.messages).toHaveLength(before + 1)
})

test('frames of unknown types are counted and ignored', () => {
  const stage = new Stage()
  const client = stage.connect()
  client.write('[{"type":"constructor"},{"type":"later","channel":"a"},{"type":"ping","n":1}]')
  expect(client.takeTypes()).toEqual(['pong'])
  expect(stage.broker.figures().unknownFrames).toBe(2)
})
