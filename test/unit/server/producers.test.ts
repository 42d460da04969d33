// Who may be here: one connection per producer, so many per user, so many in all.

import { type User } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, SlowStore, Stage } from './stage.ts'

function join(stage: Stage, producer: string, generation: number, userId = 'alice'): Actor {
  const user: User = { userId }
  const client = stage.open({ authenticate: (_, done) => done({ answer: user }) })
  client.hello(producer, generation)
  return client
}

describe('one producer', () => {
  test('has one connection: a newer generation closes the older 4409', () => {
    const stage = new Stage()
    const old = join(stage, 'p', 1)
    const young = join(stage, 'p', 2)
    expect([old.end, young.end]).toEqual(['4409 replaced', undefined])
    expect(young.takeTypes()).toEqual(['welcome'])
    expect(stage.broker.figures().connections).toBe(1)
    expect(join(stage, 'p', 3).end).toBeUndefined()
    expect(young.end).toBe('4409 replaced')
  })

  test.each([
    ['the same', 2],
    ['a lower', 1],
  ])('is not taken over by %s generation', (_, generation) => {
    const stage = new Stage()
    const holder = join(stage, 'p', 2)
    const late = join(stage, 'p', generation)
    expect([holder.end, late.end]).toEqual([undefined, '4409 replaced'])
    expect(late.frames).toEqual([])
  })

  test('that has left is remembered, so late bytes of an old connection do not come in', () => {
    const stage = new Stage()
    join(stage, 'p', 5).leave()
    expect(join(stage, 'p', 4).end).toBe('4409 replaced')
    expect(join(stage, 'p', 6).end).toBeUndefined()
  })

  test('is forgotten after the idle time', () => {
    const stage = new Stage()
    join(stage, 'p', 5).leave()
    stage.environment.advance(31 * 60_000)
    expect(join(stage, 'p', 1).end).toBeUndefined()
  })

  test('is remembered among ten thousand that have left', () => {
    const stage = new Stage()
    join(stage, 'first', 5).leave()
    join(stage, 'second', 5).leave()
    for (let i = 0; i < 9_999; i++) join(stage, `p${i}`, 1).leave()
    expect(join(stage, 'second', 1).end).toBe('4409 replaced')
    expect(join(stage, 'first', 1).end).toBeUndefined()
  })

  test.each([
    ['connected', false],
    ['remembered', true],
  ])('belongs to its user while it is %s', (_, hasLeft) => {
    const stage = new Stage()
    const client = join(stage, 'p', 1, 'alice')
    if (hasLeft) client.leave()
    expect(join(stage, 'p', 2, 'mallory').end).toBe('4403 other-user')
    expect(join(stage, 'p', 3, 'alice').end).toBeUndefined()
  })

  test('is not told to anyone', () => {
    const stage = new Stage()
    const client = join(stage, 'secret-producer', 1)
    client.attach('a')
    client.publish('a', 1)
    expect(client.messages.join('')).not.toContain('secret-producer')
  })

  test('replaced while its publishes wait has them stored no more', () => {
    const store = new SlowStore()
    const stage = new Stage({ store })
    const old = join(stage, 'p', 1)
    old.attach('a')
    store.isSlow = true
    old.publish('a', 1)
    old.publish('a', 2)
    join(stage, 'p', 2)
    store.answer()
    store.isSlow = false
    expect(stage.ids('a')).toEqual(['m1'])
  })
})

describe('one user', () => {
  const limited = () => new Stage({ options: { limits: { connectionsPerUser: 2 } } })

  test('has so many sessions; one more is closed 4429 with a wait', () => {
    const stage = limited()
    const [one, two, three] = ['1', '2', '3'].map((producer) => join(stage, producer, 1))
    expect([one?.end, two?.end, three?.end]).toEqual([undefined, undefined, '4429 too-many; retry=25000'])
    expect(join(stage, '4', 1, 'bob').end).toBeUndefined()
  })

  test('who reconnects replaces the own session and needs no place', () => {
    const stage = limited()
    const one = join(stage, '1', 1)
    join(stage, '2', 1)
    expect(join(stage, '1', 2).end).toBeUndefined()
    expect(one.end).toBe('4409 replaced')
    expect(join(stage, '3', 1).end).toMatch(/^4429 /)
  })

  test('whose session ended has its place again', () => {
    const stage = limited()
    const one = join(stage, '1', 1)
    join(stage, '2', 1)
    one.leave()
    expect(join(stage, '3', 1).end).toBeUndefined()
  })

  test('whose session has been silent for a heartbeat gives its place to the new one', () => {
    const stage = limited()
    const [silent, lively] = [join(stage, '1', 1), join(stage, '2', 1)]
    stage.environment.advance(26_000)
    lively.say({ type: 'ping', n: 1 })
    expect(join(stage, '3', 1).end).toBeUndefined()
    expect([silent.end, lively.end]).toEqual(['4429 too-many; retry=25000', undefined])
    expect(join(stage, '4', 1).end).toMatch(/^4429 /)
  })

  test('has 20 by default, but for the one that everyone is without authentication', () => {
    const known = new Stage({ isAnonymous: false })
    const anonymous = new Stage()
    const ends = (stage: Stage) =>
      Array.from({ length: 30 }, (_, i) => join(stage, `p${i}`, 1).end).filter(Boolean).length
    expect(ends(known)).toBe(10)
    expect(ends(anonymous)).toBe(0)
  })
})

test('one more connection than there may be is closed 4429 at once, with a wait', () => {
  const stage = new Stage({ options: { limits: { connections: 2 } } })
  const one = stage.open()
  stage.open()
  const three = stage.open()
  expect(three.end).toBe('4429 too-many; retry=5000')
  three.hello('p')
  expect(three.frames).toEqual([])
  one.leave()
  expect(stage.open().end).toBeUndefined()
})
