// The client's token: when it is asked for, where it travels, how it is renewed, and that it shows nowhere.

import { type Client, type ClientOptions, type TokenQuery, UnauthorizedError } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { type Answers, aWelcome, type FakeServer } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const BACKOFF = { backoff: { baseDelayMs: 10, stableAfterMs: 0 } }
const RECONNECT_MS = 500

interface Question extends TokenQuery {
  answer(token: unknown): void
  fail(error?: unknown): void
}

interface Scene {
  readonly stage: Stage
  readonly server: FakeServer
  readonly client: Client
  readonly questions: Question[]
}

/** A client that has begun to connect, and whose questions for a token the test answers. */
async function asked(options: Partial<ClientOptions> = {}, answers: Answers = {}): Promise<Scene> {
  const questions: Question[] = []
  const stage = new Stage()
  const server = stage.fake(answers)
  const client = stage.client({
    onError: () => {},
    ...BACKOFF,
    getToken: (query) =>
      new Promise<string>((answer, fail) => questions.push({ ...query, answer: answer as Question['answer'], fail })),
    ...options,
  })
  client.connect()
  await stage.advance(CONNECT_MS)
  return { stage, server, client, questions }
}

/** The same, connected with the token `t1`. */
async function connected(options: Partial<ClientOptions> = {}, answers: Answers = {}): Promise<Scene> {
  const it = await asked(options, answers)
  it.questions[0]?.answer('t1')
  await it.stage.advance(CONNECT_MS)
  expect(it.client.state.getSnapshot().status).toBe('connected')
  return it
}

const tokensOf = ({ server }: Scene) => server.framesOf('hello').map(({ token }) => token)
const expiringIn = (tokenExpiresInMs: number): Answers => ({ hello: () => [aWelcome({ tokenExpiresInMs })] })
const authreq = { type: 'authreq', withinMs: 10_000 }

describe('before a connection', () => {
  test('is asked for once, as the first, and travels in hello', async () => {
    const it = await asked()
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first'])
    expect(it.stage.dials).toEqual([])
    it.questions[0]?.answer('t1')
    await it.stage.advance(CONNECT_MS)
    expect([tokensOf(it), it.stage.lastDial.protocol]).toEqual([['t1'], 'steadywire.v1'])
  })

  test('without getToken there is none', async () => {
    const stage = new Stage()
    const server = stage.fake()
    await stage.connected()
    expect(server.framesOf('hello')[0]).not.toHaveProperty('token')
  })

  test('serves every connection for as long as it lives', async () => {
    const it = await connected({}, expiringIn(3_600_000))
    for (let i = 0; i < 3; i++) {
      it.server.last.close(1006)
      await it.stage.advance(RECONNECT_MS)
    }
    expect([tokensOf(it), it.questions.length]).toEqual([['t1', 't1', 't1', 't1'], 1])
  })

  test.each([
    ['30 s', 120_000, 89_000, 91_000],
    ['a third of a short life', 9_000, 5_000, 6_500],
  ])('is asked for anew in the last %s of it', async (_, livesMs, usedMs, renewedMs) => {
    const it = await connected({}, expiringIn(livesMs))
    await it.stage.advance(usedMs - CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect([it.questions.length, tokensOf(it).length]).toEqual([1, 2])
    // The second welcome named the whole span anew.
    await it.stage.advance(renewedMs - CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'expiring'])
  })

  test('counts sleep: time goes on for a token', async () => {
    const it = await connected({}, expiringIn(60_000))
    await it.stage.sleep(3_600_000, 'stops')
    it.stage.wallShiftMs = 3_600_000
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'expiring'])
  })

  test('travels as a subprotocol where that is wanted, and then not in hello', async () => {
    const it = await connected({ connect: { tokenIn: 'subprotocol' } })
    expect(it.stage.lastDial).toMatchObject({ protocol: 'steadywire.v1', token: 't1' })
    expect(tokensOf(it)).toEqual([undefined])
  })

  test('a failure is a hiccup: it is asked for again after the backoff', async () => {
    const it = await asked()
    it.questions[0]?.fail(new Error('offline'))
    await it.stage.advance(RECONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'first'])
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'connecting', cause: { code: 'connection-refused' } })
  })

  test('a throw before any promise is a hiccup too', async () => {
    let calls = 0
    const it = await asked({
      getToken: () => {
        calls++
        throw new Error('not ready')
      },
    })
    await it.stage.advance(RECONNECT_MS)
    expect(calls).toBeGreaterThan(1)
    expect(it.client.state.getSnapshot().status).toBe('connecting')
  })

  test('no answer in time is a hiccup: the signal is aborted, and it is asked for again', async () => {
    const it = await asked({ connect: { timeoutMs: 1_000 } })
    await it.stage.advance(1_500)
    expect(it.questions.map(({ signal }) => signal.aborted)).toEqual([true, false])
    it.questions[0]?.answer('late')
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(tokensOf(it)).toEqual(['t2'])
  })

  test('UnauthorizedError stops, and nothing is tried until retryNow()', async () => {
    const it = await asked()
    it.questions[0]?.fail(new UnauthorizedError('Signed out'))
    await it.stage.advance(600_000)
    expect(it.client.state.getSnapshot()).toMatchObject({
      status: 'failed',
      cause: { code: 'unauthorized', message: 'Signed out' },
    })
    expect([it.questions.length, it.stage.dials.length]).toEqual([1, 0])
    it.client.retryNow()
    await it.stage.advance(CONNECT_MS)
    expect(it.questions).toHaveLength(2)
  })

  test.each([undefined, '', 7, null])('%s is no token: config', async (token) => {
    const it = await asked()
    it.questions[0]?.answer(token)
    await it.stage.advance(CONNECT_MS)
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'failed', cause: { code: 'config' } })
  })

  test('the address is asked for at the same time', async () => {
    let addresses = 0
    const it = await connected({
      url: async () => {
        addresses++
        return 'ws://world.test/realtime'
      },
    })
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    // For a renewal nobody needs one.
    expect([addresses, it.server.framesOf('auth').length]).toEqual([1, 1])
  })
})

