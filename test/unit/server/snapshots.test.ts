// Snapshots that the application answers: who gets one, what position it stands for, and what happens without.

import { type HookAnswer, memoryStore, type SnapshotAnswer, type SnapshotQuery } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { at, fetchAfter, stageWith, subscribe } from './channel-a.ts'
import { SlowStore, Stage, type StageParts } from './stage.ts'

type Give = (answer: HookAnswer<SnapshotAnswer | null | undefined>) => void

/** A stage with `count` messages whose hook answers at once. */
function answering(
  count: number,
  snapshot: (query: SnapshotQuery) => SnapshotAnswer | null | undefined,
  parts: StageParts & { historyLimit?: number } = {},
) {
  const asked: SnapshotQuery[] = []
  const hook = (query: SnapshotQuery, done: Give) => {
    asked.push(query)
    done({ answer: snapshot(query) })
  }
  return { stage: stageWith(count, { ...parts, hooks: { snapshot: hook } }), asked }
}

/** A stage with `count` messages whose hook answers when the test does. */
function pendingStage(count: number, parts: StageParts & { historyLimit?: number } = {}) {
  const pending: Give[] = []
  const stage = stageWith(count, { ...parts, hooks: { snapshot: (_, done) => void pending.push(done) } })
  const give = (answer: SnapshotAnswer | null) => {
    pending.shift()?.({ answer })
    stage.environment.settle()
  }
  return { stage, pending, give }
}

const LOST = at(1, 'other')
const withoutSnapshot = [{ mode: 'reset' }, { type: 'reset', reason: 'epoch-changed', position: at(0) }]

test('a server with snapshots says so', () => {
  const client = answering(0, () => null).stage.open()
  client.hello('p')
  expect(client.take()).toMatchObject([
    { type: 'welcome', features: ['snapshots', 'history', 'drain', 'volatile', 'presence'] },
  ])
})

