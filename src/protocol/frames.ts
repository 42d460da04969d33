// The frames of the protocol, as types.
//
// Rules of this file:
// - The interfaces are the wire. A field here is a field there, with the same name.
// - Types only: what tells a well-formed frame from anything else is `guards.ts` and the two readers beside it.

/** Where a message stands: `offset` counts from 1 within the history that `epoch` names. Offset 0 is the beginning. */
export interface Position {
  readonly epoch: string
  readonly offset: number
  /** A random mark of that log entry; only from stores that can lose what they acknowledged. */
  readonly tag?: string
}

/** Who published: the authenticated user, and a public random id of the client it came from. */
export interface Sender {
  readonly user: string
  readonly member: string
}

/** What one wants of a channel, and what one is granted. */
export type Grant = 'read' | 'write'

/** One who is here, and what is told of them. */
export interface RosterEntry extends Sender {
  readonly data: unknown
}

// client → server

export interface HelloFrame {
  readonly type: 'hello'
  readonly version: number
  readonly producer: string
  readonly generation: number
  readonly token?: string
}
export interface SubFrame {
  readonly type: 'sub'
  readonly channel: string
  readonly request: number
  readonly want: readonly Grant[]
  readonly position?: Position
  readonly reset?: boolean
  readonly settledBelow?: number
}
export interface UnsubFrame {
  readonly type: 'unsub'
  readonly channel: string
  readonly request: number
}
export interface PubFrame {
  readonly type: 'pub'
  readonly channel: string
  readonly sequence: number
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly base?: Position
}
export interface FetchFrame {
  readonly type: 'fetch'
  readonly channel: string
  readonly request: number
  readonly position: Position
  readonly count: number
}
export interface PingFrame {
  readonly type: 'ping'
  readonly n: number
}
/** A new token for the connection that is open. */
export interface AuthFrame {
  readonly type: 'auth'
  readonly token: string
}
/** Asks the application behind the server something; answered once, by `res`. */
export interface ReqFrame {
  readonly type: 'req'
  readonly id: string
  readonly name: string
  readonly params: unknown
}
/** Asks for messages before a position, or for the newest; answered once, by `histpage`. */
export interface HistFrame {
  readonly type: 'hist'
  readonly id: string
  readonly channel: string
  readonly before?: Position
  readonly limit: number
}
/** What is true now and need not be kept: neither stored nor answered. */
export interface VolFrame {
  readonly type: 'vol'
  readonly channel: string
  readonly name: string
  readonly data: unknown
  /** The newest of each key counts; what is older may be left out. */
  readonly key?: string
}
/** Here, with this to be told, or with null not any more; answered once, by `res`. */
export interface PresFrame {
  readonly type: 'pres'
  readonly id: string
  readonly channel: string
  readonly data: unknown
}
/** The client's answer to a server's ping; it carries no tops. */
export interface ClientPongFrame {
  readonly type: 'pong'
  readonly n: number
}
export type ClientFrame =
  | HelloFrame
  | SubFrame
  | UnsubFrame
  | PubFrame
  | FetchFrame
  | PingFrame
  | ClientPongFrame
  | AuthFrame
  | ReqFrame
  | HistFrame
  | VolFrame
  | PresFrame

// server → client

