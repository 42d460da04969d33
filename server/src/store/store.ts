// The port to whatever keeps the logs: one atomic unit per channel.
//
// Rules of this file:
// - `done` is called exactly once, or never if the process dies. It may be called before the method returns.
// - Every answer is as the store was at one instant; `attach` and `append` are one atomic step each.
// - Answers about one channel's appends come in the order of their offsets.
// - `unavailable` means that the store does not know what happened: the asker closes the connection and says nothing.
// - A channel that the store does not know comes into being, empty, with a new random epoch, at the first question.
// - What producers have published lives in the channel's unit, with its lifetime: a log that is lost loses its records.
//   Only `attach` creates a record. One whose producer is attached is kept until `detach`; after that it may go at any
//   time, which costs its producer nothing but certainty about what was in flight. When a process ends, all have left.
// - Cursors live there too. A log that holds neither message nor record may be forgotten, and with it its cursors.
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

/** A connection that wants to publish to a channel for a producer. */
export interface ProducerClaim {
  /** The producer's id: a secret. */
  readonly id: string
  readonly userId: string
  readonly generation: number
  /** Lower sequences have settled: their outcomes need not be kept. */
  readonly settledBelow: number
  /** Publishes that may be unanswered at a time, so how many outcomes must be kept from now on. */
  readonly window: number
}
/** What a channel knows of a producer. */
export interface ProducerRecord {
  /** Random, drawn when the record was made: another one means that what was known is lost. */
  readonly incarnation: string
  /** The highest sequence stored; 0 before the first. */
  readonly last: number
  /** The newest that were stored, in the order of their sequences. */
  readonly done: readonly (readonly [sequence: number, id: string, offset: number])[]
}
/** Why a claim is refused: the record is a newer connection's, or another user's. Nothing has changed. */
export type ClaimRefusal = 'replaced' | 'other-user'

export interface AttachQuery {
  readonly channel: string
  /** Where the subscriber says it stands; absent if it has nothing yet, which is judged `live`. */
  readonly position?: Position
  /** Absent where nothing is to be published. Makes the record if there is none, and gives it this generation. */
  readonly producer?: ProducerClaim
}
export interface AttachAnswer {
  readonly extent: LogExtent
  readonly judgement: Judgement
  /** Present where the query had one. */
  readonly producer?: ProducerRecord | ClaimRefusal
}

export interface DetachQuery {
  readonly channel: string
  readonly producerId: string
  readonly generation: number
}

/** Which publish of which connection an event is. */
export interface Origin {
  readonly producerId: string
  readonly generation: number
  readonly sequence: number
}

export interface NewEvent {
  readonly id: string
  readonly name: string
  readonly dataText: string
  readonly sender?: Sender
  /** Absent on what the server itself publishes. */
  readonly origin?: Origin
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
/**
 * What became of one event. Judged in this order, and only `stored` has changed anything:
 *
 * - `gone`: there is no record of its producer, or one of a lower generation. `replaced`: one of a higher generation.
 * - `repeated`: it was stored before, at `offset`. `conflict`: its sequence was stored under another id.
 * - `superseded`: a higher sequence was stored and this one was not, so it never will be.
 * - `stale-base`: `base` is not the newest position.
 */
export type AppendOutcome =
  | { readonly type: 'stored'; readonly event: StoredEvent }
  | { readonly type: 'repeated'; readonly offset: number }
  | { readonly type: 'gone' | 'replaced' | 'conflict' | 'superseded' | 'stale-base' }
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

/** A durable cursor, such as how far `onStored` has come in a channel. */
export interface MarkQuery {
  readonly name: string
  readonly channel: string
  /** Where it stands from now on; absent, it is only read. */
  readonly position?: Position
}

/** The answer, or that there is none to be had. */
export type Done<Answer> = (answer: Answer | 'unavailable') => void

/** Keeps channels' logs. See the rules at the head of this file; the suites in `test/unit/server/store/` test them. */
export interface Store {
  /** Reads how far the channel reaches, judges a subscriber's position against it, and lets a connection publish for a producer. */
  attach(query: AttachQuery, done: Done<AttachAnswer>): void
  /** That connection publishes no more: the record may go when it is its turn. Means nothing if another one has taken over. */
  detach(query: DetachQuery): void
  /** Stores events in order, giving each the next offset. What is answered `stored` is as durable as this store can make it. */
  append(query: AppendQuery, done: Done<AppendAnswer>): void
  /** Reads what follows a position. */
  page(query: PageQuery, done: Done<PageAnswer>): void
  /** Reads how far channels reach, in the order asked. */
  tops(channels: readonly string[], done: Done<readonly LogExtent[]>): void
  /** Moves or reads a cursor; answers where it stands, `null` if it was never set. */
  mark(query: MarkQuery, done: Done<Position | null>): void
  /** Names the channels in which the cursor `name` was set and stands before the newest message. */
  behind(name: string, done: Done<readonly string[]>): void
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
