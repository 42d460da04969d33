// The outbox against a list that does the same in the plainest way.

import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import {
  answer,
  createOutbox,
  due,
  type Entry,
  forgetUnanswered,
  isUnsent,
  offer,
  release,
  renew,
  settledBelow,
  take,
} from '../../../src/delivery/outbox.ts'
import type { Overflow } from '../../../src/options.ts'
import type { Publish } from '../../../src/effects.ts'

const WINDOW = { window: 3, windowBytes: 40 }
const CHANNELS = ['a', 'b']

/** What the model knows of a publish. */
interface Known {
  readonly id: string
  readonly channel: string
  readonly bytes: number
  readonly priority: number
  readonly dueAtMs: number
  sequence: number
  isSettled: boolean
  /** Sent and not answered on the present socket. */
  isUnanswered: boolean
  /** Sent under a sequence that is no longer its own. */
  isDoubtful: boolean
}

type Step =
  | { readonly do: 'offer'; readonly channel: string; readonly bytes: number; readonly priority: number }
  | { readonly do: 'pump' | 'expire' }
  | { readonly do: 'answer'; readonly channel: string; readonly sequence: number }
  | { readonly do: 'release'; readonly index: number }
  | { readonly do: 'forget' | 'renew'; readonly channel: string }

const channel = fc.constantFrom(...CHANNELS)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('offer' as const),
      channel,
      bytes: fc.integer({ min: 1, max: 30 }),
      priority: fc.nat(2),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('pump' as const, 'expire' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), channel, sequence: fc.nat(12) }) },
  fc.record({ do: fc.constant('release' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constantFrom('forget' as const, 'renew' as const), channel }),
)

const sum = (list: readonly Known[]) => list.reduce((bytes, known) => bytes + known.bytes, 0)

test.prop([
  fc.array(step, { maxLength: 60 }),
  fc.constantFrom<Overflow>('reject', 'drop-oldest', 'drop-lowest-priority'),
])('does what a plain list does', (steps, overflow) => {
  const limits = { maxMessages: 5, maxBytes: 80, overflow }
  const outbox = createOutbox()
  const known: Known[] = []
  const pending = () => known.filter(({ isSettled }) => !isSettled)
  const unanswered = () => known.filter(({ isUnanswered }) => isUnanswered).sort((a, b) => a.sequence - b.sequence)
  const settle = (id: string) => Object.assign(known.find((one) => one.id === id) as Known, { isSettled: true })
  const idsOf = (entries: Iterable<Publish>) => [...entries].map(({ id }) => id)
  let nowMs = 0
  let lastSequence = 0

  /** What the model lets go for a new one; `undefined` if that would not help. */
  function room(bytes: number, priority: number): Known[] | undefined {
    const gone: Known[] = []
    const unsent = pending().filter(({ sequence, isDoubtful }) => !sequence && !isDoubtful)
    for (;;) {
      const left = pending().filter((one) => !gone.includes(one))
      if (left.length < limits.maxMessages && sum(left) + bytes <= limits.maxBytes) return gone
      const may = unsent.filter((one) => !gone.includes(one))
      let next = overflow === 'drop-oldest' ? may[0] : undefined
      if (overflow === 'drop-lowest-priority') {
        const lowest = Math.min(...may.map((one) => one.priority))
        if (lowest < priority) next = may.find((one) => one.priority === lowest)
      }
      if (!next) return undefined
      gone.push(next)
    }
  }

  for (const [n, what] of steps.entries()) {
    nowMs += 1
    switch (what.do) {
      case 'offer': {
        const { channel, bytes, priority } = what
        const publish = aPublish(`id-${n}`, channel, priority)
        const expected = room(bytes, priority)
        const evicted = offer(outbox, publish, bytes, nowMs, limits)
        expect(evicted && idsOf(evicted)).toEqual(expected?.map(({ id }) => id))
        if (!evicted) break
        for (const entry of evicted) {
          release(outbox, entry)
          settle(entry.id)
        }
        known.push({
          id: publish.id,
          channel,
          bytes,
          priority,
          dueAtMs: nowMs + 20,
          sequence: 0,
          isSettled: false,
          isUnanswered: false,
          isDoubtful: false,
        })
        break
      }
      case 'pump':
        for (const entry of outbox.unsettled) {
          const one = known.find(({ id }) => id === entry.id) as Known
          if (one.isUnanswered) continue
          const bytes = sum(unanswered())
          const fits =
            unanswered().length < WINDOW.window && (!unanswered().length || bytes + one.bytes <= WINDOW.windowBytes)
          expect(take(outbox, entry, WINDOW, nowMs)).toBe(fits)
          if (!fits) break
          one.sequence ||= ++lastSequence
          one.isUnanswered = true
          expect(entry.sequence).toBe(one.sequence)
        }
        break
      case 'answer': {
        const one = known.find(({ sequence, isUnanswered }) => isUnanswered && sequence === what.sequence)
        const word = answer(outbox, what.channel, what.sequence)
        if (one && one.channel === what.channel) {
          expect(word === 'settled' ? 'settled' : (word as Entry).id).toBe(one.isSettled ? 'settled' : one.id)
          Object.assign(one, { isSettled: true, isUnanswered: false })
        } else {
          const wasSent = !one && what.sequence > 0 && what.sequence <= lastSequence
          expect(word).toBe(wasSent ? 'settled' : 'never-sent')
        }
        break
      }
      case 'release': {
        const entry = [...outbox.unsettled][what.index]
        if (!entry) break
        expect([release(outbox, entry), release(outbox, entry)]).toEqual([true, false])
        settle(entry.id)
        break
      }
      case 'expire': {
        nowMs += 10
        const late = due(outbox, nowMs)
        expect(idsOf(late)).toEqual(
          pending()
            .filter((one) => one.dueAtMs <= nowMs)
            .map(({ id }) => id),
        )
        for (const entry of late) {
          release(outbox, entry)
          settle(entry.id)
        }
        break
      }
      case 'renew':
        for (const entry of outbox.unsettled) {
          const one = known.find(({ id }) => id === entry.id) as Known
          if (entry.channel !== what.channel || !entry.sequence) continue
          renew(outbox, entry)
          Object.assign(one, { sequence: 0, isUnanswered: false, isDoubtful: true })
        }
        break
      case 'forget':
        forgetUnanswered(outbox, what.channel)
        for (const one of known) if (one.channel === what.channel) one.isUnanswered = false
        break
    }
    expect(idsOf(outbox.unsettled)).toEqual(pending().map(({ id }) => id))
    expect([outbox.unsettled.size, outbox.unsettledBytes]).toEqual([pending().length, sum(pending())])
    for (const entry of outbox.unsettled) {
      const { sequence, isDoubtful } = known.find(({ id }) => id === entry.id) as Known
      expect([entry.sequence, isUnsent(entry)]).toEqual([sequence, !sequence && !isDoubtful])
    }
    expect(outbox.dueAtMs).toBeLessThanOrEqual(Math.min(...pending().map(({ dueAtMs }) => dueAtMs)))
    expect([outbox.unanswered.size, outbox.unansweredBytes]).toEqual([unanswered().length, sum(unanswered())])
    for (const name of CHANNELS) {
      const unsettled = pending().filter(({ channel, sequence }) => sequence && channel === name)
      const lowest = Math.min(...unsettled.map(({ sequence }) => sequence), lastSequence + 1)
      expect(settledBelow(outbox, name)).toBe(lowest)
    }
  }
})

