// What is true now and need not be kept: merged, throttled, never queued, and handed over without a place in the sequence.

import { describe, expect, test } from 'vitest'
import type { ClientOptions } from 'steadywire'
import { type Answers, anAttached, anEvent, aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const FEATURES = ['volatile']
const SENDER = { user: 'bob', member: 'm-bob' }

async function connected(options: Partial<ClientOptions> = {}, answers: Answers = {}, features = FEATURES) {
  const stage = new Stage()
  const server = stage.fake({ hello: () => [aWelcome({ features })], ...answers })
  const errors: unknown[] = []
  const client = await stage.connected({
    onError: ({ error, channel }) => errors.push([error.code, channel]),
    backoff: { baseDelayMs: 10 },
    ...options,
  })
  const sent = () => server.framesOf('vol').map(({ data }) => data)
  return { stage, server, client, errors, sent }
}

describe('sending what is volatile', () => {
  test('attaches the channel for writing, and then says it once', async () => {
    const it = await connected()
    it.client.channel('a').sendVolatile('cursor', { x: 1 }, { key: 'mouse' })
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').map(({ want }) => want)).toEqual([['write']])
    expect(it.server.framesOf('vol')).toEqual([
      { type: 'vol', channel: 'a', name: 'cursor', data: { x: 1 }, key: 'mouse' },
    ])
  })

  test('after a pause it leaves at once; while it waits for its turn the newest of its key takes its place', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    room.sendVolatile('cursor', 0)
    await it.stage.advance(CONNECT_MS)
    for (let x = 1; x <= 5; x++) room.sendVolatile('cursor', x)
    room.sendVolatile('cursor', 'other', { key: 'other' })
    await it.stage.advance(CONNECT_MS)
    expect(it.sent()).toEqual([0, 1, 'other', 5])
  })

  test('keys, names and channels wait for none but their own', async () => {
    const it = await connected()
    for (const channel of ['a', 'b'])
      for (const name of ['cursor', 'typing'])
        for (const key of ['1', '2']) it.client.channel(channel).sendVolatile(name, [channel, name, key], { key })
    await it.stage.advance(CONNECT_MS)
    expect(it.sent()).toHaveLength(8)
  })

  test('of one key leaves at most one in 33 ms, or in what the call says', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    room.retain()
    room.sendVolatile('cursor', 'first')
    room.sendVolatile('typing', 'first', { everyMs: 500 })
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 1_000; i += 5) {
      room.sendVolatile('cursor', i)
      room.sendVolatile('typing', i, { everyMs: 500 })
      await it.stage.advance(5)
    }
    const named = (wanted: string) => it.server.framesOf('vol').filter(({ name }) => name === wanted).length
    expect(named('cursor')).toBeLessThanOrEqual(2 + 1_000 / 33)
    expect(named('cursor')).toBeGreaterThan(25)
    expect(named('typing')).toBe(3)
  })

  test('the last one said arrives, however fast the others came', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    for (let i = 0; i <= 100; i++) {
      room.sendVolatile('cursor', i)
      await it.stage.advance(1)
    }
    await it.stage.advance(CONNECT_MS)
    expect(it.sent().at(-1)).toBe(100)
  })

  test('without a connection it is left out, and not said later', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    room.retain()
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(20)
    expect(it.client.state.getSnapshot().status).toBe('reconnecting')
    room.sendVolatile('cursor', 'stale')
    await it.stage.advance(5_000)
    expect([it.client.state.getSnapshot().status, it.sent()]).toEqual(['connected', []])
  })

  test('what waits for the channel to be attached goes with the connection', async () => {
    const it = await connected({}, { sub: () => [] })
    it.client.channel('a').sendVolatile('cursor', 'stale')
    await it.stage.advance(CONNECT_MS)
    it.server.answers = { hello: () => [aWelcome({ features: FEATURES })] }
    it.server.last.close(1006)
    await it.stage.advance(5_000)
    expect(it.sent()).toEqual([])
  })

  test('the channel stays attached for writing while it goes on, and lets go when it has lingered', async () => {
    const it = await connected({ channels: { lingerMs: 200 } })
    const room = it.client.channel('a')
    for (let i = 0; i < 10; i++) {
      room.sendVolatile('cursor', i)
      await it.stage.advance(100)
    }
    expect([it.server.framesOf('sub').length, it.server.framesOf('unsub').length]).toEqual([1, 0])
    await it.stage.advance(500)
    expect([it.server.framesOf('unsub').length, room.state.getSnapshot().status]).toEqual([1, 'idle'])
  })

  test('where nothing but reading is granted it is not said, and the refusal is told', async () => {
    const it = await connected({}, { sub: ({ channel, request }) => [anAttached(channel, request, ['read'])] })
    const room = it.client.channel('a')
    room.retain()
    room.sendVolatile('cursor', 1)
    await it.stage.advance(CONNECT_MS)
    expect([it.sent(), it.errors]).toEqual([[], [['forbidden', 'a']]])
  })

  test('to a server that has no volatile messages it is `unsupported`', async () => {
    const it = await connected({}, {}, [])
    it.client.channel('a').sendVolatile('cursor', 1)
    await it.stage.advance(CONNECT_MS)
    expect([it.sent(), it.errors]).toEqual([[], [['unsupported', 'a']]])
  })

  test('a full socket is left to drain: the newest goes then', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    room.retain()
    room.sendVolatile('cursor', 0)
    await it.stage.advance(CONNECT_MS)
    it.stage.bufferedBytes = 40_000
    for (let i = 1; i < 10; i++) {
      room.sendVolatile('cursor', i)
      await it.stage.advance(40)
    }
    expect(it.sent()).toEqual([0])
    it.stage.bufferedBytes = 0
    room.sendVolatile('other', 'x')
    await it.stage.advance(CONNECT_MS)
    expect(it.sent()).toEqual([0, 9, 'x'])
  })

  test('is encoded at the call: later changes are not sent', async () => {
    const it = await connected()
    const data = { x: 1 }
    it.client.channel('a').sendVolatile('cursor', data)
    data.x = 2
    await it.stage.advance(CONNECT_MS)
    expect(it.sent()).toEqual([{ x: 1 }])
  })

  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  test.each([
    ['an empty name', () => ['', 1] as const],
    ['a name of 65 bytes', () => ['n'.repeat(65), 1] as const],
    ['a key of 65 bytes', () => ['n', 1, { key: 'k'.repeat(65) }] as const],
    ['an empty key', () => ['n', 1, { key: '' }] as const],
    ['a time that is none', () => ['n', 1, { everyMs: NaN }] as const],
    ['a time below 0', () => ['n', 1, { everyMs: -1 }] as const],
    ['data without an end', () => ['n', loop] as const],
  ])('%s throws `invalid`', async (_what, call) => {
    const it = await connected()
    const [name, data, options] = call() as readonly [string, unknown, object?]
    expect(() => it.client.channel('a').sendVolatile(name, data, options)).toThrow(
      expect.objectContaining({ code: 'invalid' }) as Error,
    )
  })

  test('nothing is left of it once it has been said: no timer runs on', async () => {
    const it = await connected({ heartbeat: { intervalMs: Infinity } })
    const room = it.client.channel('a')
    room.retain()
    await it.stage.advance(CONNECT_MS)
    room.sendVolatile('cursor', 1)
    await it.stage.advance(20_000)
    await it.client.close()
    await it.stage.advance(0)
    expect([...it.stage.held]).toEqual([])
  })
})

