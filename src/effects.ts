// The whole vocabulary between the inside and the driver, on one page.
//
// Rules of this file:
// - Inputs say what happened, effects say what to do. Both are data.
// - Whatever belongs to a socket carries its `socketId`, whatever answers a question its number: answers to old ones are dropped.
// - A lane is the one thing that both sides hold: the session counts what is in it and closes it, the driver empties it.

import type { ErrorCode, RealtimeError } from './errors.ts'
import type { ErrorDetails, TokenReason } from './options.ts'
import type { Hint } from './env/environment.ts'
import type { Decoded, OutgoingFrame } from './protocol/codec.ts'
import type { HistFrame, Position, PresFrame, ReqFrame, Sender, ServerFrame, VolFrame } from './protocol/frames.ts'
import type { ClientSnapshot } from './snapshots.ts'

/** The instant of an input, on the clocks that deadlines run on. The driver keeps it up to date; nobody keeps a copy. */
export interface Now {
  /** Time in which the page could run. Answers, publishes and probes are measured on it. */
  readonly awakeMs: number
  /** Time that has passed, sleep included. Backoff and freshness are measured on it. */
  readonly elapsedMs: number
  /** Unix time, for display alone. */
  readonly wallMs: number
  /** Bytes that were ever sent. */
  readonly sentBytes: number
  /** How many of them have not left yet: they wait for the end of this tick, or in the socket. */
  readonly waitingBytes: number
}

/** What the application waits for the end of. */
interface Awaited {
  readonly id: string
  readonly timeoutMs: number
  /** Why it cannot be sent, where that is known already. */
  readonly refusal: ErrorCode | false | undefined
}

/** What is to be published, its data encoded. */
export interface PublishContent {
  readonly channel: string
  readonly name: string
  readonly dataText: string
  /** Refused if the channel has moved past it. */
  readonly base: Position | undefined
  /** Where the outbox drops by priority, the lower goes first. */
  readonly priority: number
}

/** A publish as the application handed it over. */
export interface Publish extends PublishContent, Awaited {}

/** A question as it travels, but for its id. */
export type QuestionFrame = Omit<ReqFrame, 'id'> | Omit<HistFrame, 'id'> | Omit<PresFrame, 'id'>

export type Input =
  | { readonly type: 'connect' | 'disconnect' | 'retry' | 'logout' | 'wake' }
  | { readonly type: 'close'; readonly drainMs: number }
  | ({ readonly type: 'publish' } & Publish)
  | { readonly type: 'abort'; readonly id: string }
  /** A question that has one answer. */
  | ({ readonly type: 'ask'; readonly frame: QuestionFrame } & Awaited)
  | { readonly type: 'subscribe' | 'unsubscribe' | 'refresh'; readonly channel: string }
  | { readonly type: 'leave'; readonly channel: string }
  | { readonly type: 'volatile'; readonly frame: VolFrame; readonly everyMs: number }
  | { readonly type: 'delivered'; readonly deliveries: readonly Delivery[] }
  | { readonly type: 'hint'; readonly hint: Hint }
  | { readonly type: 'authorized'; readonly attemptId: number; readonly url: string; readonly token: string }
  | { readonly type: 'denied'; readonly attemptId: number; readonly error: unknown }
  | { readonly type: 'socket.opened'; readonly socketId: number }
  | {
      readonly type: 'socket.received'
      readonly socketId: number
      readonly message: Decoded<ServerFrame> | 'malformed'
      /** Characters of the message, by which what waits for handlers is counted. */
      readonly length: number
    }
  | { readonly type: 'socket.ended'; readonly socketId: number; readonly closeCode: number; readonly reason: string }

/** An input of that type. */
export type InputOf<Type extends Input['type']> = Extract<Input, { type: Type }>

