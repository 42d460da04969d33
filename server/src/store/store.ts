// The port to whatever keeps the logs: one atomic unit per channel.
//
// Rules of this file:
// - `done` is called exactly once, or never if the process dies. It may be called before the method returns.
// - Every answer is as the store was at one instant; `attach` and `append` are one atomic step each.
// - Answers about one channel's appends come in the order of their offsets.
// - `unavailable` means that the store does not know what happened: the asker closes the connection and says nothing.
// - A channel that the store does not know comes into being, empty, with a new random epoch, at the first question.
// - Data is JSON text from the moment it is accepted: it is encoded once and never looked into here.

import type { Position, Sender } from 'steadywire/protocol'

/** One entry of a channel's log. */
export interface StoredEvent {
  readonly offset: number
  readonly id: string
  readonly name: string
  /** The data as JSON text. */
  readonly dataText: string
  /** Absent on what the server itself published. */
  readonly sender?: Sender
  /** Unix milliseconds. */
  readonly storedAtMs: number
}

/** How far a channel's log reaches. */
export interface LogExtent {
  readonly epoch: string
  /** The newest offset; 0 before the first. */
  readonly top: number
  /** The oldest offset that can still be read; `top + 1` if there is none. */
  readonly first: number
}

/** Why a position leads nowhere. */
export type LostReason = 'epoch-changed' | 'offset-ahead' | 'history-evicted'

/** What can follow a position: pushes, pages, or nothing but a new start. */
export type Judgement = 'live' | 'catching-up' | LostReason

export interface AttachQuery {
  readonly channel: string
  /** Where the subscriber says it stands; absent if it has nothing yet, which is judged `live`. */
  readonly position?: Position
}
export interface AttachAnswer {
  readonly extent: LogExtent
  readonly judgement: Judgement
}

export interface NewEvent {
  readonly id: string
  readonly name: string
  readonly dataText: string
  readonly sender?: Sender
  /** Refuse unless this is the channel's newest position. */
  readonly base?: Position
  /** Store only if `id` is not among the last {@link REMEMBERED_IDS} of this channel that were stored with this flag. */
  readonly once?: boolean
}
export interface AppendQuery {
  readonly channel: string
  /** Unix milliseconds, written into the entries. */
  readonly nowMs: number
  readonly events: readonly NewEvent[]
}
export type AppendOutcome =
  | { readonly type: 'stored'; readonly event: StoredEvent }
  | { readonly type: 'repeated'; readonly offset: number }
  | { readonly type: 'stale-base' }
export interface AppendAnswer {
  readonly epoch: string
  /** One per event asked for, in the same order. */
  readonly outcomes: readonly AppendOutcome[]
}

export interface PageQuery {
  readonly channel: string
  /** The page begins after this. */
  readonly position: Position
  /** Events, at most; at least 1. */
  readonly count: number
  /** Characters of data, at most; one event may exceed it. Bounds what is read, not what is sent. */
  readonly dataLength: number
}
export interface PageAnswer {
  readonly extent: LogExtent
  /** `live` with no events, `catching-up` with at least one, or why there is no page. */
  readonly judgement: Judgement
  /** Consecutive, beginning right after the position. */
  readonly events: readonly StoredEvent[]
}

/** The answer, or that there is none to be had. */
export type Done<Answer> = (answer: Answer | 'unavailable') => void

/** Keeps channels' logs. See the rules at the head of this file; `test/unit/server/store/conformance.ts` tests them. */
export interface Store {
  /** Reads how far the channel reaches and judges a subscriber's position against it. */
  attach(query: AttachQuery, done: Done<AttachAnswer>): void
  /** Stores events in order, giving each the next offset. What is answered `stored` is as durable as this store can make it. */
  append(query: AppendQuery, done: Done<AppendAnswer>): void
  /** Reads what follows a position. */
  page(query: PageQuery, done: Done<PageAnswer>): void
  /** Reads how far channels reach, in the order asked. */
  tops(channels: readonly string[], done: Done<readonly LogExtent[]>): void
  /** Forgets what retention no longer covers. Called about once a minute; `nowMs` is Unix milliseconds. */
  trim(nowMs: number): void
}

/** How many ids of events stored with `once` a channel remembers. */
export const REMEMBERED_IDS = 1_000

/** What can follow `position` in a log that reaches as far as `extent`. */
export function judge(position: Position, { epoch, top, first }: LogExtent): Judgement {
  if (position.epoch !== epoch) return 'epoch-changed'
  if (position.offset > top) return 'offset-ahead'
  if (position.offset === top) return 'live'
  return position.offset + 1 >= first ? 'catching-up' : 'history-evicted'
}