describe('that the server refuses', () => {
  test('is asked for once more, as refused', async () => {
    const it = await connected()
    it.server.last.close(4401)
    await it.stage.advance(RECONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'refused'])
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect([tokensOf(it), it.client.state.getSnapshot().status]).toEqual([['t1', 't2'], 'connected'])
  })

  test('twice without a stable session in between stops: unauthorized', async () => {
    const it = await asked({ backoff: { baseDelayMs: 10 }, getToken: () => 'bad' }, { hello: () => [] })
    for (let i = 0; i < 2; i++) {
      await it.stage.advance(RECONNECT_MS)
      it.server.last.close(4401)
    }
    await it.stage.advance(600_000)
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'failed', cause: { code: 'unauthorized' } })
    expect(it.stage.dials).toHaveLength(2)
  })

  test('is not used again by retryNow()', async () => {
    const it = await asked({ backoff: { baseDelayMs: 10 } }, { hello: () => [] })
    for (let i = 0; i < 2; i++) {
      it.questions[i]?.answer(`bad ${i}`)
      await it.stage.advance(RECONNECT_MS)
      it.server.last.close(4401)
      await it.stage.advance(RECONNECT_MS)
    }
    expect(it.client.state.getSnapshot().status).toBe('failed')
    it.client.retryNow()
    await it.stage.advance(CONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'refused', 'refused'])
  })
})

describe('that expires on an open connection', () => {
  test('is renewed there when the server asks, and serves the next connection', async () => {
    const it = await connected({}, expiringIn(60_000))
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'expiring'])
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('auth')).toEqual([{ type: 'auth', token: 't2' }])
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect([tokensOf(it), it.questions.length]).toEqual([['t1', 't2'], 2])
  })

  test('lives as long as the welcome that answers it says', async () => {
    const it = await connected({}, { ...expiringIn(60_000), auth: () => [aWelcome({ tokenExpiresInMs: 600_000 })] })
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    it.questions[1]?.answer('t2')
    await it.stage.advance(300_000)
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect([tokensOf(it), it.client.stats().reconnects]).toEqual([['t1', 't2'], 1])
  })

  test('is asked for by one call at a time, however often the server asks', async () => {
    const it = await connected()
    for (let i = 0; i < 5; i++) {
      it.server.last.say(authreq)
      await it.stage.advance(100)
    }
    expect(it.questions).toHaveLength(2)
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('auth')).toEqual([{ type: 'auth', token: 't2' }])
  })

  test('and that is asked for when the connection is lost is not asked for twice', async () => {
    const it = await connected({}, expiringIn(60_000))
    await it.stage.advance(50_000)
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect(it.questions).toHaveLength(2)
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(tokensOf(it)).toEqual(['t1', 't2'])
  })

  test('a hiccup leaves the connection open, and the next question of the server is heard', async () => {
    const it = await connected()
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    it.questions[1]?.fail(new Error('offline'))
    await it.stage.advance(CONNECT_MS)
    expect([it.client.state.getSnapshot().status, it.stage.dials.length]).toEqual(['connected', 1])
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    expect(it.questions).toHaveLength(3)
  })

  test('a call that never answers is given up for the next one', async () => {
    const it = await connected({ connect: { timeoutMs: 1_000 } })
    it.server.last.say(authreq)
    await it.stage.advance(1_500)
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    expect(it.questions.map(({ signal }) => signal.aborted)).toEqual([false, true, false])
  })

  test('UnauthorizedError stops: one failed, and no further tries', async () => {
    const it = await connected()
    const statuses: string[] = []
    it.client.on('status', ({ status }) => statuses.push(status))
    it.server.last.say(authreq)
    await it.stage.advance(CONNECT_MS)
    it.questions[1]?.fail(new UnauthorizedError())
    await it.stage.advance(600_000)
    expect([statuses, it.stage.dials.length, it.questions.length]).toEqual([['failed'], 1, 2])
    expect(it.client.state.getSnapshot().cause).toMatchObject({ code: 'unauthorized' })
  })

  test('the server may ask who has none: nothing happens', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    server.last.say(authreq)
    await stage.advance(CONNECT_MS)
    expect([client.state.getSnapshot().status, server.framesOf('auth')]).toEqual(['connected', []])
  })
})

