// Who is here: the roster as the server tells of it, and what the server is told of this client.

import { describe, expect, test } from 'vitest'
import type { ClientOptions, RealtimeError } from 'steadywire'
import { type Answers, anAttached, aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const ACCEPTING: Answers = { pres: ({ id }) => [{ type: 'res', id }] }
const refusing = (code: string): Answers => ({
  pres: ({ id }) => [{ type: 'res', id, error: { code, message: 'Not here.' } }],
})
const bob = (data: unknown = 'b') => ({ user: 'bob', member: 'm-bob', data })
const self = (data: unknown = 'me') => ({ user: 'anna', member: 'member-1', data })

/** Whether a promise has settled, and with which error. */
function watch(promise: Promise<void>) {
  const watched: { isSettled: boolean; error?: RealtimeError } = { isSettled: false }
  promise.then(
    () => (watched.isSettled = true),
    (error: RealtimeError) => Object.assign(watched, { isSettled: true, error }),
  )
  return watched
}

async function connected(options: Partial<ClientOptions> = {}, answers: Answers = ACCEPTING, features = ['presence']) {
  const stage = new Stage()
  const server = stage.fake({ hello: () => [aWelcome({ features })], ...answers })
  const errors: unknown[] = []
  const client = await stage.connected({
    onError: ({ error, channel }) => errors.push([error.code, channel]),
    backoff: { baseDelayMs: 10 },
    ...options,
  })
  const room = client.channel('a')
  const said = () => server.framesOf('pres').map(({ data }) => data)
  const here = () => room.presence.state.getSnapshot().map(({ member, data, isSelf }) => [member, data, isSelf])
  const lose = async () => {
    server.last.close(1006)
    await stage.advance(5_000)
    expect(client.state.getSnapshot().status).toBe('connected')
  }
  return { stage, server, client, room, errors, said, here, lose }
}

describe('being here', () => {
  test('is said once the channel is attached for reading, and resolves when the server has taken it', async () => {
    const it = await connected()
    const set = watch(it.room.presence.set({ name: 'Anna' }))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').map(({ want }) => want)).toEqual([['read']])
    expect([it.said(), set.isSettled, set.error]).toEqual([[{ name: 'Anna' }], true, undefined])
  })

  test('is said again on every new connection, with what was said last', async () => {
    const it = await connected()
    void it.room.presence.set('one')
    void it.room.presence.set('two')
    await it.stage.advance(CONNECT_MS)
    await it.lose()
    await it.lose()
    expect(it.said()).toEqual(['one', 'two', 'two', 'two'])
    expect(it.errors).toEqual([])
  })

  test('is not said again where the channel is asked for anew on the same connection', async () => {
    const it = await connected()
    void it.room.presence.set('me')
    await it.stage.advance(CONNECT_MS)
    it.room.publish('m', 1).catch(() => {})
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub')).toHaveLength(2)
    expect(it.said()).toEqual(['me'])
  })

  test('said while there is no connection it waits for the next one', async () => {
    const it = await connected()
    it.client.disconnect()
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(5_000)
    expect([it.said(), set.isSettled]).toEqual([[], false])
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect([it.said(), set.isSettled, set.error]).toEqual([['me'], true, undefined])
  })

  test('rejects `timeout` after 10 s without a connection, and is said all the same when there is one', async () => {
    const it = await connected()
    it.client.disconnect()
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(10_000)
    expect(set.error?.code).toBe('timeout')
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect([it.said(), it.errors]).toEqual([['me'], []])
  })

  test('a refusal rejects it in the words of the server, and it is not said again', async () => {
    const it = await connected({}, refusing('too-many'))
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(CONNECT_MS)
    expect([set.error?.code, set.error?.message]).toEqual(['too-many', 'Not here.'])
    await it.lose()
    expect(it.said()).toEqual(['me'])
  })

  test('a refusal that comes on a later connection is an `error` event', async () => {
    const it = await connected()
    void it.room.presence.set('me')
    await it.stage.advance(CONNECT_MS)
    it.server.answers = { hello: () => [aWelcome({ features: ['presence'] })], ...refusing('forbidden') }
    await it.lose()
    await it.lose()
    expect([it.said(), it.errors]).toEqual([['me', 'me'], [['forbidden', 'a']]])
  })

  test('where the channel is denied it rejects with what the server said', async () => {
    const it = await connected(
      {},
      { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'forbidden' }] },
    )
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(CONNECT_MS)
    expect([set.error?.code, it.said()]).toEqual(['forbidden', []])
  })

  test('a server that knows no presence makes it `unsupported`', async () => {
    const it = await connected({}, ACCEPTING, [])
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(CONNECT_MS)
    expect([set.error?.code, it.said()]).toEqual(['unsupported', []])
  })

  test('null, and what JSON cannot say, are `invalid`', async () => {
    const it = await connected()
    const sets = [null, undefined, 1n].map((data) => watch(it.room.presence.set(data)))
    await it.stage.advance(CONNECT_MS)
    expect([sets.map(({ error }) => error?.code), it.said()]).toEqual([['invalid', 'invalid', 'invalid'], []])
  })

  test('`clear` takes it back at once, and lets go of the channel when it has lingered', async () => {
    const it = await connected()
    void it.room.presence.set('me')
    await it.stage.advance(CONNECT_MS)
    it.room.presence.clear()
    await it.stage.advance(CONNECT_MS)
    expect(it.said()).toEqual(['me', null])
    await it.stage.advance(2_000)
    expect(it.server.framesOf('unsub')).toHaveLength(1)
    await it.lose()
    expect(it.said()).toEqual(['me', null])
  })

  test('`clear` before it was said has it never said', async () => {
    const it = await connected()
    it.client.disconnect()
    const sets = [watch(it.room.presence.set('one')), watch(it.room.presence.set('two'))]
    it.room.presence.clear()
    it.client.connect()
    await it.stage.advance(2_000)
    expect([sets.map(({ error }) => error?.code), it.said()]).toEqual([['aborted', 'aborted'], []])
  })

  test('`clear` where nothing was said does nothing', async () => {
    const it = await connected()
    it.room.presence.clear()
    await it.stage.advance(CONNECT_MS)
    expect(it.server.last.frames.map(({ type }) => type)).toEqual(['hello'])
  })

  test('`logout` forgets it: the next one here is somebody else', async () => {
    const it = await connected()
    void it.room.presence.set('me')
    await it.stage.advance(CONNECT_MS)
    it.client.logout()
    it.room.retain()
    await it.stage.advance(CONNECT_MS)
    expect([it.said(), it.here()]).toEqual([['me'], []])
  })

  test('`close` settles what is still waiting', async () => {
    const it = await connected({}, { pres: () => [] })
    const set = watch(it.room.presence.set('me'))
    await it.stage.advance(CONNECT_MS)
    await it.client.close()
    await it.stage.advance(0)
    expect([set.error?.code, [...it.stage.held]]).toEqual(['closed', []])
  })
})

