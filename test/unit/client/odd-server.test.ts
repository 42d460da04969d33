// A server that is odd, early or stubborn: what is legal is delivered, what comes before the welcome is not, and three
// bad messages in a row are enough.

import { afterEach, describe, expect, test } from 'vitest'
import { anAttached, anEntry, anEvent, aWelcome, EPOCH } from '../../support/fake-server.ts'
import { answerToSub, deep, expectLife, page, pageInstead, scene } from '../../support/hostile-scene.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

/** How long what is missing may take to come by itself, and to be asked for then. */
const GAP_MS = 2_000 + CONNECT_MS / 2
const OWN_NAMES = Object.getOwnPropertyNames(Object.prototype)

afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(OWN_NAMES)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

describe('a frame that is odd but legal', () => {
  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'message', 'error', ' ', '🎈'])(
    'is delivered: an event named %j',
    async (name) => {
      const it = await scene()
      const named: unknown[] = []
      it.client.channel('a').on(name, (data) => named.push(data))
      await it.stage.advance(CONNECT_MS)
      it.socket.event('a', { name, data: { name } })
      await it.stage.advance(CONNECT_MS)
      expect([it.heard.map((message) => message.name), named]).toEqual([[name], [{ name }]])
      await expectLife(it)
    },
  )

  test.each(['constructor', '__proto__', 'toString', '🎈', '"', '\n'])(
    'is delivered: on a channel named %j',
    async (name) => {
      const it = await scene()
      const heard: unknown[] = []
      it.client.channel(name).on('m', (data) => heard.push(data))
      await it.stage.advance(CONNECT_MS)
      it.socket.event(name, { data: 'odd' })
      await it.stage.advance(CONNECT_MS)
      expect(heard).toEqual(['odd'])
      await expectLife(it)
    },
  )

  test('is delivered: data with __proto__ as a key, which stays a key', async () => {
    const it = await scene()
    it.server.grow('a')
    it.socket.raw(
      JSON.stringify(anEvent('a', 2, { data: 0 })).replace('"data":0', '"data":{"__proto__":{"polluted":1}}'),
    )
    await it.stage.advance(CONNECT_MS)
    expect(Object.keys(it.heard[0]?.data as object)).toEqual(['__proto__'])
    await expectLife(it)
  })

  test('is delivered: data 64 levels deep', async () => {
    const it = await scene()
    it.socket.event('a', { data: JSON.parse(deep(64)) as unknown })
    await it.stage.advance(CONNECT_MS)
    expect(it.heard).toHaveLength(1)
    await expectLife(it)
  })

  test.each([
    ['the next offset but one', 3],
    ['a million', 1_000_000],
    ['the largest offset there is', Number.MAX_SAFE_INTEGER],
  ])('makes the client fetch and deliver nothing: an event at %s', async (_, offset) => {
    const it = await scene()
    it.socket.say(anEvent('a', offset))
    await it.stage.advance(GAP_MS)
    expect([it.server.framesOf('fetch').length, it.heard.length]).toEqual([1, 0])
    await expectLife(it)
    expect(it.stage.dials).toHaveLength(1)
  })

  test('makes the client fetch once: a thousand events beyond a gap', async () => {
    const it = await scene()
    for (let i = 0; i < 1_000; i++) it.socket.say(anEvent('a', 100 + i))
    await it.stage.advance(GAP_MS - CONNECT_MS)
    expect([it.server.framesOf('fetch').length, it.heard.length]).toEqual([0, 0])
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('fetch')).toHaveLength(1)
    await expectLife(it)
  })

  test('delivers what continues of a page that does not, and nothing after', async () => {
    const it = await scene()
    pageInstead({ events: [anEntry(2), anEntry(4)] })(it)
    it.server.grow('a')
    await it.stage.advance(50)
    expect(it.heard.map(({ offset }) => offset)).toEqual([2])
    expect(it.stage.dials[0]?.closedWith).toMatchObject({ code: 4400 })
    await expectLife(it)
  })

  test('waits for the page: an event that comes while one is awaited', async () => {
    const it = await scene()
    it.server.answers = { fetch: () => [] }
    it.socket.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    it.server.answers = {}
    it.server.grow('a')
    it.socket.say(anEvent('a', 2))
    const [fetch] = it.server.framesOf('fetch')
    it.socket.say(page({ request: fetch?.request, events: [anEntry(2)] }))
    await it.stage.advance(20)
    expect(it.heard.map(({ offset, replayed }) => [offset, replayed])).toEqual([[2, true]])
    await expectLife(it)
    expect(it.stage.dials).toHaveLength(1)
  })

  test.each<[string, object]>([
    ['an event', anEvent('b', 1)],
    ['a reset', aReset('b', 0)],
    ['behind', { type: 'behind', channel: 'b' }],
  ])('belongs to the attachment before: %s between a question and its answer', async (_, frame) => {
    const it = await scene()
    it.server.answers = { sub: () => [] }
    watch(it.client.channel('b').publish('m', 1))
    await it.stage.advance(20)
    it.socket.say(frame)
    await it.stage.advance(20)
    expect([it.heard.length, it.resets.length, it.server.framesOf('fetch').length]).toEqual([0, 0, 0])
    it.server.answers = {}
    it.socket.say(anAttached('b', it.socket.requestOf('b'), ['read', 'write']))
    await it.stage.advance(CONNECT_MS)
    expect([it.client.channel('b').state.getSnapshot().status, it.stage.dials.length]).toEqual(['live', 1])
  })

  test('ends nothing: a complaint with words of its own', async () => {
    const it = await scene()
    it.socket.say({ type: 'error', code: 'constructor', message: 'boo', retryAfterMs: 5 })
    await it.stage.advance(CONNECT_MS)
    expect(it.complaints).toMatchObject([{ code: 'server-error', message: 'boo', retryAfterMs: 5 }])
    await expectLife(it)
  })

  test('rejects the publish: a nack with a word that nobody knows', async () => {
    const it = await scene()
    it.server.answers = {
      pub: ({ channel, sequence }) => (
        (it.server.answers = {}), [{ type: 'nack', channel, sequence, code: '__proto__' }]
      ),
    }
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
    await expectLife(it)
  })

  test('denies one channel and leaves the others: a denial with a word that nobody knows', async () => {
    const it = await scene()
    answerToSub((request) => ({ type: 'denied', channel: 'c', request, code: 'toString' }))(it)
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('c').state.getSnapshot()).toMatchObject({
      status: 'denied',
      lastError: { code: 'forbidden' },
    })
    await expectLife(it)
  })

  test('denies one channel: an attachment that grants nothing', async () => {
    const it = await scene()
    answerToSub((request) => anAttached('c', request, []))(it)
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('c').state.getSnapshot()).toMatchObject({
      status: 'denied',
      lastError: { code: 'forbidden' },
    })
    await expectLife(it)
  })

  test('starts a channel anew: a reset that nobody asked for', async () => {
    const it = await scene()
    it.socket.say({
      type: 'reset',
      channel: 'a',
      reason: '<b>',
      position: { epoch: EPOCH, offset: 1 },
      top: { epoch: EPOCH, offset: 1 },
    })
    await it.stage.advance(CONNECT_MS)
    expect(it.resets).toMatchObject([{ reason: '<b>' }])
    await expectLife(it)
  })
})

