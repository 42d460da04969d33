// Every store answers random questions as a simple model does: several producers, generations and users, some questions
// in one tick, and stores in a file opened anew now and then.
//
// Rules of this file:
// - The model is written to be read, not to be fast: it keeps everything and searches it.
// - Epochs and incarnations are random; they are compared by when they were first seen.
// - Nothing is forgotten here but messages beyond the limit and settled outcomes; the rest has suites of its own.

import { fc, test } from '@fast-check/vitest'
import {
  type AppendOutcome,
  type AttachQuery,
  judge,
  type LogExtent,
  memoryStore,
  type NewEvent,
  type ProducerRecord,
  type Store,
  type StoredEvent,
} from '@steadywire/server'
import { sqliteStore } from '@steadywire/server/sqlite'
import { afterAll, expect } from 'vitest'
import { anEvent, NOW_MS, promising } from './promising.ts'
import { createScratch } from './scratch.ts'

const HISTORY_LIMIT = 4

interface ModelRecord {
  userId: string
  generation: number
  window: number
  readonly incarnation: string
  readonly stored: { readonly sequence: number; readonly id: string; readonly offset: number; isKept: boolean }[]
}

class ModelChannel {
  readonly epoch: string
  readonly events: StoredEvent[] = []
  readonly records = new Map<string, ModelRecord>()
  readonly onceIds = new Map<string, number>()
  readonly cursors = new Map<string, { epoch: string; offset: number }>()

  constructor(name: string) {
    this.epoch = `epoch of ${name}`
  }

  get extent(): LogExtent {
    const top = this.events.length
    return { epoch: this.epoch, top, first: Math.max(1, top - HISTORY_LIMIT + 1) }
  }

  attach({ position, producer }: AttachQuery) {
    const judgement = position ? judge(position, this.extent) : 'live'
    return { extent: this.extent, judgement, ...(producer && { producer: this.claim(producer) }) }
  }

  claim({ id, userId, generation, window, settledBelow }: NonNullable<AttachQuery['producer']>) {
    const record = this.records.get(id) ?? {
      userId,
      generation,
      window,
      incarnation: `${this.epoch}, of ${id}`,
      stored: [],
    }
    if (record.userId !== userId) return 'other-user'
    if (record.generation > generation) return 'replaced'
    this.records.set(id, record)
    Object.assign(record, { generation, window })
    for (const one of record.stored) one.isKept &&= one.sequence >= settledBelow
    return told(record)
  }

  append({ base, once, origin, ...content }: NewEvent): AppendOutcome {
    const record = origin && this.records.get(origin.producerId)
    if (origin) {
      if (!record || record.generation < origin.generation) return { type: 'gone' }
      if (record.generation > origin.generation) return { type: 'replaced' }
      const same = record.stored.find(({ sequence, isKept }) => isKept && sequence === origin.sequence)
      if (same) return same.id === content.id ? { type: 'repeated', offset: same.offset } : { type: 'conflict' }
      if (record.stored.some(({ sequence }) => sequence >= origin.sequence)) return { type: 'superseded' }
    }
    const before = once && this.onceIds.get(content.id)
    if (before) return { type: 'repeated', offset: before }
    const { epoch, top } = this.extent
    if (base && (base.epoch !== epoch || base.offset !== top)) return { type: 'stale-base' }
    const event = { ...content, offset: top + 1, storedAtMs: NOW_MS }
    this.events.push(event)
    if (once) this.onceIds.set(event.id, event.offset)
    if (record && origin) {
      record.stored.push({ sequence: origin.sequence, id: event.id, offset: event.offset, isKept: true })
      const kept = record.stored.filter(({ isKept }) => isKept)
      for (const one of kept.slice(0, -record.window)) one.isKept = false
    }
    return { type: 'stored', event }
  }

  page(position: { epoch: string; offset: number }, count: number) {
    const judgement = judge(position, this.extent)
    const events = judgement === 'catching-up' ? this.events.slice(position.offset, position.offset + count) : []
    return { extent: this.extent, judgement, events }
  }

  isBehind(name: string): boolean {
    const cursor = this.cursors.get(name)
    const { epoch, top } = this.extent
    return cursor !== undefined && top > 0 && (cursor.epoch !== epoch || cursor.offset !== top)
  }
}

function told({ incarnation, stored }: ModelRecord): ProducerRecord {
  const done = stored.filter(({ isKept }) => isKept).map(({ sequence, id, offset }) => [sequence, id, offset] as const)
  return { incarnation, last: Math.max(0, ...stored.map(({ sequence }) => sequence)), done }
}

