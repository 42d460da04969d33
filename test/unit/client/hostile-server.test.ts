// A server that is broken or means harm: how each of its messages ends, and that nothing else changes.

import { afterEach, describe, expect, test } from 'vitest'
import { anAttached, anEntry, anEvent, aWelcome, EPOCH } from '../../support/fake-server.ts'
import {
  deep,
  event,
  expectLife,
  page,
  pageInstead,
  say,
  sayRaw,
  type Scene,
  scene,
} from '../../support/hostile-scene.ts'
import { watch } from '../../support/stage.ts'

const OWN_NAMES = Object.getOwnPropertyNames(Object.prototype)

afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(OWN_NAMES)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

type Row = readonly [what: string, send: (scene: Scene) => void]

const MALFORMED: readonly Row[] = [
  ['not JSON', sayRaw('welcome')],
  ['nothing', sayRaw('')],
  ['half a frame', sayRaw('{"type":"ping","n":')],
  ['two frames without an array', sayRaw('{"type":"ping","n":1}{"type":"ping","n":2}')],
  ['a byte order mark', sayRaw('\ufeff{"type":"ping","n":1}')],
  ['null', say(null)],
  ['a number', say(42)],
  ['a text', say('ping')],
  ['true', say(true)],
  ['a binary message', sayRaw(new TextEncoder().encode('{"type":"ping","n":1}').buffer)],
  ['an empty binary message', sayRaw(new ArrayBuffer(0))],
  ['an object without a type', say({})],
  ['a type that is a number', say({ type: 1 })],
  ['a type that is a list', say({ type: ['ping'], n: 1 })],
  ['a type under __proto__', sayRaw('{"__proto__":{"type":"ping","n":1}}')],
  ['a frame in two arrays', say([[{ type: 'ping', n: 1 }]])],
  ['a batch with null in it', say([{ type: 'ping', n: 1 }, null])],
  ['a batch with a broken frame after a good one', say([anEvent('a', 2), { type: 'ping' }])],
  ['100,000 arrays in each other', sayRaw(deep(100_000))],
  [
    'data 100,000 levels deep',
    sayRaw(JSON.stringify(anEvent('a', 2, { data: 0 })).replace('"data":0', `"data":${deep(100_000)}`)),
  ],
  ['data 65 levels deep', event({ data: JSON.parse(deep(65)) as unknown })],
  ['more than maxFrameBytes', event({ data: 'x'.repeat(1_048_576) })],
  ['a ping without a number', say({ type: 'ping' })],
  ['a ping with a text', say({ type: 'ping', n: '1' })],
  ['a ping with a negative number', say({ type: 'ping', n: -1 })],
  ['a ping with a fraction', say({ type: 'ping', n: 0.5 })],
  ['a ping with 2^53', say({ type: 'ping', n: 2 ** 53 })],
  ['a ping with 1e999', sayRaw('{"type":"ping","n":1e999}')],
  ['a ping with null', say({ type: 'ping', n: null })],
  ['a pong without tops', say({ type: 'pong', n: 1 })],
  ['a pong with a broken top', say({ type: 'pong', n: 1, tops: [{ channel: 'a', epoch: EPOCH, offset: -1 }] })],
  ['a pong whose tops are an object', say({ type: 'pong', n: 1, tops: { length: 1 } })],
  ['a welcome without limits', say(aWelcome({ limits: undefined }))],
  ['a welcome with a negative window', say(aWelcome({ limits: { ...aWelcome().limits, window: -1 } }))],
  ['a welcome with a heartbeat that is text', say(aWelcome({ heartbeat: { intervalMs: '1000' } }))],
  ['a welcome with features that are text', say(aWelcome({ features: 'all' }))],
  ['an event without a channel', say(anEvent('a', 2, { channel: undefined }))],
  ['an event with a channel that is a number', say(anEvent('a', 2, { channel: 1 }))],
  ['an event without data', event({ data: undefined })],
  ['an event with a name that is null', event({ name: null })],
  ['an event with an id that is a number', event({ id: 7 })],
  ['an event with offset -1', event({ offset: -1 })],
  ['an event with offset 1.5', event({ offset: 1.5 })],
  ['an event with offset 2^53', event({ offset: 2 ** 53 })],
  ['an event with an offset that is text', event({ offset: '2' })],
  ['an event with a sender without a member', event({ sender: { user: 'u' } })],
  ['an event with a sender that is text', event({ sender: 'u' })],
  ['an event stored at no time', event({ storedAtMs: null })],
  ['an ack with a sequence that is text', say({ type: 'ack', channel: 'a', sequence: '1', offset: 1 })],
  ['an ack with offset 2^53', say({ type: 'ack', channel: 'a', sequence: 1, offset: 2 ** 53 })],
  ['a nack without a code', say({ type: 'nack', channel: 'a', sequence: 1 })],
  [
    'an attachment in an unknown mode',
    ({ socket }) => socket.say(anAttached('a', socket.requestOf('a'), ['read'], 1, { mode: 'sideways' })),
  ],
  [
    'an attachment with an unknown grant',
    ({ socket }) => socket.say(anAttached('a', socket.requestOf('a'), ['admin'], 1)),
  ],
  [
    'an attachment without a top',
    ({ socket }) => socket.say(anAttached('a', socket.requestOf('a'), ['read'], 1, { top: null })),
  ],
  ['a denial without a request', say({ type: 'denied', channel: 'a', code: 'forbidden' })],
  ['a reset without a position', say({ type: 'reset', channel: 'a', reason: 'r', top: { epoch: EPOCH, offset: 1 } })],
  ['a page with events that are no list', say(page({ events: {} }))],
  ['a page with a broken event', say(page({ events: [anEntry(2, { name: 7 })] }))],
  ['a page without more', say(page({ more: undefined }))],
  ['an error without a message', say({ type: 'error', code: 'server-error' })],
]

