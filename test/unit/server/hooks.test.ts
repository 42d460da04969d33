// The application's own code: turned into callbacks at the edge.

import { type HookAnswer, hookOf, isRefusal, reject } from '@steadywire/server'
import { describe, expect, test } from 'vitest'

describe('hookOf', () => {
  const answerOf = <Answer>(ask: (query: number) => Answer | PromiseLike<Answer>) => {
    let answer: HookAnswer<Answer> | undefined
    hookOf(ask)(20, (given) => {
      answer = given
    })
    return () => answer
  }

  test('answers a value before it returns', () => {
    expect(answerOf((n) => n + 1)()).toEqual({ answer: 21 })
  })

  test.each([undefined, null, 0, { then: 'not a function' }])('answers the value %j', (value) => {
    expect(answerOf(() => value)()).toEqual({ answer: value })
  })

  test('answers what a promise resolves with, or rejects with', async () => {
    const resolved = answerOf(async (n) => n + 1)
    const rejected = answerOf(() => Promise.reject(new Error('no')))
    expect([resolved(), rejected()]).toEqual([undefined, undefined])
    await Promise.resolve()
    expect([resolved(), rejected()]).toEqual([{ answer: 21 }, { error: new Error('no') }])
  })

  test('lets a throw through to who asked', () => {
    expect(() =>
      answerOf(() => {
        throw new Error('bug')
      }),
    ).toThrow('bug')
  })
})

test('reject makes an error with a code and a message of bounded length', () => {
  const refusal = reject('invalid', 'x'.repeat(2_000))
  expect(refusal).toBeInstanceOf(Error)
  expect(isRefusal(refusal)).toBe(true)
  expect([refusal.code, refusal.message.length]).toEqual(['invalid', 1_000])
})

test('a refusal of another copy of this package is one too', () => {
  const foreign = Object.assign(new Error('no'), { name: 'Refusal', code: 'invalid' })
  expect([foreign, new Error('no'), { name: 'Refusal' }, null].map(isRefusal)).toEqual([true, false, false, false])
})
