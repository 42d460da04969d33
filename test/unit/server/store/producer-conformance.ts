// What every store promises about producers' records. Each store runs these suites.
//
// Rules of this file:
// - What is in `producerConformance` holds also when the store is opened anew before every question; what is in
//   `pinningConformance` is about who is attached, which ends with the process.

import type { NewEvent, ProducerClaim } from '@steadywire/server'
import { expect, test } from 'vitest'
import { anEvent, NOW_MS, type OpenStore, promising } from './promising.ts'

const A_RECORD = { incarnation: expect.any(String), last: 0, done: [] }

function aClaim(extra: Partial<ProducerClaim> = {}): ProducerClaim {
  return { id: 'p', userId: 'ann', generation: 1, settledBelow: 0, window: 8, ...extra }
}

/** A store as the tests here speak to it: of channel `a`, unless told otherwise. */
function opened(open: OpenStore, retention: Parameters<OpenStore>[0] = {}) {
  const store = promising(open(retention))
  return {
    ...store,
    async claim(extra: Partial<ProducerClaim> = {}, channel = 'a') {
      return (await store.attach({ channel, producer: aClaim(extra) })).producer
    },
    async publish(
      sequence: number,
      { generation = 1, id = `m${sequence}`, producerId = 'p', ...extra }: AnyEvent = {},
    ) {
      const events = [anEvent(id, { origin: { producerId, generation, sequence }, ...extra })]
      const { outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events })
      const [outcome] = outcomes
      return outcome?.type === 'stored' ? `stored at ${outcome.event.offset}` : outcome
    },
    async done(extra: Partial<ProducerClaim> = {}) {
      const record = await this.claim(extra)
      return typeof record === 'object' ? record.done.map(([sequence]) => sequence) : record
    },
  }
}
type AnyEvent = Partial<NewEvent> & { readonly generation?: number; readonly producerId?: string }

