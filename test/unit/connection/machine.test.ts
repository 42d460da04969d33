// The one value that is the connection: what each transition keeps, forgets and shows.

import { describe, expect, test } from 'vitest'
import { type Connection, IDLE, move, publicStatus } from '../../../src/connection/machine.ts'
import type { Trigger } from '../../../src/connection/table.ts'
import { type Cause, causeOf } from '../../../src/errors.ts'
import type { Status } from '../../../src/snapshots.ts'

const lost: Cause = causeOf('connection-lost', 1006)
const refused: Cause = causeOf('forbidden', 4403)

type Step = Trigger | readonly [Trigger, Cause]

/** The connection after each of the steps, from `idle`. */
function after(...steps: readonly Step[]): Connection {
  return from(IDLE, ...steps)
}

function from(connection: Connection, ...steps: readonly Step[]): Connection {
  for (const step of steps) {
    const [trigger, cause] = typeof step === 'string' ? [step, null] : step
    const next = move(connection, trigger, cause)
    if (next === 'never') throw new Error(`${trigger} while ${connection.phase}`)
    connection = next
  }
  return connection
}

/** What an application has seen after each of the steps, from `idle`. */
function statusAfter(...steps: readonly Step[]): Status {
  let connection = IDLE
  let status: Status = 'idle'
  for (const step of steps) {
    connection = from(connection, step)
    status = publicStatus(connection.phase, status)
  }
  return status
}

const LIVE = ['connect', 'authorized', 'opened', 'welcomed'] as const

describe('the status', () => {
  test.each<[string, readonly Step[]]>([
    ['idle', []],
    ['connecting', ['connect']],
    ['connecting', ['connect', 'authorized']],
    ['connecting', ['connect', 'authorized', 'opened']],
    ['connecting', ['connect', ['lost', lost]]],
    ['connected', LIVE],
    ['connected', [...LIVE, 'due']],
    ['connected', [...LIVE, 'nudge', 'heard']],
    ['reconnecting', [...LIVE, ['lost', lost]]],
    ['reconnecting', [...LIVE, ['lost', lost], 'due']],
    ['reconnecting', [...LIVE, ['lost', lost], 'retry', 'authorized', 'opened']],
    ['reconnecting', [...LIVE, ['lost', lost], 'due', ['lost', lost]]],
    ['disconnected', [...LIVE, 'disconnect']],
    ['connecting', [...LIVE, 'disconnect', 'connect']],
    ['failed', [...LIVE, ['rejected', refused]]],
    ['connecting', [...LIVE, ['rejected', refused], 'retry']],
    ['closed', [...LIVE, 'close']],
    ['closed', ['close', 'connect', 'retry', 'disconnect']],
  ])('is %s after %j', (status, steps) => {
    expect(statusAfter(...steps)).toBe(status)
  })
})

describe('the cause', () => {
  test('is that of the loss', () => {
    expect(after(...LIVE, ['lost', lost]).cause).toBe(lost)
  })

  test('stays visible through the next tries', () => {
    expect(after(...LIVE, ['lost', lost], 'due', 'authorized', 'opened').cause).toBe(lost)
  })

  test('is replaced by that of a later loss', () => {
    const later = causeOf('timeout')
    expect(after(...LIVE, ['lost', lost], 'due', ['lost', later]).cause).toBe(later)
  })

  test('is gone once connected', () => {
    expect(after(...LIVE, ['lost', lost], 'due', 'authorized', 'opened', 'welcomed').cause).toBeNull()
  })

  test('is that of the refusal in failed', () => {
    expect(after(...LIVE, ['lost', lost], 'due', 'authorized', ['rejected', refused]).cause).toBe(refused)
  })

  test('is not carried out of failed', () => {
    expect(after(...LIVE, ['rejected', refused], 'retry').cause).toBeNull()
  })

  test('is gone where the application asked for the end', () => {
    expect(after(...LIVE, ['lost', lost], 'disconnect').cause).toBeNull()
    expect(after(...LIVE, ['lost', lost], 'close').cause).toBeNull()
  })
})

describe('out of a rest', () => {
  test.each<[string, readonly Step[], Trigger]>([
    ['idle by connect', [], 'connect'],
    ['failed by retry', [...LIVE, ['rejected', refused]], 'retry'],
    ['stopped by connect', [...LIVE, 'disconnect'], 'connect'],
    ['stopped by retry', [...LIVE, 'disconnect'], 'retry'],
  ])('%s everything starts from the beginning', (_, steps, trigger) => {
    expect(after(...steps, trigger)).toEqual({ ...IDLE, phase: 'authorizing' })
  })
})

test('a trigger that changes nothing gives the same value back', () => {
  const connection = after(...LIVE)
  expect(move(connection, 'connect', lost)).toBe(connection)
})

test('a trigger that cannot happen is told apart', () => {
  expect(move(IDLE, 'welcomed', null)).toBe('never')
})

test('a transition changes a copy', () => {
  const connection = after(...LIVE)
  const before = { ...connection }
  move(connection, 'lost', lost)
  expect(connection).toEqual(before)
})