describe('before the welcome', () => {
  test.each<[string, object]>([
    ['an ack', { type: 'ack', channel: 'a', sequence: 1, offset: 1 }],
    ['an event', anEvent('a', 1)],
    ['an attachment', anAttached('a', 1, ['read'])],
    ['a pong', { type: 'pong', n: 1, tops: [] }],
    [
      'a reset',
      {
        type: 'reset',
        channel: 'a',
        reason: 'r',
        position: { epoch: EPOCH, offset: 1 },
        top: { epoch: EPOCH, offset: 1 },
      },
    ],
    ['a page', page({})],
    ['behind', { type: 'behind', channel: 'a' }],
    ['a denial', { type: 'denied', channel: 'a', request: 1, code: 'forbidden' }],
    ['a welcome of another version', aWelcome({ version: 2 })],
    ['a welcome of version 0', aWelcome({ version: 0 })],
  ])('%s closes 4400', async (_, frame) => {
    const stage = new Stage()
    stage.fake({ hello: () => [frame, aWelcome()] })
    const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
    expect(stage.lastDial.closedWith).toMatchObject({ code: 4400 })
    expect(client.state.getSnapshot()).toMatchObject({ status: 'connecting', cause: { code: 'protocol' } })
  })

  test.each<[string, object]>([
    ['an error', { type: 'error', code: 'server-error', message: 'patience' }],
    ['a ping', { type: 'ping', n: 1 }],
    ['an unknown frame', { type: 'party' }],
  ])('%s is fine', async (_, frame) => {
    const stage = new Stage()
    stage.fake({ hello: () => [frame, aWelcome()] })
    const client = await stage.connected({ onError: () => {} })
    expect([client.state.getSnapshot().status, stage.dials.length]).toEqual(['connected', 1])
  })
})

describe('a server that keeps at it', () => {
  test('ends in failed, protocol, at the third unreadable message in a row', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, socket) => (socket.raw('nonsense'), []) })
    const client = await stage.connected({ backoff: { baseDelayMs: 10 } })
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(3)
    expect(client.state.getSnapshot()).toMatchObject({ status: 'failed', cause: { code: 'protocol', closeCode: 4400 } })
  })

  test('ends there too with a welcome before each of them', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, socket) => (socket.say(aWelcome()), socket.raw('nonsense'), []) })
    const client = await stage.connected({ backoff: { baseDelayMs: 10 } })
    await stage.advance(600_000)
    expect([stage.dials.length, client.state.getSnapshot().status]).toEqual([3, 'failed'])
  })

  test('does not end there where stable sessions lie between', async () => {
    const it = await scene()
    for (let i = 0; i < 6; i++) {
      await it.stage.advance(11_000)
      it.server.last.raw('nonsense')
      await it.stage.advance(1_000)
    }
    await expectLife(it)
  })

  test('is tried again by retryNow', async () => {
    const stage = new Stage()
    const server = stage.fake({ hello: (_, socket) => (socket.raw('nonsense'), []) })
    const client = await stage.connected({ backoff: { baseDelayMs: 10 } })
    await stage.advance(600_000)
    server.answers = {}
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(client.state.getSnapshot().status).toBe('connected')
  })

  test('has the publish on its way end unknown, and what waits sent on the next connection', async () => {
    const it = await scene()
    it.server.answers = { pub: () => [] }
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(50)
    it.socket.raw('nonsense')
    await it.stage.advance(20)
    expect(sent.result).toMatchObject({ code: 'connection-lost', outcome: 'unknown' })
    it.server.answers = {}
    const waiting = watch(it.client.channel('a').publish('m', 2))
    await it.stage.advance(2_000)
    expect(waiting.result).toMatchObject({ epoch: EPOCH })
  })

  test('cannot make the client answer more than it is asked: ten thousand pings get as many pongs and no more', async () => {
    const it = await scene()
    it.socket.sayTogether(...Array.from({ length: 10_000 }, (_, n) => ({ type: 'ping', n })))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pong')).toHaveLength(10_000)
    await expectLife(it)
  })
})

function aReset(channel: string, offset: number): object {
  const position = { epoch: EPOCH, offset }
  return { type: 'reset', channel, reason: 'r', position, top: position }
}
