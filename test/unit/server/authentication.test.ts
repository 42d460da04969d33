// Who this is: asked before anything else is done, and what every answer leads to.

import { reject, type User } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { Stage, START_MS } from './stage.ts'

const alice: User = { userId: 'alice' }

describe('authentication', () => {
  test('is asked with the token of hello, else with that of the upgrade', () => {
    const stage = new Stage()
    const asked: unknown[] = []
    const authenticate = (token: string | undefined, done: (answer: { answer: User }) => void) => {
      asked.push(token)
      done({ answer: alice })
    }
    stage.open({ token: 'upgrade', authenticate }).hello('p')
    stage.open({ token: 'upgrade', authenticate }).hello('q', 1, 'hello')
    stage.open({ authenticate }).hello('r')
    expect(asked).toEqual(['upgrade', 'hello', undefined])
  })

  test('holds back what follows hello until it is answered, and then keeps its order', () => {
    const stage = new Stage()
    let answer = () => {}
    const client = stage.open({ authenticate: (_, done) => (answer = () => done({ answer: alice })) })
    client.hello('p')
    client.say({ type: 'sub', channel: 'a', request: 1, want: ['read'] }, { type: 'ping', n: 1 })
    client.say({ type: 'sub', channel: 'b', request: 2, want: ['read'] })
    expect(client.take()).toEqual([])
    answer()
    stage.environment.settle()
    expect(client.takeTypes()).toEqual(['welcome', 'attached', 'attached', 'pong'])
  })

  test('does not let more than one message’s bytes wait for it', () => {
    const client = new Stage({ options: { limits: { maxMessageBytes: 65_536 } } }).open({ authenticate: () => {} })
    client.hello('p')
    const ping = () => client.say({ type: 'ping', n: 1 })
    for (let i = 0; i < 10_000 && !client.end; i++) ping()
    expect(client.end).toBe('4400 too-much-too-early')
  })

  test.each([
    ['nobody', (done) => done({ answer: null }), '4401 unauthorized'],
    ['a refusal', (done) => done({ error: reject('expired', 'x') }), '4401 unauthorized'],
    ['a prohibition', (done) => done({ error: reject('forbidden', 'x') }), '4403 forbidden'],
    ['an expired user', (done) => done({ answer: { ...alice, expiresAtMs: START_MS } }), '4401 expired'],
    ['a user whose time is no number', (done) => done({ answer: { ...alice, expiresAtMs: NaN } }), '4401 expired'],
    ['trouble', (done) => done({ error: new Error('database') }), '4503 authentication'],
    ['an empty user id', (done) => done({ answer: { userId: '' } }), '4500 authentication'],
    ['a user id that is no text', (done) => done({ answer: { userId: 7 } as never }), '4500 authentication'],
  ] satisfies [string, (done: (answer: { answer: User | null } | { error: unknown }) => void) => void, string][])(
    'answered with %s closes',
    (_, answer, end) => {
      const client = new Stage().open({ authenticate: (__, done) => answer(done) })
      client.hello('p')
      expect(client.end).toBe(end)
      expect(client.frames).toEqual([])
    },
  )

  test('that throws closes 4503 and is reported', () => {
    const stage = new Stage()
    const thrown = new Error('bug')
    const client = stage.open({
      authenticate: () => {
        throw thrown
      },
    })
    client.hello('p')
    expect(client.end).toBe('4503 authentication')
    expect(stage.environment.errors).toEqual([thrown])
  })

  test('that does not answer in 5 seconds closes 4503, and a late answer changes nothing', () => {
    const stage = new Stage()
    let answer = () => {}
    const client = stage.open({ authenticate: (_, done) => (answer = () => done({ answer: alice })) })
    client.hello('p')
    stage.environment.advance(4_999)
    expect(client.end).toBeUndefined()
    stage.environment.advance(1)
    expect(client.end).toBe('4503 authentication')
    answer()
    stage.environment.settle()
    expect(client.frames).toEqual([])
    expect(stage.broker.figures().connections).toBe(0)
  })

  test('that is answered when the client has left lets nobody in', () => {
    const stage = new Stage()
    let answer = () => {}
    const client = stage.open({ authenticate: (_, done) => (answer = () => done({ answer: alice })) })
    client.hello('p')
    client.leave()
    answer()
    const again = stage.open({ authenticate: (_, done) => done({ answer: alice }) })
    again.hello('p')
    expect([again.end, client.frames]).toEqual([undefined, []])
  })

  test('that took its time leaves a heartbeat that does not', () => {
    const stage = new Stage({ options: { heartbeatMs: 1_000, hookTimeoutMs: 20_000 } })
    let answer = () => {}
    const client = stage.open({ authenticate: (_, done) => (answer = () => done({ answer: alice })) })
    client.hello('p')
    stage.environment.advance(10_000)
    answer()
    stage.environment.advance(1_100)
    expect(client.takeTypes()).toEqual(['welcome', 'ping'])
  })

  test('for a limited time announces it and closes 4401 when it is over', () => {
    const stage = new Stage()
    const user = { ...alice, expiresAtMs: START_MS + 90_000 }
    const client = stage.open({ authenticate: (_, done) => done({ answer: user }) })
    client.hello('p')
    expect(client.take()).toMatchObject([{ tokenExpiresInMs: 90_000 }])
    for (let i = 0; i < 8; i++) {
      stage.environment.advance(11_000)
      client.say({ type: 'ping', n: i })
    }
    expect(client.end).toBeUndefined()
    stage.environment.advance(4_000)
    expect(client.end).toBe('4401 expired')
  })
})