const channel = fc.constantFrom('a', 'b')
const producer = fc.constantFrom('p', 'q')
const position = fc.record({ isOther: fc.boolean(), offset: fc.integer({ min: 0, max: 9 }) })
const generation = fc.integer({ min: 1, max: 3 })
const sequence = fc.integer({ min: 1, max: 12 })
const event = fc.record(
  {
    id: fc.constantFrom('x', 'y', 'z'),
    origin: fc.record({ producerId: producer, generation, sequence }),
    base: position,
    once: fc.constant(true),
  },
  { requiredKeys: ['id'] },
)
const question = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('attach' as const),
      channel,
      position: fc.option(position, { nil: undefined }),
      producer: fc.record({
        id: producer,
        userId: fc.constantFrom('ann', 'ann', 'ann', 'bob'),
        generation,
        settledBelow: sequence,
        window: fc.integer({ min: 1, max: 4 }),
      }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      channel,
      events: fc.array(event, { minLength: 1, maxLength: 3 }),
    }),
  },
  fc.record({ type: fc.constant('detach' as const), channel, producerId: producer, generation }),
  fc.record({ type: fc.constant('page' as const), channel, position, count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ type: fc.constant('mark' as const), channel, position: fc.option(position, { nil: undefined }) }),
  fc.record({ type: fc.constant('behind' as const) }),
)
type Question = typeof question extends fc.Arbitrary<infer Value> ? Value : never
const ticks = fc.array(fc.array(question, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 })

/** Asks a store in each tick all its questions at once, and gives its answers and those of the model. */
async function compare(open: () => Store, asked: readonly (readonly Question[])[]) {
  const model = new Map(['a', 'b'].map((name) => [name, new ModelChannel(name)]))
  const modelOf = (name: string) => model.get(name) as ModelChannel
  let store = promising(open())
  const epochs = new Map<string, string>()
  for (const name of model.keys()) epochs.set(name, (await store.attach({ channel: name })).extent.epoch)
  const given: unknown[] = []
  const expected: unknown[] = []
  for (const questions of asked) {
    const answers: Promise<unknown>[] = []
    for (const { ...query } of questions) {
      if (query.type === 'behind') {
        answers.push(store.behind('c').then((names) => [...names].sort()))
        expected.push([...model.keys()].filter((name) => modelOf(name).isBehind('c')))
        continue
      }
      const { channel: name } = query
      const inModel = modelOf(name)
      const at =
        (epoch = '') =>
        (where: { isOther: boolean; offset: number }) => ({
          epoch: where.isOther ? 'other' : epoch,
          offset: where.offset,
        })
      const [there, here] = [at(epochs.get(name)), at(inModel.epoch)]
      if (query.type === 'attach') {
        const { position: where, producer: claim } = query
        answers.push(store.attach({ channel: name, producer: claim, ...(where && { position: there(where) }) }))
        expected.push(inModel.attach({ channel: name, producer: claim, ...(where && { position: here(where) }) }))
      } else if (query.type === 'append') {
        const events = (resolve: typeof there) =>
          query.events.map(({ id, base, ...extra }) => anEvent(id, { ...extra, ...(base && { base: resolve(base) }) }))
        answers.push(store.append({ channel: name, nowMs: NOW_MS, events: events(there) }))
        expected.push({ epoch: inModel.epoch, outcomes: events(here).map((one) => inModel.append(one)) })
      } else if (query.type === 'page') {
        answers.push(
          store.page({ channel: name, position: there(query.position), count: query.count, dataLength: 999 }),
        )
        expected.push(inModel.page(here(query.position), query.count))
      } else if (query.type === 'mark') {
        const { position: where } = query
        answers.push(store.mark({ name: 'c', channel: name, ...(where && { position: there(where) }) }))
        if (where) inModel.cursors.set('c', here(where))
        expected.push(inModel.cursors.get('c') ?? null)
      } else {
        store.detach(name, query.producerId, query.generation)
      }
    }
    given.push(...(await Promise.all(answers)))
    store = promising(open())
  }
  return { given: named(given), expected: named(expected) }
}

/** Random texts replaced by numbers, in the order of their appearance. */
function named(answers: readonly unknown[]): unknown {
  const seen = new Map<unknown, number>()
  const text = JSON.stringify(answers, (key, value: unknown) => {
    if ((key !== 'epoch' && key !== 'incarnation') || value === 'other') return value
    if (!seen.has(value)) seen.set(value, seen.size)
    return seen.get(value)
  })
  return JSON.parse(text)
}

test.prop([ticks], { numRuns: 500 })('the store in memory answers as the model does', async (asked) => {
  const store = memoryStore({ historyLimit: HISTORY_LIMIT })
  const { given, expected } = await compare(() => store, asked)
  expect(given).toEqual(expected)
})

const scratch = createScratch()
afterAll(() => scratch.remove())

test.prop([ticks, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 })], { numRuns: 100 })(
  'the store in SQLite answers as the model does, also when it is opened anew',
  async (asked, reopens) => {
    const file = scratch.file()
    let store = sqliteStore(file, { historyLimit: HISTORY_LIMIT })
    let turn = 0
    const open = () => {
      if (!reopens[turn++]) return store
      store.close()
      return (store = sqliteStore(file, { historyLimit: HISTORY_LIMIT }))
    }
    const { given, expected } = await compare(open, asked).finally(() => store.close())
    expect(given).toEqual(expected)
  },
)
