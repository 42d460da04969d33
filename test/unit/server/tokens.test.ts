// Tokens on an open connection: asked for before they end, renewed, refused, and of whom.

import { type HookAnswer, reject, type User } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, Stage, START_MS, type StageParts } from './stage.ts'

const HEARTBEAT_MS = 25_000

/** What a token says: who, and for how long from now on. */
type Token = { readonly userId: string; readonly livesMs?: number }
type Judge = (token: string | undefined, done: (answer: HookAnswer<User | null>) => void) => void

/** A client that has said hello with that token, on a server that reads tokens as JSON. */
function entered(
  first: Token,
  parts: StageParts = {},
  judge?: Judge,
): { stage: Stage; client: Actor; asked: string[] } {
  const stage = new Stage(parts)
  const asked: string[] = []
  const read: Judge = (token = '', done) => {
    const { userId, livesMs } = JSON.parse(token) as Token
    const expiresAtMs = livesMs === undefined ? undefined : START_MS + stage.environment.nowMs + livesMs
    done({ answer: { userId, expiresAtMs } })
  }
  let isEntered = false
  const client = stage.open({
    authenticate: (token, done) => {
      asked.push(token ?? '')
      if (isEntered && judge) judge(token, done)
      else read(token, done)
    },
  })
  client.hello('p', 1, JSON.stringify(first))
  isEntered = true
  return { stage, client, asked }
}

/** Lets time pass with a client that shows signs of life. */
function pass(stage: Stage, client: Actor, ms: number): void {
  for (let leftMs = ms; leftMs > 0 && client.end === undefined; leftMs -= HEARTBEAT_MS) {
    stage.environment.advance(Math.min(leftMs, HEARTBEAT_MS))
    if (client.end === undefined) client.say({ type: 'pong', n: 1 })
  }
}

const questions = (client: Actor) => client.take().filter(({ type }) => type === 'authreq')
const auth = (token: Token) => ({ type: 'auth', token: JSON.stringify(token) }) as const

test('welcome says that tokens are read, and how long this one lives', () => {
  const { client } = entered({ userId: 'alice', livesMs: 90_000 })
  expect(client.take()).toMatchObject([
    { type: 'welcome', features: ['tokens', 'history', 'drain', 'volatile', 'presence'], tokenExpiresInMs: 90_000 },
  ])
})

test('a server that asks nobody who they are says nothing of tokens, and takes them', () => {
  const client = new Stage().connect()
  client.say({ type: 'auth', token: 't' })
  expect([client.take(), client.end]).toEqual([[], undefined])
})

describe('the next token is asked for', () => {
  test.each([
    ['30 s before the end', 90_000, 60_000],
    ['in the last third of a short life', 9_000, 6_000],
  ])('%s', (_, livesMs, askedAtMs) => {
    const { stage, client } = entered({ userId: 'alice', livesMs })
    pass(stage, client, askedAtMs - 1)
    expect(questions(client)).toEqual([])
    pass(stage, client, 1)
    expect(questions(client)).toEqual([{ type: 'authreq', withinMs: livesMs - askedAtMs }])
  })

  test('again while none has come, ever sooner, and then the connection ends: 4401', () => {
    const { stage, client } = entered({ userId: 'alice', livesMs: 90_000 })
    pass(stage, client, 89_999)
    const withins = questions(client).map((frame) => Math.ceil((frame as { withinMs: number }).withinMs))
    expect(withins.slice(0, 4)).toEqual([30_000, 15_000, 7_500, 3_750])
    expect(withins.length).toBeLessThan(9)
    pass(stage, client, 1)
    expect(client.end).toBe('4401 expired')
  })

  test('never where a token has no end', () => {
    const { stage, client } = entered({ userId: 'alice' })
    pass(stage, client, 3_600_000)
    expect(questions(client)).toEqual([])
  })
})

