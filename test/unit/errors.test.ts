// The one error class, its guards, and the words of every code.

import { describe, expect, test } from 'vitest'
import { causeOf, type ErrorCode, isRealtimeError, knownErrorCode, RealtimeError } from '../../src/errors.ts'

describe('an error', () => {
  test('says what happened and what to do', () => {
    const error = new RealtimeError('outbox-full')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'RealtimeError', code: 'outbox-full', retry: 'later' })
    expect(error.message).toMatch(/outbox/i)
    expect(error.remedy).toContain('Send less')
  })

  test('carries what it is given', () => {
    const cause = new Error('below')
    const error = new RealtimeError('invalid', { message: 'Why', outcome: 'rejected', retryAfterMs: 5, cause })
    expect(error).toMatchObject({ message: 'Why', outcome: 'rejected', retryAfterMs: 5, cause })
  })

  test('keeps the words of its code where none are given', () => {
    expect(new RealtimeError('timeout', { message: undefined }).message).toBe(new RealtimeError('timeout').message)
  })

  test('has an outcome only where it has one', () => {
    expect(new RealtimeError('timeout').outcome).toBeUndefined()
  })
})

describe('a guard', () => {
  test('knows an error of another copy of the library', () => {
    const other = Object.assign(new Error('x'), { name: 'RealtimeError', code: 'timeout' })
    expect(isRealtimeError(other)).toBe(true)
  })

  test.each([undefined, null, 'RealtimeError', { name: 'RealtimeError', code: 'x' }, new Error('x')])(
    'knows that %s is none',
    (value) => {
      expect(isRealtimeError(value)).toBe(false)
    },
  )
})

test.each(['constructor', '__proto__', 'toString', '', 'no-such-code'])('the word %j of a peer is no code', (word) => {
  expect(knownErrorCode(word, 'internal')).toBe('internal')
})

test('the word of a peer that is a code is that code', () => {
  expect(knownErrorCode('forbidden', 'internal')).toBe('forbidden')
})

test('a cause carries the close code where there is one', () => {
  expect(causeOf('protocol', 4400)).toMatchObject({ code: 'protocol', closeCode: 4400 })
  expect(causeOf('timeout').closeCode).toBeUndefined()
})

test('a cause says the same as an error of its code', () => {
  for (const code of ['timeout', 'forbidden', 'gave-up'] satisfies ErrorCode[]) {
    const { message, remedy } = new RealtimeError(code)
    expect(causeOf(code)).toMatchObject({ message, remedy })
  }
})
