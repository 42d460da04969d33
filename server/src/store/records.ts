// What a channel knows of a producer, and what follows from it: the rules that all stores share.
//
// Rules of this file:
// - A record is a value: each function makes of one record the next. Where records are kept is the stores' business.
// - What is done is kept in the order of its sequences, which is the order of storing: only a sequence above `last` is stored.
// - It is dropped by count where something is stored, and by `settledBelow` where somebody attaches; never otherwise.

import type { AppendOutcome, ClaimRefusal, Origin, ProducerClaim, ProducerRecord } from './store.ts'

/** A record as a store keeps it. */
export interface KeptRecord extends ProducerRecord {
  readonly userId: string
  /** That of the newest connection that has attached. */
  readonly generation: number
  /** Outcomes to keep, as that connection asked for. */
  readonly window: number
}

/** The record once `claim` has attached, or why it has not. */
export function claimRecord(
  known: KeptRecord | undefined,
  { userId, generation, settledBelow, window }: ProducerClaim,
  createId: () => string,
): KeptRecord | ClaimRefusal {
  if (!known) return { incarnation: createId(), userId, generation, window, last: 0, done: [] }
  if (known.userId !== userId) return 'other-user'
  if (known.generation > generation) return 'replaced'
  return { ...known, generation, window, done: known.done.filter(([sequence]) => sequence >= settledBelow) }
}

/** What is to be said of a publish without storing it; undefined if nothing speaks against storing it. */
export function judgePublish(record: KeptRecord | undefined, origin: Origin, id: string): AppendOutcome | undefined {
  if (!record || record.generation < origin.generation) return { type: 'gone' }
  if (record.generation > origin.generation) return { type: 'replaced' }
  if (origin.sequence > record.last) return undefined
  const before = record.done.find(([sequence]) => sequence === origin.sequence)
  if (!before) return { type: 'superseded' }
  return before[1] === id ? { type: 'repeated', offset: before[2] } : { type: 'conflict' }
}

/** The record once a publish of its producer is stored. */
export function recordPublish(record: KeptRecord, sequence: number, id: string, offset: number): KeptRecord {
  const done = [...record.done, [sequence, id, offset] as const]
  return { ...record, last: sequence, done: done.slice(Math.max(0, done.length - record.window)) }
}

/** What an attaching connection is told of it. */
export function toldOf({ incarnation, last, done }: KeptRecord): ProducerRecord {
  return { incarnation, last, done }
}
