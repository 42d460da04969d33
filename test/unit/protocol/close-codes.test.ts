// What a close code means to the client, and what its reason may ask for.

import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import * as codes from '../../../src/protocol/close-codes.ts'

const { closeMeaning, closeReason, retryAfterMs } = codes

const TABLE: readonly (readonly [closeCode: number, policy: codes.ClosePolicy, code: string])[] = [
  [codes.CLOSE_BAD_FRAME, 'retry', 'protocol'],
  [codes.CLOSE_UNAUTHORIZED, 'reauthorize', 'unauthorized'],
  [codes.CLOSE_FORBIDDEN, 'stop', 'forbidden'],
  [1002, 'stop', 'protocol'],
  [1003, 'stop', 'protocol'],
  [1007, 'stop', 'protocol'],
  [1008, 'reauthorize', 'unauthorized'],
  [codes.CLOSE_NO_HELLO, 'retry', 'timeout'],
  [codes.CLOSE_REPLACED, 'replace', 'replaced'],
  [codes.CLOSE_TOO_MANY, 'retry', 'rate-limited'],
  [codes.CLOSE_SERVER_ERROR, 'retry-slower', 'server-error'],
  [1011, 'retry-slower', 'server-error'],
  [1013, 'retry-slower', 'server-error'],
  [codes.CLOSE_UNAVAILABLE, 'retry', 'server-unavailable'],
  [1009, 'retry', 'frame-too-large'],
  [1000, 'retry', 'connection-lost'],
  [1001, 'retry', 'connection-lost'],
  [1005, 'retry', 'connection-lost'],
  [1006, 'retry', 'connection-lost'],
  [1012, 'retry', 'connection-lost'],
]
const LISTED = new Set(TABLE.map(([closeCode]) => closeCode))

describe('closeMeaning', () => {
  test.each(TABLE)('%i: %s, %s', (closeCode, policy, code) => {
    expect(closeMeaning(closeCode)).toEqual({ policy, code })
  })

  test.prop([fc.integer({ min: 0, max: 65_535 }).filter((closeCode) => !LISTED.has(closeCode))])(
    'takes every other code for a lost connection',
    (closeCode) => {
      expect(closeMeaning(closeCode)).toEqual({ policy: 'retry', code: 'connection-lost' })
    },
  )

  test('does what the application says of a code that it lists', () => {
    expect(closeMeaning(4001, { 4001: 'stop' })).toMatchObject({ policy: 'stop' })
    expect(closeMeaning(codes.CLOSE_FORBIDDEN, { [codes.CLOSE_FORBIDDEN]: 'retry' })).toMatchObject({ policy: 'retry' })
  })

  test('asks for new credentials where the application says so, whatever the code is otherwise', () => {
    expect(closeMeaning(4001, { 4001: 'reauthorize' })).toEqual({ policy: 'reauthorize', code: 'unauthorized' })
  })

  test('leaves the codes alone that the application does not list', () => {
    expect(closeMeaning(codes.CLOSE_FORBIDDEN, { 4001: 'retry' })).toEqual({ policy: 'stop', code: 'forbidden' })
  })

  test('the numbers are those of the protocol', () => {
    const numbers = Object.entries(codes).filter(([, value]) => typeof value === 'number')
    expect(Object.fromEntries(numbers)).toEqual({
      CLOSE_ABANDONED: 4000,
      CLOSE_BAD_FRAME: 4400,
      CLOSE_UNAUTHORIZED: 4401,
      CLOSE_FORBIDDEN: 4403,
      CLOSE_NO_HELLO: 4408,
      CLOSE_REPLACED: 4409,
      CLOSE_TOO_MANY: 4429,
      CLOSE_SERVER_ERROR: 4500,
      CLOSE_UNAVAILABLE: 4503,
    })
  })
})

describe('retryAfterMs', () => {
  test.each([
    ['too-many; retry=5000', 5_000],
    ['too-many;retry=5000', 5_000],
    ['too-many;   retry=5000', 5_000],
    ['too-many; retry=0', 0],
    ['a; b; retry=7', 7],
    ['too-many; retry=3600000', 3_600_000],
    ['too-many; retry=3600001', 3_600_000],
    ['too-many; retry=9999999', 3_600_000],
  ])('reads %j', (reason, waitMs) => {
    expect(retryAfterMs(reason)).toBe(waitMs)
  })

  test.each([
    '',
    'too-many',
    'retry=5000',
    'too-many; retry=',
    'too-many; retry=-1',
    'too-many; retry=1e9',
    'too-many; retry=soon',
    'too-many; retry=5000ms',
    'too-many; retry=10000000',
    'too-many; retry=99999999999999999999',
    'too-many; RETRY=5000',
    'too-many; noretry=5000',
  ])('finds no wish in %j', (reason) => {
    expect(retryAfterMs(reason)).toBe(0)
  })

  test.prop([fc.string()])('is a whole number of at most an hour, whatever a server writes', (reason) => {
    for (const text of [reason, `code; retry=${reason}`, `code; retry=1${reason}`]) {
      const waitMs = retryAfterMs(text)
      expect(Number.isSafeInteger(waitMs) && waitMs >= 0 && waitMs <= 3_600_000).toBe(true)
    }
  })
})

describe('closeReason', () => {
  test('is the word alone where there is nothing to wait for', () => {
    expect(closeReason('forbidden')).toBe('forbidden')
  })

  test.prop([fc.double({ min: 0, max: 3_600_000, noNaN: true })])('asks for a wait that is read back', (waitMs) => {
    expect(retryAfterMs(closeReason('too-many', waitMs))).toBe(Math.ceil(waitMs))
  })
})