const IMPOSSIBLE: readonly Row[] = [
  ['an ack for what was never sent', say({ type: 'ack', channel: 'a', sequence: 99, offset: 2 })],
  ['an ack for sequence 0', say({ type: 'ack', channel: 'a', sequence: 0, offset: 2 })],
  [
    'an ack for the largest sequence there is',
    say({ type: 'ack', channel: 'a', sequence: Number.MAX_SAFE_INTEGER, offset: 2 }),
  ],
  ['a nack for what was never sent', say({ type: 'nack', channel: 'a', sequence: 99, code: 'invalid' })],
  [
    'an ack that names another channel than the publish',
    ({ server, client }) => {
      server.answers = {
        pub: ({ sequence }) => ((server.answers = {}), [{ type: 'ack', channel: 'b', sequence, offset: 2 }]),
      }
      watch(client.channel('a').publish('m', 1))
    },
  ],
  [
    'a reset beyond its own top',
    say({
      type: 'reset',
      channel: 'a',
      reason: 'r',
      position: { epoch: EPOCH, offset: 9 },
      top: { epoch: EPOCH, offset: 8 },
    }),
  ],
  [
    'a reset whose top is of another history',
    say({
      type: 'reset',
      channel: 'a',
      reason: 'r',
      position: { epoch: 'x', offset: 1 },
      top: { epoch: 'y', offset: 1 },
    }),
  ],
  ['an empty page that promises more', pageInstead({ more: true })],
  ['a page that starts too late', pageInstead({ events: [anEntry(3)] })],
  ['a page that repeats what was received', pageInstead({ events: [anEntry(1)] })],
  ['a page of the wrong order', pageInstead({ events: [anEntry(4), anEntry(3), anEntry(2)] })],
  ['a welcome of version 2', say(aWelcome({ version: 2 }))],
  [
    'a live attachment elsewhere than the client stands',
    ({ server, socket }) => {
      server.answers = {
        sub: ({ channel, request, want }) =>
          channel === 'a'
            ? ((server.answers = {}), [anAttached(channel, request, want, 77)])
            : [anAttached(channel, request, want, server.topOf(channel))],
      }
      socket.close(1001)
    },
  ],
]