/** A message as handlers receive it. */
export interface Message {
  /** Chosen once by its sender; the same however often it travels. */
  readonly id: string
  readonly name: string
  readonly data: unknown
  /** Its place in the channel, +1 each, within `epoch`. */
  readonly offset: number
  /** The history that `offset` counts in. */
  readonly epoch: string
  /** Who published it; `undefined` on messages of the server's own. */
  readonly sender: Sender | undefined
  /** When the server stored it, Unix milliseconds by the server's clock. */
  readonly storedAtMs: number
  /** It was fetched from the history rather than pushed. */
  readonly replayed: boolean
  /** The last reset's snapshot may contain it already: the server could not tell exactly what the snapshot stands for. */
  readonly overlap: boolean
}

/** What is true now, as handlers receive it: not stored, and possibly not the only one that was sent. */
export interface VolatileMessage {
  readonly name: string
  readonly data: unknown
  /** Of the same sender, name and key only the newest counts. */
  readonly key: string | undefined
  /** Who sent it; `undefined` on messages of the server's own. */
  readonly sender: Sender | undefined
}

/** A complete new start of a channel: whatever was known of it before no longer counts. */
export interface Reset {
  /** Why: `history-evicted`, `epoch-changed`, `offset-ahead`, `initial`, `asked`, or another word of the server's. */
  readonly reason: string
  /** The channel's state at `position`; `undefined` where the server keeps none. */
  readonly snapshot: unknown
  /** Delivery goes on right after this position. */
  readonly position: Position
}

/** The way of one channel's messages to its handlers. */
export interface Lane {
  /** What waits in it, in characters as they arrived. */
  queued: number
  /** What waits in it is for nobody any more: a new start has replaced it, or nobody reads the channel now. */
  isClosed: boolean
  /** While a handler of a reset takes its time: what waits behind it. */
  parked: Delivery[] | undefined
  /** The application has everything up to this offset from elsewhere. */
  skipTo: number
}

/** What handlers hear of. */
type Happening =
  | { readonly event: 'message'; readonly detail: Message }
  | { readonly event: 'reset'; readonly detail: Reset }
  | { readonly event: 'volatile'; readonly detail: VolatileMessage }

/** Something on its way to the handlers of a channel. */
export type Delivery = Happening & {
  readonly type: 'deliver'
  readonly channel: string
  readonly lane: Lane
  readonly length: number
}

/** A part of a channel's history. */
export interface HistoryPage {
  /** The oldest first, without a gap. `replayed` is true on all of them. */
  readonly messages: readonly Message[]
  /** Whether older ones are kept. */
  readonly hasMore: boolean
}

/** What an acknowledged publish resolves with. */
export interface Receipt {
  readonly id: string
  readonly epoch: string
  readonly offset: number
}

export type Effect =
  /** Asks for an address, unless a connection is open, and for a token, if there is a reason. */
  | {
      readonly type: 'authorize'
      readonly attemptId: number
      readonly dials: boolean
      readonly reason: TokenReason | false
    }
  | { readonly type: 'socket.open'; readonly socketId: number; readonly url: string; readonly token: string }
  | { readonly type: 'socket.send'; readonly frame: OutgoingFrame }
  | { readonly type: 'socket.close'; readonly closeCode: number; readonly reason: string }
  | { readonly type: 'settle'; readonly id: string; readonly result: unknown }
  | Delivery
  | { readonly type: 'emit'; readonly event: 'status' | 'drained'; readonly detail: ClientSnapshot }
  | { readonly type: 'emit'; readonly event: 'error'; readonly detail: ErrorDetails }
  /** A moment to look at the figures. */
  | { readonly type: 'emit'; readonly event: 'metric'; readonly detail?: undefined }
  /** What looks different: a channel, or the connection as ''. */
  | { readonly type: 'changed'; readonly channel: string }
  /** What asked for a new start has it, or will not. */
  | { readonly type: 'refreshed'; readonly channel: string; readonly error?: RealtimeError | undefined }
  | { readonly type: 'closed' }
