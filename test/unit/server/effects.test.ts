// onStored: told of every message that is stored, in order, at least once, whatever fails in between.

import { type HookAnswer, type Hooks, memoryStore, reject, type Store, type StoredQuery } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { SlowStore, Stage, type StageParts } from './stage.ts'

type Told = (answer: HookAnswer<unknown>) => void

/** A stage that notes what it is told, and confirms it at once unless `fails`. */
function tellingStage(parts: StageParts & { fails?: (query: StoredQuery) => boolean } = {}) {
  const { fails = () => false, ...rest } = parts
  const told: StoredQuery[] = []
  const onStored: Hooks['onStored'] = (query, done) => {
    told.push(query)
    done(fails(query) ? { error: new Error('down') } : { answer: undefined })
  }
  const stage = new Stage({ ...rest, hooks: { onStored } })
  return { stage, told, data: () => told.splice(0).map(({ message }) => message.data) }
}

/** A stage whose hook confirms when the test does. */
function pendingStage(parts: StageParts = {}) {
  const pending: { readonly query: StoredQuery; readonly done: Told }[] = []
  const stage = new Stage({ ...parts, hooks: { onStored: (query, done) => void pending.push({ query, done }) } })
  const confirm = (index = 0) => {
    pending.splice(index, 1)[0]?.done({ answer: undefined })
    stage.environment.settle()
  }
  return {
    stage,
    pending,
    confirm,
    waiting: () => pending.map(({ query }) => `${query.channel}${query.position.offset}`),
  }
}

describe('a message that is stored', () => {
  test('is told with where it is and who published it, once', () => {
    const { stage, told } = tellingStage()
    const client = stage.open({ authenticate: (_, done) => done({ answer: { userId: 'alice' } }) })
    client.hello('p')
    client.attach('a')
    client.publish('a', 1, { x: 1 }, 'mine')
    stage.publish('a', 'own')
    stage.environment.advance(60_000)
    const storedAtMs = stage.environment.wallNow() - 60_000
    expect(told).toMatchObject([
      {
        channel: 'a',
        position: { epoch: 'e1', offset: 1 },
        user: 'alice',
        message: { offset: 1, id: 'mine', name: 'note', data: { x: 1 }, sender: { user: 'alice' }, storedAtMs },
      },
      { channel: 'a', position: { epoch: 'e1', offset: 2 }, user: undefined, message: { data: 'own', sender: null } },
    ])
  })

  test('that is sent again is not told again', () => {
    const { stage, told } = tellingStage()
    for (const generation of [1, 2]) {
      const client = stage.open()
      client.hello('p', generation)
      client.attach('a')
      client.publish('a', 1)
    }
    expect(told).toHaveLength(1)
  })

  test('is acknowledged and pushed whether or not it has been told', () => {
    const { stage, waiting } = pendingStage()
    const client = stage.attach('a')
    for (const sequence of [1, 2]) client.publish('a', sequence)
    expect(client.takeTypes()).toEqual(['event', 'ack', 'event', 'ack'])
    expect(waiting()).toEqual(['a1'])
  })

  test('may make the application publish another one', () => {
    const hooks: Hooks = {
      onStored({ message }, done) {
        if (Number(message.data) < 5) stage.publish('a', Number(message.data) + 1)
        done({ answer: undefined })
      },
    }
    const stage = new Stage({ hooks })
    stage.publish('a', 1)
    expect(stage.history('a').messages.map(({ data }) => data)).toEqual([1, 2, 3, 4, 5])
  })
})