describe('auth', () => {
  test('keeps the connection open for as long as the new token lives, and welcome says how long', () => {
    const { stage, client } = entered({ userId: 'alice', livesMs: 90_000 })
    pass(stage, client, 60_000)
    client.take()
    client.say(auth({ userId: 'alice', livesMs: 300_000 }))
    expect(client.take()).toMatchObject([{ type: 'welcome', tokenExpiresInMs: 300_000 }])
    pass(stage, client, 269_999)
    expect([questions(client), client.end]).toEqual([[], undefined])
    pass(stage, client, 1)
    expect(questions(client)).toHaveLength(1)
  })

  test('leaves channels attached, and messages going', () => {
    const { stage, client } = entered({ userId: 'alice', livesMs: 90_000 })
    client.attach('a')
    client.say(auth({ userId: 'alice', livesMs: 90_000 }))
    client.take()
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([1])
  })

  test('hooks are asked with what the new token says from then on', () => {
    const users: User[] = []
    const { client } = entered(
      { userId: 'alice' },
      { hooks: { onPublish: ({ user, data }, done) => done({ answer: (users.push(user), data) }) } },
      (_, done) => done({ answer: { userId: 'alice', role: 'editor' } }),
    )
    client.attach('a')
    client.publish('a', 1)
    client.say(auth({ userId: 'alice' }))
    client.publish('a', 2)
    expect(users.map(({ role }) => role)).toEqual([undefined, 'editor'])
  })

  test('of another user closes 4403: nobody becomes somebody else on the way', () => {
    const { stage, client } = entered({ userId: 'alice' })
    client.say(auth({ userId: 'bob' }))
    expect(client.end).toBe('4403 other-user')
    // It was alice who left.
    const again = stage.open({ authenticate: (_, done) => done({ answer: { userId: 'alice' } }) })
    again.hello('p', 2)
    expect(again.end).toBeUndefined()
  })

  test.each([
    ['nobody', { answer: null }, '4401 unauthorized'],
    ['a refusal', { error: reject('expired', 'x') }, '4401 unauthorized'],
    ['forbidden', { error: reject('forbidden', 'x') }, '4403 forbidden'],
    ['an expired user', { answer: { userId: 'alice', expiresAtMs: START_MS - 1 } }, '4401 expired'],
  ])('that says %s closes', (_, answer, end) => {
    const { client } = entered({ userId: 'alice' }, {}, (__, done) => done(answer))
    client.say({ type: 'auth', token: 'x' })
    expect(client.end).toBe(end)
  })

  test('of which the application cannot tell leaves the connection as it was', () => {
    const { stage, client } = entered({ userId: 'alice', livesMs: 90_000 }, {}, (_, done) =>
      done({ error: new Error('database') }),
    )
    client.take()
    client.say({ type: 'auth', token: 'x' })
    expect([client.end, client.take()]).toEqual([undefined, []])
    expect(stage.environment.errors).toMatchObject([{ message: 'database' }])
    pass(stage, client, 90_000)
    expect(client.end).toBe('4401 expired')
  })

  test('is looked at one at a time, and of those that wait only the newest', () => {
    const pending: ((answer: HookAnswer<User | null>) => void)[] = []
    const { stage, client, asked } = entered({ userId: 'alice' }, {}, (_, done) => void pending.push(done))
    for (let i = 0; i < 100; i++) client.say({ type: 'auth', token: `t${i}` })
    expect(asked.slice(1)).toEqual(['t0'])
    pending[0]?.({ answer: { userId: 'alice' } })
    stage.environment.settle()
    expect(asked.slice(1)).toEqual(['t0', 't99'])
  })

  test('too long closes 4400', () => {
    const { client, asked } = entered({ userId: 'alice' })
    client.say({ type: 'auth', token: 'x'.repeat(16_385) })
    expect([client.end, asked.length]).toEqual(['4400 token-length', 1])
  })

  test('before hello closes 4400', () => {
    const client = new Stage().open()
    client.say({ type: 'auth', token: 't' })
    expect(client.end).toBe('4400 hello-first')
  })

  test('answered after the connection is gone does nothing', () => {
    const pending: ((answer: HookAnswer<User | null>) => void)[] = []
    const { stage, client } = entered({ userId: 'alice' }, {}, (_, done) => void pending.push(done))
    client.say({ type: 'auth', token: 't' })
    client.leave()
    pending[0]?.({ answer: null })
    stage.environment.settle()
    expect(client.end).toBeUndefined()
  })
})