const IGNORED: readonly Row[] = [
  ['an empty batch', sayRaw('[]')],
  ['a frame of an unknown type', say({ type: 'party', balloons: 99 })],
  ['a frame of a type called constructor', say({ type: 'constructor' })],
  ['a frame of a type called __proto__', sayRaw('{"type":"__proto__","polluted":true}')],
  ['a frame of an unknown type, 100,000 levels deep', sayRaw(`{"type":"party","x":${deep(100_000)}}`)],
  [
    'a client’s own frames',
    say({ type: 'hello', version: 1 }, { type: 'sub', channel: 'a' }, { type: 'unsub' }, { type: 'fetch' }),
  ],
  [
    'a second welcome',
    say(aWelcome({ member: 'other', limits: { ...aWelcome().limits, window: 0, messageBytes: 0 } })),
  ],
  ['a pong that nobody asked for', say({ type: 'pong', n: 0, tops: [] }, { type: 'pong', n: 77, tops: [] })],
  ['an event twice', say(anEvent('a', 1), anEvent('a', 1))],
  ['an event of offset 0', say(anEvent('a', 0))],
  ['an event of an unknown channel', say(anEvent('nowhere', 1))],
  ['an event of a channel called __proto__', say(anEvent('__proto__', 1))],
  ['a page that nobody asked for', say(page({ events: [anEntry(2)] }))],
  ['a page of a channel that nobody knows', say(page({ channel: 'nowhere', events: [anEntry(2)] }))],
  ['an attachment twice', ({ socket }) => socket.say(anAttached('a', socket.requestOf('a'), ['read'], 55))],
  ['an attachment of an unknown channel', say(anAttached('nowhere', 1, ['read']))],
  [
    'an attachment that answers an old question',
    say(anAttached('a', 1, ['read'], 55), anAttached('a', 0, ['read'], 55)),
  ],
  ['an attachment that answers a question of the future', say(anAttached('a', 99, ['read'], 55))],
  ['a denial of an unknown channel', say({ type: 'denied', channel: 'nowhere', request: 1, code: 'forbidden' })],
  ['a denial that answers an old question', say({ type: 'denied', channel: 'a', request: 1, code: 'forbidden' })],
  [
    'a denial after the attachment',
    ({ socket }) => socket.say({ type: 'denied', channel: 'a', request: socket.requestOf('a'), code: 'forbidden' }),
  ],
  [
    'a reset of an unknown channel',
    say({
      type: 'reset',
      channel: 'nowhere',
      reason: 'r',
      position: { epoch: EPOCH, offset: 9 },
      top: { epoch: EPOCH, offset: 9 },
    }),
  ],
  [
    'a reset that answers an old question',
    say({
      type: 'reset',
      channel: 'a',
      request: 99,
      reason: 'r',
      position: { epoch: EPOCH, offset: 9 },
      top: { epoch: EPOCH, offset: 9 },
    }),
  ],
  ['an ack again', say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })],
  ['a nack of what was acknowledged', say({ type: 'nack', channel: 'a', sequence: 1, code: 'invalid' })],
  ['behind of an unknown channel', say({ type: 'behind', channel: 'nowhere' })],
  [
    'fields that nobody knows',
    say({ type: 'behind', channel: 'nowhere', __proto__: { polluted: 1 }, extra: { constructor: 1 } }),
  ],
  [
    '__proto__ as a field',
    sayRaw(
      '{"type":"behind","channel":"nowhere","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    ),
  ],
]

describe('a message that cannot be read', () => {
  test.each(MALFORMED)('closes 4400 and is followed by a new connection: %s', async (_, send) => {
    const it = await scene()
    send(it)
    await it.stage.advance(20)
    expect(it.stage.dials[0]?.closedWith).toMatchObject({ code: 4400 })
    expect(it.heard).toEqual([])
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'reconnecting', cause: { code: 'protocol' } })
    await expectLife(it)
  })
})

describe('a frame that cannot be', () => {
  test.each(IMPOSSIBLE)('closes 4400 and is followed by a new connection: %s', async (_, send) => {
    const it = await scene()
    send(it)
    await it.stage.advance(1_000)
    expect(it.stage.dials.map(({ closedWith }) => closedWith?.code)).toContain(4400)
    await expectLife(it)
  })
})

describe('a frame that means nothing', () => {
  test.each(IGNORED)('changes nothing: %s', async (_, send) => {
    const it = await scene()
    const { client, stage } = it
    const snapshots = () =>
      [client.state, client.channel('a').state, client.channel('b').state].map((s) => s.getSnapshot())
    const before = snapshots()
    send(it)
    await stage.advance(50)
    expect(snapshots().map((snapshot, i) => snapshot === before[i])).toEqual([true, true, true])
    expect([...it.heard, ...it.resets, ...it.complaints]).toEqual([])
    await expectLife(it)
    expect(stage.dials).toHaveLength(1)
  })
})
