// States that the server folds by itself: exact, a little at a time, and never wrong.

import { memoryStore, type StateDefinition, type StoredMessage } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { at, stageWith, subscribe } from './channel-a.ts'
import { Stage } from './stage.ts'

/** A stage that sums what is published to `a`, and counts how often it did. */
function summingStage(count: number, { historyLimit }: { historyLimit?: number } = {}) {
  const seen: StoredMessage[] = []
  const definition: StateDefinition<number> = {
    initial: 0,
    reduce(sum, message) {
      seen.push(message)
      if (message.data === 'bad') throw new Error('bug')
      return sum + Number(message.data)
    },
  }
  const hooks = { state: (channel: string) => (channel === 'a' ? (definition as StateDefinition) : undefined) }
  const stage = stageWith(count, { hooks, ...(historyLimit !== undefined && { historyLimit }) })
  return { stage, seen }
}

const sumTo = (n: number) => (n * (n + 1)) / 2

test('the snapshot is the fold of every message, exact at the top', () => {
  const { stage } = summingStage(4)
  expect(subscribe(stage.connect())).toMatchObject([
    { mode: 'reset' },
    { type: 'reset', reason: 'initial', position: at(4), top: at(4), snapshot: 10 },
  ])
})

test('of an empty channel it is the initial state', () => {
  const { stage } = summingStage(0)
  expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(0), snapshot: 0 }])
})

test('the reducer is given the message as it is stored', () => {
  const { stage, seen } = summingStage(0)
  const client = stage.connect()
  subscribe(client, undefined, { want: ['write'] })
  client.publish('a', 1, 5, 'mine')
  stage.publish('a', 6)
  subscribe(stage.connect())
  const storedAtMs = stage.environment.wallNow()
  const sender = { user: 'anonymous', member: 'id-1' }
  expect(seen).toMatchObject([
    { offset: 1, id: 'mine', name: 'note', data: 5, sender, storedAtMs },
    { offset: 2, name: 'note', data: 6, sender: null, storedAtMs },
  ])
})

test('a long log is folded page by page, and each message once', () => {
  const { stage, seen } = summingStage(1_000)
  expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(1_000), snapshot: sumTo(1_000) }])
  for (let i = 1_001; i <= 1_600; i++) stage.publish('a', i)
  expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(1_600), snapshot: sumTo(1_600) }])
  expect(seen).toHaveLength(1_600)
})

test('other channels are not folded', () => {
  const { stage } = summingStage(0)
  const client = stage.connect()
  expect(client.attach('b')).toMatchObject([{ mode: 'live' }])
})

describe('there is no snapshot, and that is reported,', () => {
  test('if the log no longer reaches back to its beginning', () => {
    const { stage } = summingStage(5, { historyLimit: 3 })
    const [, reset] = subscribe(stage.connect(), at(1, 'other'))
    expect(reset).toMatchObject({ type: 'reset', position: at(2) })
    expect(reset).not.toHaveProperty('snapshot')
    expect(String(stage.environment.errors)).toContain('does not go on from offset 0: history-evicted')
  })

  test('if the log no longer reaches back to where folding stopped', () => {
    const { stage } = summingStage(2, { historyLimit: 3 })
    expect(subscribe(stage.connect())).toMatchObject([{}, { snapshot: 3 }])
    for (let i = 0; i < 300; i++) stage.publish('a', 1)
    expect(subscribe(stage.connect())).toMatchObject([{ mode: 'live' }])
    expect(String(stage.environment.errors)).toContain('does not go on from offset 2: history-evicted')
  })

  test('if the reducer throws, and again until it does not', () => {
    const { stage, seen } = summingStage(2)
    stage.publish('a', 'bad')
    for (const _ of [1, 2]) expect(subscribe(stage.connect())).toMatchObject([{ mode: 'live' }])
    expect(String(stage.environment.errors[0])).toContain('its reducer threw at offset 3')
    expect(seen.length).toBeGreaterThan(4)
  })
})

test('a choice of states that throws is reported, and there is no snapshot', () => {
  const stage = stageWith(1, {
    hooks: {
      state: () => {
        throw new Error('bug')
      },
    },
  })
  expect(subscribe(stage.connect())).toMatchObject([{ mode: 'live' }])
  expect(stage.environment.errors).toEqual([new Error('bug')])
})

test('a log that keeps less than its beginning still has its snapshot while folding keeps up', () => {
  const { stage } = summingStage(0, { historyLimit: 300 })
  for (let i = 1; i <= 1_000; i++) {
    stage.publish('a', i)
    if (i % 280 === 0) subscribe(stage.connect(), at(1, 'other'))
  }
  expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(840), top: at(1_000), snapshot: sumTo(840) }])
})

test('a log that begins anew is folded anew', () => {
  let epoch = 0
  const store = memoryStore({ createId: () => `e${++epoch}`, idleMs: 1_000, historyTtlMs: 1_000 })
  const hooks = { state: () => ({ initial: 0, reduce: (sum: unknown) => (sum as number) + 1 }) }
  const stage = new Stage({ store, hooks })
  for (let i = 0; i < 3; i++) stage.publish('a')
  expect(subscribe(stage.connect())).toMatchObject([{}, { snapshot: 3 }])
  stage.environment.advance(300_000)
  stage.publish('a')
  expect(subscribe(stage.connect())).toMatchObject([{}, { position: { epoch: 'e2', offset: 1 }, snapshot: 1 }])
})

test('a state that nobody has used for the idle time is folded again', () => {
  const { stage, seen } = summingStage(3)
  subscribe(stage.connect())
  stage.environment.advance(31 * 60_000)
  expect(subscribe(stage.connect())).toMatchObject([{}, { snapshot: 6 }])
  expect(seen).toHaveLength(6)
})