export function producerConformance(open: OpenStore): void {
  test('a record is made by the first claim, and stays the same one for the next', async () => {
    const store = opened(open)
    const first = await store.claim()
    expect(first).toEqual(A_RECORD)
    expect(await store.claim()).toEqual(first)
    expect(await store.claim({ generation: 7 })).toEqual(first)
  })

  test('records are of one producer in one channel', async () => {
    const store = opened(open)
    await store.claim({ id: 'q' })
    await store.claim({}, 'b')
    await store.claim()
    await store.publish(1)
    const records = [await store.claim(), await store.claim({ id: 'q' }), await store.claim({}, 'b')]
    expect(records).toMatchObject([{ last: 1 }, A_RECORD, A_RECORD])
    const incarnations = records.map((record) => typeof record === 'object' && record.incarnation)
    expect(new Set(incarnations).size).toBe(3)
  })

  test.each(['constructor', '__proto__', "'; --", '\ud83d\ude00'])('a producer may be named %j', async (id) => {
    const store = opened(open)
    expect(await store.claim({ id, userId: id })).toEqual(A_RECORD)
    expect(await store.publish(1, { producerId: id, id })).toBe('stored at 1')
    expect(await store.claim({ id, userId: id })).toMatchObject({ done: [[1, id, 1]] })
  })

  test('attaching without a claim makes no record and answers none', async () => {
    const store = opened(open)
    expect(await store.attach({ channel: 'a' })).not.toHaveProperty('producer')
    expect(await store.publish(1)).toEqual({ type: 'gone' })
  })

  test.each([
    ['a lower generation', { generation: 2 }, 'replaced'],
    ['another user', { generation: 3, userId: 'bob' }, 'other-user'],
    ['another user, of a higher generation', { generation: 4, userId: 'bob' }, 'other-user'],
    ['another user, of a lower generation', { generation: 2, userId: 'bob' }, 'other-user'],
  ])('a claim by %s is refused, is judged nevertheless, and changes nothing', async (_, extra, refusal) => {
    const store = opened(open)
    await store.claim({ generation: 3, window: 2 })
    await store.publish(1, { generation: 3 })
    await store.publish(2, { generation: 3 })
    const producer = aClaim({ window: 1, settledBelow: 3, ...extra })
    const { epoch } = (await store.attach({ channel: 'a' })).extent
    expect(await store.attach({ channel: 'a', position: { epoch, offset: 1 }, producer })).toEqual({
      extent: { epoch, top: 2, first: 1 },
      judgement: 'catching-up',
      producer: refusal,
    })
    expect(await store.publish(3, { generation: 3 })).toBe('stored at 3')
    expect(await store.done({ generation: 3 })).toEqual([2, 3])
  })

  test('a publish needs a record', async () => {
    const store = opened(open)
    await store.claim({ id: 'q' })
    await store.claim({}, 'b')
    expect(await store.publish(1)).toEqual({ type: 'gone' })
    expect(await store.claim()).toEqual(A_RECORD)
    expect(await store.publish(1)).toBe('stored at 1')
  })

  test('a publish of an older connection is replaced, one of a connection that the record does not know is gone', async () => {
    const store = opened(open)
    await store.claim({ generation: 2 })
    await store.publish(1, { generation: 2 })
    expect(await store.publish(2, { generation: 1 })).toEqual({ type: 'replaced' })
    expect(await store.publish(2, { generation: 3 })).toEqual({ type: 'gone' })
    // Who asks matters before what is asked.
    expect(await store.publish(1, { generation: 1 })).toEqual({ type: 'replaced' })
    expect(await store.publish(1, { generation: 3 })).toEqual({ type: 'gone' })
    expect(await store.claim({ generation: 2 })).toMatchObject({ last: 1, done: [[1, 'm1', 1]] })
    expect(await store.tops(['a'])).toMatchObject([{ top: 1 }])
  })

  test('a publish that was stored is repeated, under another id it is in conflict', async () => {
    const store = opened(open)
    await store.claim()
    await store.publish(1)
    await store.publish(2)
    expect(await store.publish(1)).toEqual({ type: 'repeated', offset: 1 })
    expect(await store.publish(1, { id: 'other' })).toEqual({ type: 'conflict' })
    await store.claim({ generation: 2 })
    expect(await store.publish(2, { generation: 2 })).toEqual({ type: 'repeated', offset: 2 })
    expect(await store.tops(['a'])).toMatchObject([{ top: 2 }])
  })

  test('the same id at another sequence is another publish', async () => {
    const store = opened(open)
    await store.claim()
    await store.publish(1, { id: 'same' })
    expect(await store.publish(2, { id: 'same' })).toBe('stored at 2')
  })

  test('a publish that a later one has passed is superseded for good', async () => {
    const store = opened(open)
    await store.claim()
    expect(await store.publish(5)).toBe('stored at 1')
    expect(await store.publish(3)).toEqual({ type: 'superseded' })
    expect(await store.publish(6)).toBe('stored at 2')
    expect(await store.claim()).toMatchObject({
      last: 6,
      done: [
        [5, 'm5', 1],
        [6, 'm6', 2],
      ],
    })
  })

  test('a stale base is judged last, and leaves the sequence free', async () => {
    const store = opened(open)
    await store.claim()
    const { epoch } = (await store.attach({ channel: 'a' })).extent
    const base = { epoch, offset: 0 }
    expect(await store.publish(2, { base })).toBe('stored at 1')
    expect(await store.publish(2, { base })).toEqual({ type: 'repeated', offset: 1 })
    expect(await store.publish(1, { base })).toEqual({ type: 'superseded' })
    expect(await store.publish(3, { base })).toEqual({ type: 'stale-base' })
    expect(await store.claim()).toMatchObject({ last: 2 })
    expect(await store.publish(3)).toBe('stored at 2')
  })

  test('the events of one append are judged one after the other', async () => {
    const store = opened(open)
    await store.claim()
    const events = [1, 1, 3, 2].map((sequence) =>
      anEvent(`m${sequence}`, { origin: { producerId: 'p', generation: 1, sequence } }),
    )
    const { outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events })
    expect(outcomes.map(({ type }) => type)).toEqual(['stored', 'repeated', 'stored', 'superseded'])
  })

  test('where an event comes from is not part of it', async () => {
    const store = opened(open)
    await store.claim()
    const origin = { producerId: 'p', generation: 1, sequence: 1 }
    const { epoch, outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('m', { origin })] })
    const event = { ...anEvent('m'), offset: 1, storedAtMs: NOW_MS }
    expect(outcomes).toEqual([{ type: 'stored', event }])
    const page = await store.page({ channel: 'a', position: { epoch, offset: 0 }, count: 9, dataLength: 999 })
    expect(page.events).toEqual([event])
  })

  test('outcomes are dropped by number where something is stored, by settlement where somebody attaches', async () => {
    const store = opened(open)
    await store.claim({ window: 3 })
    for (const sequence of [2, 4, 6, 8, 10]) await store.publish(sequence)
    expect(await store.done({ window: 1 })).toEqual([6, 8, 10])
    expect(await store.done({ window: 1, settledBelow: 8 })).toEqual([8, 10])
    expect(await store.publish(8)).toMatchObject({ type: 'repeated' })
    expect(await store.publish(6)).toEqual({ type: 'superseded' })
    await store.publish(11)
    expect(await store.done({ window: 2, settledBelow: 9 })).toEqual([11])
    await store.publish(12)
    await store.publish(13)
    expect(await store.claim({ settledBelow: 14 })).toMatchObject({ last: 13, done: [] })
  })

  test('a record outlives the messages it tells of', async () => {
    const store = opened(open, { historyLimit: 1 })
    await store.claim()
    await store.publish(1)
    await store.publish(2)
    expect(await store.publish(1)).toEqual({ type: 'repeated', offset: 1 })
    expect(await store.claim()).toMatchObject({
      done: [
        [1, 'm1', 1],
        [2, 'm2', 2],
      ],
    })
  })

  test('numbers may be as large as they get', async () => {
    const store = opened(open)
    const generation = Number.MAX_SAFE_INTEGER
    await store.claim({ generation, settledBelow: generation })
    expect(await store.publish(generation, { generation })).toBe('stored at 1')
    expect(await store.claim({ generation })).toMatchObject({
      last: generation,
      done: [[generation, `m${generation}`, 1]],
    })
  })

  test('what a connection has sent may be stored after it has left', async () => {
    const store = opened(open)
    await store.claim()
    store.detach('a', 'p', 1)
    expect(await store.publish(1)).toBe('stored at 1')
  })
}

