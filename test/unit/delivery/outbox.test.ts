// The outbox against a list that does the same in the plainest way.

import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { createOutbox, type Entry, type Overflow } from '../../../src/delivery/outbox.ts'
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
}

type Step =
  | { readonly do: 'offer'; readonly channel: string; readonly bytes: number; readonly priority: number }
  | { readonly do: 'pump' | 'expire' | 'lose' }
  | { readonly do: 'answer'; readonly channel: string; readonly sequence: number }
  | { readonly do: 'release'; readonly index: number }
  | { readonly do: 'forget'; readonly channel: string }

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
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('pump' as const, 'expire' as const, 'lose' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), channel, sequence: fc.nat(12) }) },
  fc.record({ do: fc.constant('release' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('forget' as const), channel }),
)

const sum = (list: readonly Known[]) => list.reduce((bytes, known) => bytes + known.bytes, 0)

test.prop([
  fc.array(step, { maxLength: 60 }),
  fc.constantFrom<Overflow>('reject', 'drop-oldest', 'drop-lowest-priority'),
])('does what a plain list does', (steps, overflow) => {
  const limits = { maxMessages: 5, maxBytes: 80, overflow }
  const outbox = createOutbox(limits)
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
    const unsent = pending().filter(({ sequence }) => !sequence)
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
        const evicted = outbox.offer(publish, bytes, nowMs)
        expect(evicted && idsOf(evicted)).toEqual(expected?.map(({ id }) => id))
        if (!evicted) break
        for (const entry of evicted) {
          outbox.release(entry)
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
        })
        break
      }
      case 'pump':
        for (const entry of outbox.entries()) {
          const one = known.find(({ id }) => id === entry.id) as Known
          if (one.isUnanswered) continue
          const bytes = sum(unanswered())
          const fits =
            unanswered().length < WINDOW.window && (!unanswered().length || bytes + one.bytes <= WINDOW.windowBytes)
          expect(outbox.take(entry, WINDOW, nowMs)).toBe(fits)
          if (!fits) break
          one.sequence ||= ++lastSequence
          one.isUnanswered = true
          expect(entry.sequence).toBe(one.sequence)
        }
        break
      case 'answer': {
        const one = known.find(({ sequence, isUnanswered }) => isUnanswered && sequence === what.sequence)
        const answer = outbox.answer(what.channel, what.sequence)
        if (one && one.channel === what.channel) {
          expect(answer === 'settled' ? 'settled' : (answer as Entry).id).toBe(one.isSettled ? 'settled' : one.id)
          Object.assign(one, { isSettled: true, isUnanswered: false })
        } else {
          const wasSent = !one && what.sequence > 0 && what.sequence <= lastSequence
          expect(answer).toBe(wasSent ? 'settled' : 'never-sent')
        }
        break
      }
      case 'release': {
        const entry = [...outbox.entries()][what.index]
        if (!entry) break
        expect(outbox.release(entry)).toBe(entry)
        expect(outbox.release(entry)).toBeUndefined()
        settle(entry.id)
        break
      }
      case 'expire': {
        nowMs += 10
        const due = outbox.due(nowMs)
        expect(idsOf(due)).toEqual(
          pending()
            .filter((one) => one.dueAtMs <= nowMs)
            .map(({ id }) => id),
        )
        for (const entry of due) {
          outbox.release(entry)
          settle(entry.id)
        }
        break
      }
      case 'forget':
      case 'lose': {
        const name = what.do === 'forget' ? what.channel : undefined
        outbox.forgetUnanswered(name)
        for (const one of known) if (!name || one.channel === name) one.isUnanswered = false
        break
      }
    }
    expect(idsOf(outbox.entries())).toEqual(pending().map(({ id }) => id))
    expect([outbox.count(), outbox.bytes()]).toEqual([pending().length, sum(pending())])
    expect(outbox.dueAtMs()).toBeLessThanOrEqual(Math.min(...pending().map(({ dueAtMs }) => dueAtMs)))
    expect(outbox.unansweredSinceMs() < Infinity).toBe(unanswered().length > 0)
    for (const name of CHANNELS) {
      const unsettled = pending().filter(({ channel, sequence }) => sequence && channel === name)
      const lowest = Math.min(...unsettled.map(({ sequence }) => sequence), lastSequence + 1)
      expect(outbox.settledBelow(name)).toBe(lowest)
    }
  }
})

test('a publish keeps its sequence over connections, and another one made from it gets a new one', () => {
  const outbox = createOutbox({ maxMessages: 5, maxBytes: 80, overflow: 'reject' })
  outbox.offer(aPublish('one'), 10, 0)
  outbox.offer(aPublish('two'), 10, 0)
  const [one, two] = [...outbox.entries()] as [Entry, Entry]
  const sequencesAfter = (act: () => void) => {
    act()
    for (const entry of [one, two]) outbox.take(entry, WINDOW, 0)
    return [one.sequence, two.sequence]
  }
  expect(sequencesAfter(() => {})).toEqual([1, 2])
  expect(sequencesAfter(() => outbox.forgetUnanswered())).toEqual([1, 2])
  const renew = () => {
    outbox.forgetUnanswered()
    outbox.renew(one)
  }
  expect(sequencesAfter(renew)).toEqual([3, 2])
})

test('what was given up after sending leaves the limits at once and the window with its answer', () => {
  const outbox = createOutbox({ maxMessages: 1, maxBytes: 80, overflow: 'reject' })
  const window = { window: 1, windowBytes: 100 }
  outbox.offer(aPublish('one'), 10, 0)
  const [one] = [...outbox.entries()] as [Entry]
  outbox.take(one, window, 0)
  outbox.release(one)
  expect([outbox.count(), outbox.bytes(), outbox.offer(aPublish('two'), 10, 0)]).toEqual([0, 0, []])
  const [two] = [...outbox.entries()] as [Entry]
  expect(outbox.take(two, window, 0)).toBe(false)
  expect(outbox.answer('a', 1)).toBe('settled')
  expect(outbox.take(two, window, 0)).toBe(true)
})

function aPublish(id: string, channel = 'a', priority = 1): Publish {
  return { channel, id, name: 'm', dataText: '1', base: undefined, timeoutMs: 20, priority, refusal: undefined }
}
