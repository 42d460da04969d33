// What an application sees of a client and of a channel: immutable views, a new one for every visible change.

import type { Cause, RealtimeError } from './errors.ts'
import type { Position, RosterEntry } from './protocol/frames.ts'

/**
 * What an application sees of the connection.
 *
 * `connecting` and `reconnecting` include the waits between tries; `connected` includes the moments in which the client makes sure of it.
 */
export type Status = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected' | 'failed' | 'closed'

/**
 * How a channel is getting on.
 *
 * - `idle`: nobody here wants it. `attaching`: asked for, not answered yet, or the connection is down.
 * - `live`: the server pushes, or, for writing alone, takes publishes. `catching-up`: missed messages are being fetched.
 * - `denied`: the server refused it on this connection. `detached`: the server withdrew it.
 */
export type ChannelStatus = 'idle' | 'attaching' | 'live' | 'catching-up' | 'denied' | 'detached'

/** What an application sees of a channel. */
export interface ChannelSnapshot {
  readonly status: ChannelStatus
  /**
   * The server, asked within the last heartbeat interval and 10 seconds, named a position that handlers have been given. It does
   * not count as fresh for longer than that, whatever slept or jumped meanwhile, nor for less where the connection is lost. `null`: nobody reads the channel, or
   * `heartbeat.intervalMs` is `Infinity`, so nobody asks.
   */
  readonly fresh: boolean | null
  /** When the question was asked as of which everything is here; Unix milliseconds. `null` before the first answer. */
  readonly syncedAtMs: number | null
  /** The newest message handed over. */
  readonly position: Position | null
  /** Publishes that have not settled. */
  readonly pending: number
  /** Messages skipped because they did not fit the contract. Always 0 while there are no contracts. */
  readonly invalid: number
  /** Why the channel is `denied`, or why it may be read but not written. */
  readonly lastError: RealtimeError | null
}

/** One who is here. */
export interface Present extends RosterEntry {
  /** It is this client. */
  readonly isSelf: boolean
}

/** What an application sees of the connection. */
export interface ClientSnapshot {
  readonly status: Status
  /** The status before this one. */
  readonly previous: Status
  /** Why it is as it is; `null` where the application asked for it and nothing has gone wrong. */
  readonly cause: Cause | null
  /** Tries since the last stable session; 0 while connected. */
  readonly attempt: number
  /** When the next try is due, Unix milliseconds; `null` unless the client waits. */
  readonly retryAtMs: number | null
  /** When this status began, Unix milliseconds; 0 before anything has happened. */
  readonly sinceMs: number
  readonly transport: 'websocket' | null
  /** The server continued this client's session. Not told yet: always `false`; what becomes of publishes and messages tells more. */
  readonly resumed: boolean
}