describe('messages', () => {
  test('of a channel are told one at a time, in order', () => {
    const { stage, waiting, confirm } = pendingStage()
    for (let i = 0; i < 3; i++) stage.publish('a')
    for (const n of [1, 2, 3]) {
      expect(waiting()).toEqual([`a${n}`])
      confirm()
    }
    expect(waiting()).toEqual([])
  })

  test('of other channels do not wait', () => {
    const { stage, waiting, confirm } = pendingStage()
    for (const channel of ['a', 'b', 'a', 'b']) stage.publish(channel)
    confirm(1)
    expect(waiting()).toEqual(['a1', 'b2'])
  })

  test('are told after whoever published them has gone on', () => {
    const { stage, told } = tellingStage()
    stage.broker.publish({ channel: 'a', name: 'n', data: 1 }, () => {})
    expect(told).toHaveLength(0)
    stage.environment.settle()
    expect(told).toHaveLength(1)
  })

  test('are told one at a time however the store’s answers fall', () => {
    const store = memoryStore()
    const held: (() => void)[] = []
    const { page } = store
    store.page = (query, done) => page(query, (answer) => held.push(() => done(answer)))
    const { stage, waiting, confirm } = pendingStage({ store })
    const release = () => {
      for (const give of held.splice(0)) give()
    }
    stage.publish('a')
    release()
    confirm()
    stage.publish('a')
    // The log was found level, and both of these were stored since.
    release()
    stage.broker.publish({ channel: 'a', name: 'n', data: 3 }, () => {})
    stage.environment.settle()
    release()
    expect(waiting()).toEqual(['a2'])
  })

  test('are told one at a time however long one takes', () => {
    const { stage, waiting } = pendingStage()
    stage.publish('a')
    stage.environment.advance(300_000)
    stage.publish('a')
    expect(waiting()).toEqual(['a1'])
  })

  test('are read when their turn comes: a long backlog is told to its end', () => {
    const { stage, confirm, pending } = pendingStage()
    for (let i = 0; i < 5_000; i++) stage.publish('a', i)
    expect(pending).toHaveLength(1)
    for (let i = 0; i < 5_000; i++) confirm()
    expect(pending).toHaveLength(0)
  })
})

describe('a hook that fails', () => {
  test('is reported and told the same again, later each time and at least once a minute', () => {
    const { stage, told } = tellingStage({ fails: () => true })
    stage.publish('a')
    const times: number[] = []
    for (let seconds = 0; seconds < 300; seconds++) {
      if (told.splice(0).length > 0) times.push(seconds)
      stage.environment.advance(1_000)
    }
    expect(times).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
    expect(stage.environment.errors).toHaveLength(10)
  })

  test('begins with a short wait again after a success', () => {
    let isDown = true
    const { stage, data } = tellingStage({ fails: () => isDown })
    stage.publish('a', 1)
    stage.environment.advance(100_000)
    isDown = false
    stage.environment.advance(60_000)
    data()
    isDown = true
    stage.publish('a', 2)
    stage.environment.advance(1_000)
    expect(data()).toEqual([2, 2])
  })

  test('holds up its channel and no other', () => {
    const { stage, data } = tellingStage({ fails: ({ channel }) => channel === 'a' })
    stage.publish('a', 1)
    stage.publish('a', 2)
    stage.publish('b', 3)
    expect(data()).toEqual([1, 3])
  })

  test.each([new Error('bug'), reject('no', 'x')])('because it throws %s is reported too', (error) => {
    const stage = new Stage({
      hooks: {
        onStored() {
          throw error
        },
      },
    })
    stage.publish('a')
    expect(stage.environment.errors).toEqual([error])
  })

  test('to answer is waited for, without a deadline', () => {
    const { stage, pending } = pendingStage()
    stage.publish('a')
    stage.environment.advance(3_600_000)
    expect(pending).toHaveLength(1)
  })
})

describe('after a restart', () => {
  test('it goes on with what was not confirmed, without being asked', () => {
    const store = memoryStore({ createId: () => 'e' })
    const first = pendingStage({ store })
    for (const data of [1, 2, 3]) first.stage.publish('a', data)
    first.confirm()
    const { stage, data } = tellingStage({ store })
    stage.environment.settle()
    expect(data()).toEqual([2, 3])
  })

  test('nothing is told twice that was confirmed', () => {
    const store = memoryStore()
    tellingStage({ store }).stage.publish('a', 1)
    const { stage, data } = tellingStage({ store })
    stage.publish('a', 2)
    expect(data()).toEqual([2])
  })

  test('that brings the hook it begins with what is stored from then on', () => {
    const store = memoryStore()
    new Stage({ store }).publish('a', 'before')
    const { stage, data } = tellingStage({ store })
    stage.publish('a', 'after')
    expect(data()).toEqual(['after'])
  })

  test('whose store does not answer at first it tries again', () => {
    const inner = memoryStore()
    pendingStage({ store: inner }).stage.publish('a', 1)
    const store = new SlowStore(inner)
    store.isLost = true
    const { stage, data } = tellingStage({ store })
    stage.environment.advance(5_000)
    store.isLost = false
    stage.environment.advance(5_000)
    expect(data()).toEqual([1])
  })
})