test('a publish keeps its sequence over connections, and another one made from it gets a new one', () => {
  const limits = { maxMessages: 5, maxBytes: 80, overflow: 'reject' } as const
  const outbox = createOutbox()
  offer(outbox, aPublish('one'), 10, 0, limits)
  offer(outbox, aPublish('two'), 10, 0, limits)
  const [one, two] = [...outbox.unsettled] as [Entry, Entry]
  const sequencesAfter = (act: () => void) => {
    act()
    for (const entry of [one, two]) take(outbox, entry, WINDOW, 0)
    return [one.sequence, two.sequence]
  }
  expect(sequencesAfter(() => {})).toEqual([1, 2])
  expect(sequencesAfter(() => forgetUnanswered(outbox, one.channel))).toEqual([1, 2])
  expect(sequencesAfter(() => renew(outbox, one))).toEqual([3, 2])
})

test('what was given up after sending leaves the limits at once and the window with its answer', () => {
  const limits = { maxMessages: 1, maxBytes: 80, overflow: 'reject' } as const
  const outbox = createOutbox()
  const window = { window: 1, windowBytes: 100 }
  offer(outbox, aPublish('one'), 10, 0, limits)
  const [one] = [...outbox.unsettled] as [Entry]
  take(outbox, one, window, 0)
  release(outbox, one)
  expect([outbox.unsettled.size, outbox.unsettledBytes, offer(outbox, aPublish('two'), 10, 0, limits)]).toEqual([
    0,
    0,
    [],
  ])
  const [two] = [...outbox.unsettled] as [Entry]
  expect(take(outbox, two, window, 0)).toBe(false)
  expect(answer(outbox, 'a', 1)).toBe('settled')
  expect(take(outbox, two, window, 0)).toBe(true)
})

function aPublish(id: string, channel = 'a', priority = 1): Publish {
  return { channel, id, name: 'm', dataText: '1', base: undefined, timeoutMs: 20, priority, refusal: undefined }
}