describe('a subscription without a position', () => {
  test('begins with the snapshot, if the channel has one, and is pushed what follows', () => {
    const { stage, asked } = answering(3, () => ({ data: { sum: 6 } }))
    const client = stage.connect()
    expect(subscribe(client)).toEqual([
      { type: 'attached', channel: 'a', request: 1, grants: ['read'], top: at(3), mode: 'reset' },
      { type: 'reset', channel: 'a', request: 1, reason: 'initial', position: at(3), top: at(3), snapshot: { sum: 6 } },
    ])
    expect(asked).toEqual([{ channel: 'a', top: at(3) }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([4])
  })

  test.each([null, undefined])('is live if the hook answers %s', (answer) => {
    const { stage } = answering(3, () => answer)
    const client = stage.connect()
    expect(subscribe(client)).toMatchObject([{ type: 'attached', mode: 'live', top: at(3) }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([4])
  })

  test('is live from what was stored while the hook was asked', () => {
    const { stage, give } = pendingStage(3)
    const client = stage.connect()
    expect(subscribe(client)).toEqual([])
    stage.publish('a')
    give(null)
    expect(client.take()).toMatchObject([{ type: 'attached', mode: 'live', top: at(4) }])
  })

  test('that only writes is not asked about', () => {
    const { stage, asked } = answering(3, () => ({ data: 1 }))
    expect(subscribe(stage.connect(), undefined, { want: ['write'] })).toMatchObject([{ mode: 'live' }])
    expect(asked).toEqual([])
  })

  test('does not hold up what is being published', () => {
    const { stage, give } = pendingStage(0)
    const client = stage.connect()
    subscribe(client, undefined, { want: ['write'] })
    subscribe(client, undefined, { want: ['read', 'write'], request: 2 })
    client.publish('a', 1)
    expect(client.take()).toMatchObject([{ type: 'ack', offset: 1 }])
    give({ data: 'state', position: at(1) })
    expect(client.take()).toMatchObject([
      { mode: 'reset', top: at(1) },
      { position: at(1), snapshot: 'state' },
    ])
  })

  test('that was withdrawn meanwhile gets nothing', () => {
    const { stage, give } = pendingStage(3)
    const client = stage.connect()
    subscribe(client)
    client.say({ type: 'unsub', channel: 'a', request: 1 })
    give({ data: 1 })
    stage.publish('a')
    expect(client.take()).toEqual([])
  })
})

test.each([
  ['level', at(3), 'live'],
  ['behind', at(1), 'catching-up'],
])('a subscription that is %s needs no snapshot', (_, position, mode) => {
  const { stage, asked } = answering(3, () => ({ data: 1 }))
  expect(subscribe(stage.connect(), position)).toMatchObject([{ mode }])
  expect(asked).toEqual([])
})

describe('a reset', () => {
  test.each([
    ['epoch-changed', LOST, {}],
    ['offset-ahead', at(9), {}],
    ['history-evicted', at(0), {}],
    ['asked', at(5), { reset: true }],
  ])('for %s carries the snapshot', (reason, position, extra) => {
    const { stage } = answering(5, () => ({ data: 'state' }), { historyLimit: 2 })
    expect(subscribe(stage.connect(), position, extra)).toMatchObject([
      { mode: 'reset' },
      { type: 'reset', reason, position: at(5), top: at(5), snapshot: 'state' },
    ])
  })

  test('that answers a fetch carries it too', () => {
    const { stage } = answering(5, () => ({ data: 'state' }), { historyLimit: 2 })
    const client = stage.connect()
    subscribe(client, at(5))
    expect(fetchAfter(client, 1)).toMatchObject([{ type: 'reset', request: 9, position: at(5), snapshot: 'state' }])
    stage.publish('a')
    expect(client.takeOffsets()).toEqual([6])
  })

  test('begins where the application says that its snapshot stands; the rest is fetched', () => {
    const { stage } = answering(5, () => ({ data: 'state', position: at(3) }))
    const client = stage.connect()
    expect(subscribe(client, LOST)).toMatchObject([{}, { position: at(3), top: at(5), snapshot: 'state' }])
    stage.publish('a')
    expect(client.take()).toEqual([])
    expect(fetchAfter(client, 3)).toMatchObject([{ type: 'page', from: 4, more: false }])
  })

  test('can be followed by publishing at once, however slow the snapshot', () => {
    const { stage, give } = pendingStage(3)
    const client = stage.connect()
    expect(subscribe(client, LOST, { want: ['read', 'write'] })).toMatchObject([{ mode: 'reset' }])
    client.publish('a', 1)
    expect(client.take()).toMatchObject([{ type: 'ack', offset: 4 }])
    give({ data: 'state', position: at(3) })
    expect(client.take()).toMatchObject([{ type: 'reset', position: at(3), top: at(4) }])
  })

  test('is not sent to those who have asked anew meanwhile', () => {
    const { stage, pending, give } = pendingStage(3)
    const client = stage.connect()
    subscribe(client, LOST)
    expect(fetchAfter(client, 1)).toMatchObject([{ type: 'page', from: 2 }])
    give({ data: 'state' })
    expect([client.take(), pending.length]).toEqual([[], 0])
  })

  test('waits for room on the connection', () => {
    const { stage, give } = pendingStage(3, { options: { limits: { maxBufferedBytes: 1_000 } } })
    const client = stage.connect()
    subscribe(client, LOST)
    client.buffered = 2_000
    give({ data: 'state' })
    expect(client.take()).toEqual([])
    client.drain()
    expect(client.take()).toMatchObject([{ type: 'reset', snapshot: 'state' }])
  })

  test('does not keep the pages of other channels waiting', () => {
    const { stage, pending } = pendingStage(3)
    const client = stage.connect()
    for (let i = 0; i < 10; i++)
      client.say({ type: 'sub', channel: `c${i}`, request: i, want: ['read'], position: LOST })
    expect(pending).toHaveLength(10)
    subscribe(client, at(0), { request: 20 })
    expect(fetchAfter(client, 0)).toMatchObject([{ type: 'page' }])
  })

  test('of a store that does not answer closes 4503', () => {
    const store = new SlowStore(memoryStore({ createId: () => 'e1' }))
    const { stage, give } = pendingStage(0, { store })
    const client = stage.connect()
    subscribe(client, LOST)
    store.isLost = true
    give({ data: 1 })
    expect(client.end).toBe('4503 store-unavailable')
  })
})

describe('a snapshot without a position', () => {
  test('of a channel that moved while it was made is asked for again, and then exact', () => {
    let stage: Stage | undefined
    let isMoving = true
    const { stage: created, asked } = answering(3, ({ top }) => {
      if (isMoving) stage?.publish('a')
      isMoving = false
      return { data: top.offset }
    })
    stage = created
    const [, reset] = subscribe(stage.connect(), LOST)
    expect(reset).toMatchObject({ position: at(4), top: at(4), snapshot: 4 })
    expect(reset).not.toHaveProperty('overlapTo')
    expect(asked).toHaveLength(2)
  })

  test('of a channel that never stands still says up to where messages may be in it', () => {
    let stage: Stage | undefined
    const { stage: created, asked } = answering(3, ({ top }) => {
      stage?.publish('a')
      return { data: top.offset }
    })
    stage = created
    const [, reset] = subscribe(stage.connect(), LOST)
    expect(reset).toMatchObject({ position: at(4), top: at(5), snapshot: 4, overlapTo: 5 })
    expect(asked).toHaveLength(2)
  })
})

describe('a snapshot is left out, and that is reported,', () => {
  const deep = JSON.parse(`${'['.repeat(80)}${']'.repeat(80)}`) as unknown
  const options = { limits: { snapshotBytes: 1_000 } }
  test.each([
    ['of another epoch', { data: 1, position: at(1, 'other') }, 'epoch-changed'],
    ['of a position that is not there yet', { data: 1, position: at(4) }, 'offset-ahead'],
    ['of half a position', { data: 1, position: at(1.5) }, 'not an offset'],
    ['of less than the beginning', { data: 1, position: at(-1) }, 'not an offset'],
    ['too large', { data: 'ä'.repeat(500) }, '1000 bytes'],
    ['too deep', { data: deep }, '64 levels'],
    ['not JSON', { data: 1n }, 'JSON'],
    ['of nothing', { data: undefined }, 'JSON'],
  ])('if it is %s', (_, answer, problem) => {
    const { stage } = answering(3, () => answer, { options })
    const [attached, reset] = subscribe(stage.connect(), LOST)
    expect([attached, reset]).toMatchObject(withoutSnapshot)
    expect(reset).not.toHaveProperty('snapshot')
    expect(String(stage.environment.errors)).toContain(problem)
  })

  test('if the log no longer goes on from it', () => {
    const { stage } = answering(5, () => ({ data: 1, position: at(2) }), { historyLimit: 2 })
    expect(subscribe(stage.connect(), LOST)).toMatchObject([{}, { position: at(3) }])
    expect(String(stage.environment.errors)).toContain('history-evicted')
  })

  test('if the hook throws', () => {
    const { stage } = answering(3, () => {
      throw new Error('bug')
    })
    expect(subscribe(stage.connect(), LOST)).toMatchObject(withoutSnapshot)
    expect(subscribe(stage.connect())).toMatchObject([{ mode: 'live' }])
    expect(stage.environment.errors).toEqual([new Error('bug'), new Error('bug')])
  })

  test('if the hook is late, and what it answers then is not used', () => {
    const { stage, pending } = pendingStage(3)
    const client = stage.connect()
    subscribe(client, LOST)
    stage.environment.advance(5_000)
    expect(client.take()).toMatchObject([{ type: 'reset', position: at(0) }])
    expect(stage.environment.errors).toHaveLength(1)
    pending[0]?.({ answer: { data: 1 } })
    stage.environment.settle()
    expect(client.take()).toEqual([])
  })
})

describe('the application is asked', () => {
  const options = { limits: { pageCount: 10 } }

  test('once, however many need a snapshot at the same time', () => {
    const { stage, pending, give } = pendingStage(3)
    const clients = Array.from({ length: 50 }, () => stage.connect())
    for (const client of clients) subscribe(client, LOST)
    expect(pending).toHaveLength(1)
    give({ data: 'state' })
    for (const client of clients) expect(client.take()).toMatchObject([{ type: 'reset', snapshot: 'state' }])
  })

  test.each([null, { data: 'at 3' }])(
    'and who comes while %j is looked at is told of a top younger than the question',
    (answer) => {
      const store = new SlowStore(memoryStore({ createId: () => 'e1' }))
      const { stage, give } = pendingStage(3, { store })
      const [early, late] = [stage.connect(), stage.connect()]
      subscribe(early)
      store.isSlow = true
      give(answer)
      store.isSlow = false
      stage.publish('a')
      expect(subscribe(late)).toEqual([])
      store.answer()
      stage.environment.settle()
      expect(late.take()[0]).toMatchObject({ type: 'attached', top: at(4) })
    },
  )

  test('not again while a page leads from its snapshot to the top', () => {
    const { stage, asked } = answering(3, ({ top }) => ({ data: top.offset }), { options })
    subscribe(stage.connect())
    for (let i = 0; i < 10; i++) stage.publish('a')
    expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(3), top: at(13), snapshot: 3 }])
    expect(asked).toHaveLength(1)
    stage.publish('a')
    expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(14), top: at(14), snapshot: 14 }])
    expect(asked).toHaveLength(2)
  })

  test('in vain, and the snapshot before serves as long as the log goes on from it', () => {
    let isDown = false
    const { stage } = answering(
      3,
      ({ top }) => {
        if (isDown) throw new Error('down')
        return { data: top.offset }
      },
      { options, historyLimit: 20 },
    )
    subscribe(stage.connect())
    isDown = true
    for (let i = 0; i < 15; i++) stage.publish('a')
    expect(subscribe(stage.connect())).toMatchObject([{}, { position: at(3), top: at(18), snapshot: 3 }])
    for (let i = 0; i < 15; i++) stage.publish('a')
    const [, reset] = subscribe(stage.connect(), LOST)
    expect(reset).toMatchObject({ position: at(13) })
    expect(reset).not.toHaveProperty('snapshot')
  })

  test('for every channel by itself', () => {
    const { stage, asked } = answering(0, () => ({ data: 1 }))
    const client = stage.connect()
    client.attach('a', 1)
    client.attach('b', 2)
    expect(asked.map(({ channel }) => channel)).toEqual(['a', 'b'])
  })

  test('again for a snapshot that nobody has used for two minutes', () => {
    const { stage, asked } = answering(3, () => ({ data: 1 }))
    subscribe(stage.connect())
    stage.environment.advance(121_000)
    subscribe(stage.connect())
    expect(asked).toHaveLength(2)
  })

  test('again when large snapshots of other channels have taken the place', () => {
    const { stage, asked } = answering(0, () => ({ data: 'x'.repeat(1_000_000) }))
    const ask = (channel: string) => stage.connect().attach(channel)
    for (let i = 0; i < 17; i++) ask(`c${i}`)
    ask('c16')
    ask('c0')
    expect(asked.slice(17)).toMatchObject([{ channel: 'c0' }])
  })
})