describe('hearing what is volatile', () => {
  async function reading(options: Partial<ClientOptions> = {}) {
    const it = await connected(options)
    const heard: unknown[] = []
    const room = it.client.channel('a')
    const stop = room.onVolatile('cursor', (data, message) => heard.push([data, message.key, message.sender]))
    await it.stage.advance(CONNECT_MS)
    return { ...it, heard, room, stop }
  }

  test('handlers of its name are called with data, key and sender', async () => {
    const it = await reading()
    it.server.last.say(
      { type: 'vol', channel: 'a', name: 'cursor', data: 1, key: 'mouse', sender: SENDER },
      { type: 'vol', channel: 'a', name: 'other', data: 2 },
      { type: 'vol', channel: 'b', name: 'cursor', data: 3 },
      { type: 'vol', channel: 'a', name: 'cursor', data: null },
    )
    await it.stage.advance(CONNECT_MS)
    expect(it.heard).toEqual([
      [1, 'mouse', SENDER],
      [null, undefined, undefined],
    ])
  })

  test('a message of the same name is not heard as volatile, nor the other way round', async () => {
    const it = await reading()
    const messages: unknown[] = []
    it.room.on('cursor', (data) => messages.push(data))
    it.room.onAny(({ data }) => messages.push(data))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(
      { type: 'vol', channel: 'a', name: 'cursor', data: 'volatile' },
      anEvent('a', 1, { name: 'cursor', data: 'stored' }),
    )
    await it.stage.advance(CONNECT_MS)
    expect([it.heard.map((one) => (one as unknown[])[0]), messages]).toEqual([['volatile'], ['stored', 'stored']])
  })

  test('it moves no position', async () => {
    const it = await reading()
    const before = it.room.state.getSnapshot().position
    it.server.last.say({ type: 'vol', channel: 'a', name: 'cursor', data: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(it.room.state.getSnapshot().position).toEqual(before)
  })

  test('what waits for handlers stays bounded: above it what is volatile is left out', async () => {
    const it = await reading({ inbox: { maxHeldBytes: 1_000 } })
    it.room.onReset(() => new Promise(() => {}))
    const say = (data: unknown) => it.server.last.say({ type: 'vol', channel: 'a', name: 'cursor', data })
    const position = { epoch: 'epoch-1', offset: 0 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'initial', position, top: position })
    for (let i = 0; i < 1_000; i++) say('x'.repeat(100))
    await it.stage.advance(CONNECT_MS)
    expect(it.client.stats().held).toBeLessThan(1_500)
    expect(it.heard).toEqual([])
  })

  test('a channel that has fallen behind goes on once handlers have taken messages and what is volatile', async () => {
    const it = await reading({ inbox: { maxHeldBytes: 1_000 } })
    const offsets: number[] = []
    it.room.onAny(({ offset }) => offsets.push(offset))
    await it.stage.advance(CONNECT_MS)
    let wake = () => {}
    it.room.onReset(() => new Promise<void>((resolve) => (wake = resolve)))
    const position = { epoch: 'epoch-1', offset: 0 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'initial', position, top: position })
    const tell = (n: number) => {
      const offset = it.server.grow('a', { data: 'y'.repeat(100) })
      expect(offset).toBe(n)
      it.server.last.say(anEvent('a', offset, { data: 'y'.repeat(100) }))
    }
    for (let n = 1; n <= 4; n++) tell(n)
    for (let i = 0; i < 10; i++)
      it.server.last.say({ type: 'vol', channel: 'a', name: 'cursor', data: 'x'.repeat(100) })
    for (let n = 5; n <= 12; n++) tell(n)
    await it.stage.advance(CONNECT_MS)
    wake()
    await it.stage.advance(1_000)
    expect(offsets).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  test('who has stopped listening hears nothing more', async () => {
    const it = await reading()
    it.stop()
    it.server.last.say({ type: 'vol', channel: 'a', name: 'cursor', data: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(it.heard).toEqual([])
  })

  test.each([
    ['no name', { name: undefined }],
    ['no data', { data: undefined }],
    ['a key that is a number', { key: 1 }],
    ['a sender that is a text', { sender: 'bob' }],
  ])('one with %s breaks the message that it came in', async (_what, change) => {
    const it = await reading()
    it.server.last.say({ type: 'vol', channel: 'a', name: 'cursor', data: 1, ...change })
    await it.stage.advance(20)
    expect(it.stage.dials[0]?.closedWith?.code).toBe(4400)
  })
})