export function pinningConformance(open: OpenStore): void {
  const claimAll = async (store: ReturnType<typeof opened>, ids: readonly string[]) => {
    for (const id of ids) await store.claim({ id })
  }
  /** Those of the producers whose records are there. Asks as an older connection would, which changes nothing. */
  const kept = async (store: ReturnType<typeof opened>, ids: readonly string[]) => {
    const found: string[] = []
    for (const id of ids) {
      const outcome = await store.publish(1, { producerId: id, generation: 0 })
      if (typeof outcome === 'object' && outcome.type === 'replaced') found.push(id)
    }
    return found
  }

  test('so many records are kept of producers that have left, those that left last', async () => {
    const store = opened(open, { producerLimit: 2 })
    const ids = ['a', 'b', 'c', 'd']
    await claimAll(store, ids)
    expect(await kept(store, ids)).toEqual(ids)
    for (const id of ['c', 'a', 'd']) store.detach('a', id, 1)
    await store.tops(['a'])
    expect(await kept(store, ids)).toEqual(['a', 'b', 'd'])
    store.detach('a', 'b', 1)
    await store.tops(['a'])
    expect(await kept(store, ids)).toEqual(['b', 'd'])
  })

  test('the number is of the store, not of a channel', async () => {
    const store = opened(open, { producerLimit: 1 })
    const [first] = [await store.claim(), await store.claim({}, 'b')]
    store.detach('a', 'p', 1)
    store.detach('b', 'p', 1)
    await store.tops(['a'])
    expect(await store.claim()).not.toEqual(first)
  })

  test('who attaches again is not among those that have left', async () => {
    const store = opened(open, { producerLimit: 1 })
    await claimAll(store, ['a', 'b', 'c'])
    store.detach('a', 'a', 1)
    await store.claim({ id: 'a' })
    store.detach('a', 'b', 1)
    store.detach('a', 'c', 1)
    await store.tops(['a'])
    expect(await kept(store, ['a', 'b', 'c'])).toEqual(['a', 'c'])
  })

  test('who attaches while the record is about to go has one that stays', async () => {
    const store = opened(open, { producerLimit: 1 })
    await claimAll(store, ['a', 'b'])
    store.detach('a', 'a', 1)
    await store.tops(['a'])
    store.detach('a', 'b', 1)
    await store.claim({ id: 'a' })
    await store.tops(['a'])
    expect(await store.publish(1, { producerId: 'a' })).toBe('stored at 1')
  })

  test('a connection that has been replaced does not detach its successor', async () => {
    const store = opened(open, { producerLimit: 0 })
    const first = await store.claim()
    await store.claim({ generation: 2 })
    store.detach('a', 'p', 1)
    store.detach('a', 'p', 3)
    store.detach('a', 'q', 2)
    store.detach('b', 'p', 2)
    await store.tops(['a'])
    expect(await store.claim({ generation: 2 })).toEqual(first)
    store.detach('a', 'p', 2)
    await store.tops(['a'])
    expect(await store.claim({ generation: 2 })).not.toEqual(first)
  })

  test('the record of a producer that has left goes when its time is over, another one does not', async () => {
    const store = opened(open, { producerTtlMs: 1_000, producerLimit: 9 })
    await claimAll(store, ['a', 'b'])
    await store.trim(NOW_MS)
    store.detach('a', 'a', 1)
    await store.trim(NOW_MS + 5_000)
    await store.trim(NOW_MS + 5_999)
    expect(await kept(store, ['a', 'b'])).toEqual(['a', 'b'])
    await store.trim(NOW_MS + 6_000)
    await store.tops(['a'])
    expect(await kept(store, ['a', 'b'])).toEqual(['b'])
  })
}