describe('who is here', () => {
  async function watching() {
    const it = await connected()
    let changeCount = 0
    const stop = it.room.presence.state.subscribe(() => changeCount++)
    await it.stage.advance(CONNECT_MS)
    const before = changeCount
    return { ...it, stop, changes: () => changeCount - before }
  }

  test('is nobody until the server tells', async () => {
    const it = await watching()
    expect(it.here()).toEqual([])
  })

  test('is everyone that the server names, and then whoever comes, changes and goes', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'a', version: 7, full: [bob(), self()] })
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([
      ['m-bob', 'b', false],
      ['member-1', 'me', true],
    ])
    it.server.last.say({
      type: 'pres',
      channel: 'a',
      version: 8,
      set: [bob('changed'), { user: 'eve', member: 'm-eve', data: 1 }],
      cleared: ['member-1', 'nobody'],
    })
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([
      ['m-bob', 'changed', false],
      ['m-eve', 1, false],
    ])
    expect(it.changes()).toBe(2)
  })

  test('is the same reference until it changes', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full: [bob()] })
    await it.stage.advance(CONNECT_MS)
    const before = it.room.presence.state.getSnapshot()
    it.server.grow('a')
    await it.stage.advance(60_000)
    expect(it.room.presence.state.getSnapshot()).toBe(before)
  })

  test('one who is in both lists has gone and come', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full: [bob()] })
    it.server.last.say({ type: 'pres', channel: 'a', version: 2, set: [bob('again')], cleared: ['m-bob'] })
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([['m-bob', 'again', false]])
  })

  test('stays as it was while there is no connection, and begins anew with the next one', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full: [bob()] })
    await it.stage.advance(CONNECT_MS)
    it.client.disconnect()
    await it.stage.advance(5_000)
    expect(it.here()).toEqual([['m-bob', 'b', false]])
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([])
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full: [self()] })
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([['member-1', 'me', true]])
  })

  test('is nobody once nobody here reads the channel', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full: [bob()] })
    await it.stage.advance(CONNECT_MS)
    it.stop()
    await it.stage.advance(2_000)
    expect(it.here()).toEqual([])
  })

  test('a member named like a property of every object is a member like any other', async () => {
    const it = await watching()
    const full = ['__proto__', 'constructor'].map((member) => ({ user: 'u', member, data: member }))
    it.server.last.say({ type: 'pres', channel: 'a', version: 1, full })
    await it.stage.advance(CONNECT_MS)
    expect(it.here()).toEqual([
      ['__proto__', '__proto__', false],
      ['constructor', 'constructor', false],
    ])
  })

  test.each([
    [
      'a version that skips one',
      [
        { version: 1, full: [] },
        { version: 3, set: [bob()] },
      ],
    ],
    [
      'the same version again',
      [
        { version: 1, full: [] },
        { version: 1, set: [bob()] },
      ],
    ],
    ['a change of nothing that was told', [{ version: 5, set: [bob()] }]],
    ['a member without data', [{ version: 1, full: [{ user: 'bob', member: 'm-bob' }] }]],
    [
      'more members than a page can bear',
      [{ version: 1, full: Array.from({ length: 10_001 }, (_, i) => ({ ...bob(), member: `m${i}` })) }],
    ],
  ])('%s is a broken frame', async (_what, frames) => {
    const it = await watching()
    for (const frame of frames) it.server.last.say({ type: 'pres', channel: 'a', ...frame })
    await it.stage.advance(50)
    expect(it.stage.dials[0]?.closedWith?.code).toBe(4400)
  })

  test('what is told of a channel that is not read means nothing', async () => {
    const it = await watching()
    it.server.last.say({ type: 'pres', channel: 'other', version: 3, set: [bob()] })
    await it.stage.advance(50)
    expect(it.stage.dials[0]?.closedWith).toBeUndefined()
    expect(it.client.channel('other').presence.state.getSnapshot()).toEqual([])
  })

  test('what crosses a question for the channel belongs to the attachment before', async () => {
    const it = await connected({}, { sub: () => [] })
    it.room.presence.state.subscribe(() => {})
    await it.stage.advance(CONNECT_MS)
    it.server.last.say({ type: 'pres', channel: 'a', version: 3, full: [bob()] })
    it.server.last.say(anAttached('a', it.server.last.requestOf('a'), ['read']))
    await it.stage.advance(50)
    expect(it.here()).toEqual([])
  })
})