export interface Limits {
  /** Unanswered publishes of one connection, at most. */
  readonly window: number
  /** Their encoded bytes, at most (or one publish). */
  readonly windowBytes: number
  /** Bytes of one WebSocket message, at most. */
  readonly messageBytes: number
  readonly snapshotBytes: number
  /** Events of one page, at most. */
  readonly pageCount: number
  readonly publishesPerSecond: number
  readonly publishBurst: number
  /** With the feature `volatile`: `vol` frames a second; what is above is merged. */
  readonly volatilePerSecond?: number
}
export interface WelcomeFrame {
  readonly type: 'welcome'
  readonly version: number
  readonly level: number
  readonly features: readonly string[]
  /** This client's own public id, as others see it in `sender.member`. */
  readonly member: string
  readonly heartbeat: { readonly intervalMs: number }
  readonly limits: Limits
  readonly tokenExpiresInMs?: number
  readonly contractVersion?: string
}
export interface AttachedFrame {
  readonly type: 'attached'
  readonly channel: string
  readonly request: number
  readonly grants: readonly Grant[]
  readonly top: Position
  readonly mode: 'live' | 'catching-up' | 'reset'
  readonly producer?: {
    readonly incarnation: string
    readonly last: number
    /** What this producer has stored lately: sequence, message id, offset. */
    readonly done: readonly (readonly [sequence: number, id: string, offset: number])[]
  }
}
export interface DeniedFrame {
  readonly type: 'denied'
  readonly channel: string
  readonly request: number
  readonly code: string
  readonly message?: string
}
export interface ResetFrame {
  readonly type: 'reset'
  readonly channel: string
  readonly request?: number
  readonly reason: string
  /** Where delivery goes on from: the snapshot stands for everything up to here. */
  readonly position: Position
  readonly top: Position
  readonly snapshot?: unknown
  readonly overlapTo?: number
}
export interface DetachedFrame {
  readonly type: 'detached'
  readonly channel: string
  readonly request: number
  readonly code: string
}
export interface AckFrame {
  readonly type: 'ack'
  readonly channel: string
  readonly sequence: number
  readonly offset: number
  readonly tag?: string
}
export interface NackFrame {
  readonly type: 'nack'
  readonly channel: string
  readonly sequence: number
  readonly code: string
  readonly message?: string
}
/** One entry of a channel's log, as it travels. */
export interface LogEvent {
  readonly offset: number
  readonly tag?: string
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly sender?: Sender
  readonly storedAtMs: number
}
export interface EventFrame extends LogEvent {
  readonly type: 'event'
  readonly channel: string
}
export interface PageFrame {
  readonly type: 'page'
  readonly channel: string
  readonly request: number
  /** The first offset the page may hold: the one after the position asked for. */
  readonly from: number
  readonly previousTag?: string
  readonly events: readonly LogEvent[]
  /** Whether more waits to be fetched; false also means that the server pushes from here on. */
  readonly more: boolean
  /** With `more: false`: the newest position, read from the store for this page. */
  readonly top?: Position
}
export interface BehindFrame {
  readonly type: 'behind'
  readonly channel: string
}
export interface Top extends Position {
  readonly channel: string
}
export interface PongFrame {
  readonly type: 'pong'
  readonly n: number
  /** The newest positions of attached channels that changed since the last pong on this socket; the first lists all. */
  readonly tops: readonly Top[]
}
export interface ErrorFrame {
  readonly type: 'error'
  readonly code: string
  readonly message: string
  readonly retryAfterMs?: number
}
/** The token of this connection ends soon: `auth` with a new one keeps it open. */
export interface AuthreqFrame {
  readonly type: 'authreq'
  readonly withinMs: number
}
/** Why something that was asked for is not to be had. */
export interface Refused {
  readonly code: string
  readonly message?: string
}
export interface ResFrame {
  readonly type: 'res'
  readonly id: string
  readonly data?: unknown
  readonly error?: Refused
}
export interface HistpageFrame {
  readonly type: 'histpage'
  readonly id: string
  /** The oldest first, without a gap. */
  readonly events: readonly LogEvent[]
  /** Whether older ones are kept. */
  readonly more: boolean
  /** The history that the offsets count in. */
  readonly epoch: string
  readonly error?: Refused
}
/** The server is about to stop: a client reconnects at a random instant between these two. */
export interface DrainFrame {
  readonly type: 'drain'
  readonly afterMinMs: number
  readonly afterMaxMs: number
}
export interface ServerVolFrame extends VolFrame {
  /** Left out where the server itself has sent it. */
  readonly sender?: Sender
}
/** Who is here, or how that has changed. */
export interface ServerPresFrame {
  readonly type: 'pres'
  readonly channel: string
  /** One more than that of the frame before, unless this one has `full`. */
  readonly version: number
  /** Everyone; whatever was known before no longer counts. */
  readonly full?: readonly RosterEntry[]
  /** Who has come, or is told of anew. */
  readonly set?: readonly RosterEntry[]
  /** Who has gone: `member`s. */
  readonly cleared?: readonly string[]
}
export type ServerFrame =
  | WelcomeFrame
  | AttachedFrame
  | DeniedFrame
  | ResetFrame
  | DetachedFrame
  | AckFrame
  | NackFrame
  | EventFrame
  | PageFrame
  | BehindFrame
  | PingFrame
  | PongFrame
  | ErrorFrame
  | AuthreqFrame
  | DrainFrame
  | ResFrame
  | HistpageFrame
  | ServerVolFrame
  | ServerPresFrame