describe('logout', () => {
  test('hangs up, and the next connection is that of somebody new', async () => {
    const it = await connected()
    it.client.logout()
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'idle', cause: null })
    expect(it.stage.lastDial.closedWith).toBeDefined()
    await it.stage.advance(600_000)
    expect([it.stage.dials.length, it.questions.length]).toEqual([1, 1])
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect(it.questions.map(({ reason }) => reason)).toEqual(['first', 'first'])
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    const [before, after] = it.server.framesOf('hello')
    expect([before?.token, after?.token]).toEqual(['t1', 't2'])
    expect(after?.producer).not.toBe(before?.producer)
  })

  test('settles what was published: rejected if it was never sent, else unknown', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await connected({}, { hello: () => [aWelcome({ limits })], pub: () => [] })
    const [sent, waiting] = [1, 2].map((n) => watch(it.client.channel('a').publish('m', n)))
    await it.stage.advance(CONNECT_MS)
    it.client.logout()
    await it.stage.advance(0)
    expect([sent?.result, waiting?.result]).toMatchObject([
      { code: 'logged-out', outcome: 'unknown' },
      { code: 'logged-out', outcome: 'rejected' },
    ])
    expect(it.client.stats()).toMatchObject({ outbox: 0, outboxBytes: 0 })
  })

  test('forgets channels and handlers; what they had returned has no effect any more', async () => {
    const it = await connected()
    const room = it.client.channel('a')
    const heard: string[] = []
    const off = room.on('m', () => heard.push('before'))
    await it.stage.advance(CONNECT_MS)
    it.client.logout()
    expect(room.state.getSnapshot()).toMatchObject({ status: 'idle', position: null })
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(it.server.last.framesOf('sub')).toEqual([])
    room.on('m', () => heard.push('after'))
    off()
    await it.stage.advance(5_000)
    expect(it.client.channel('a')).toBe(room)
    expect(room.state.getSnapshot().status).toBe('live')
    it.server.last.event('a', { name: 'm' })
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual(['after'])
  })

  test('does not take the token of the person before, which comes afterwards', async () => {
    const it = await asked()
    it.client.logout()
    expect(it.questions[0]?.signal.aborted).toBe(true)
    it.client.connect()
    it.questions[0]?.answer('of the one before')
    await it.stage.advance(CONNECT_MS)
    expect([it.stage.dials.length, it.questions.length]).toEqual([0, 2])
    it.questions[1]?.answer('t2')
    await it.stage.advance(CONNECT_MS)
    expect(tokensOf(it)).toEqual(['t2'])
  })

  test('ends a refresh that waits: logged-out', async () => {
    const it = await connected({}, { sub: () => [] })
    const refreshed = watch(it.client.channel('a').refresh())
    await it.stage.advance(CONNECT_MS)
    it.client.logout()
    await it.stage.advance(0)
    expect(refreshed.result).toMatchObject({ code: 'logged-out' })
  })

  test('while idle, failed or down leads to idle, and changes nothing once closed', async () => {
    const it = await asked()
    it.client.disconnect()
    it.client.logout()
    expect(it.client.state.getSnapshot().status).toBe('idle')
    it.client.logout()
    expect(it.client.state.getSnapshot().status).toBe('idle')
    await it.client.close()
    it.client.logout()
    expect(it.client.state.getSnapshot().status).toBe('closed')
  })
})

test('close() gives up the question for a token', async () => {
  const it = await asked()
  await it.client.close()
  expect([it.questions[0]?.signal.aborted, [...it.stage.held]]).toEqual([true, []])
})

test('the token shows in no snapshot, error or address', async () => {
  const told: unknown[] = []
  const it = await connected({ onError: (detail) => told.push(detail), getToken: () => 's3cret' })
  it.client.on('status', (status) => told.push(status))
  it.server.last.close(4401, 's3cret is bad')
  await it.stage.advance(RECONNECT_MS)
  it.server.last.close(4401)
  await it.stage.advance(RECONNECT_MS)
  told.push(
    it.client.state.getSnapshot(),
    it.client.stats(),
    it.stage.dials.map(({ url, protocol }) => [url, protocol]),
  )
  const texts = JSON.stringify(told) + told.map((one) => String((one as { error?: Error }).error?.stack)).join()
  expect(texts).not.toContain('s3cret')
})