describe('the cursor', () => {
  /** A store that notes what it is asked. */
  function watched(store: Store = memoryStore()) {
    const asked: string[] = []
    const { mark, tops, append } = store
    store.mark = (query, done) => {
      asked.push(query.position ? `set ${query.position.offset}` : 'read')
      mark(query, done)
    }
    store.tops = (channels, done) => {
      asked.push('tops')
      tops(channels, done)
    }
    store.append = (query, done) => {
      asked.push('append')
      append(query, done)
    }
    return { store, asked }
  }

  test('is set before the first message is stored, and moves with each that is confirmed', () => {
    const { store, asked } = watched()
    const { stage } = tellingStage({ store })
    stage.publish('a')
    expect(asked).toEqual(['read', 'tops', 'set 0', 'append', 'set 1'])
    stage.publish('a')
    expect(asked.slice(5)).toEqual(['append', 'set 2'])
  })

  test('is not touched without the hook', () => {
    const { store, asked } = watched()
    new Stage({ store }).publish('a')
    expect(asked).toEqual(['append'])
  })

  test('is read again in a channel in which nothing was stored for two minutes', () => {
    const { store, asked } = watched()
    const { stage } = tellingStage({ store })
    stage.publish('a')
    stage.environment.advance(121_000)
    asked.length = 0
    stage.publish('a')
    expect(asked).toEqual(['read', 'append', 'set 2'])
  })

  test('keeps publishes waiting, in order, until the store has told it', () => {
    const store = new SlowStore()
    const { stage, data } = tellingStage({ store })
    const client = stage.attach('a')
    store.isSlow = true
    client.publish('a', 1, 'x')
    stage.broker.publish({ channel: 'a', name: 'n', data: 'y' }, () => {})
    for (; store.waitingCount > 0; stage.environment.settle()) store.answer()
    expect(data()).toEqual(['x', 'y'])
    store.isSlow = false
    expect(stage.history('a').messages.map((message) => message.data)).toEqual(['x', 'y'])
  })

  test('that the store does not tell leaves a publish unanswered, and is asked for again', () => {
    const store = new SlowStore()
    const { stage, data } = tellingStage({ store })
    const client = stage.attach('a')
    store.isLost = true
    client.publish('a', 1)
    expect(client.end).toBe('4503 store-unavailable')
    store.isLost = false
    stage.publish('a', 'later')
    expect(data()).toEqual(['later'])
  })
})

describe('a log that does not go on', () => {
  test('because old messages were dropped is told from the oldest that is kept, and that is reported', () => {
    const { stage, waiting, confirm } = pendingStage({ store: memoryStore({ historyLimit: 2 }) })
    for (let i = 0; i < 6; i++) stage.publish('a')
    confirm()
    expect(waiting()).toEqual(['a5'])
    expect(String(stage.environment.errors)).toContain('history-evicted')
  })

  test('because it began anew is told from its beginning', () => {
    let epoch = 0
    const store = memoryStore({ createId: () => `e${++epoch}`, historyTtlMs: 1_000, idleMs: 1_000 })
    const { stage, told } = tellingStage({ store })
    stage.publish('a', 'old')
    stage.environment.advance(300_000)
    stage.publish('a', 'new')
    expect(told.map(({ position }) => position)).toEqual([
      { epoch: 'e1', offset: 1 },
      { epoch: 'e2', offset: 1 },
    ])
  })
})

test('a log that begins anew under way is told from its beginning, and that is reported', () => {
  let epoch = 0
  const fresh = () => memoryStore({ createId: () => `e${++epoch}` })
  const store = fresh()
  const { stage, told } = tellingStage({ store })
  for (const data of [1, 2]) stage.publish('a', data)
  Object.assign(store, fresh())
  stage.publish('a', 3)
  expect(told.map(({ position }) => position)).toMatchObject([{ offset: 1 }, { offset: 2 }, { epoch: 'e2', offset: 1 }])
  expect(String(stage.environment.errors)).toContain('epoch-changed')
})

test('a store that does not answer is asked again, and nothing is left out', () => {
  const store = new SlowStore()
  const { stage, pending, confirm, waiting } = pendingStage({ store })
  for (let i = 0; i < 2; i++) stage.publish('a')
  expect(pending).toHaveLength(1)
  store.isLost = true
  confirm()
  expect(waiting()).toEqual([])
  store.isLost = false
  stage.environment.advance(1_000)
  expect(waiting()).toEqual(['a2'])
})

test('a broker that is closed tells nothing more and leaves no timer', () => {
  const { stage, told } = tellingStage({ fails: () => true })
  stage.publish('a')
  stage.publish('b')
  stage.broker.close()
  expect(stage.environment.timerCount).toBe(0)
  stage.environment.advance(100_000)
  expect(told).toHaveLength(2)
})
