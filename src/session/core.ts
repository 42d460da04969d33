// The one record that the session's parts work on, and what all of them need of it.
//
// Rules of this folder:
// - Functions over this record; no clock, no promise, no callback out. Time is `core.now`, consequences are `core.effects`.
// - Imports go one way: publishing ← attaching ← receiving, connecting.
// - A part that meets a frame which cannot be answers a Violation; the session closes the socket for it.

import { type Connection, IDLE } from '../connection/machine.ts'
import { PHASES } from '../connection/phases.ts'
import { createOutbox, type Outbox } from '../delivery/outbox.ts'
import type { Effect, Now } from '../effects.ts'
import type { ErrorCode, RealtimeError } from '../errors.ts'
import type { Settings } from '../options.ts'
import type { OutgoingFrame } from '../protocol/codec.ts'
import type { Grant, Limits, Position } from '../protocol/frames.ts'
import type { ChannelSnapshot, ChannelStatus, ClientSnapshot } from '../snapshots.ts'

/** True where a frame says what it must not. */
export type Violation = boolean | void

/** What was asked of the server for a channel on this socket, and what it answered. */
export interface Attachment {
  /** The number of the newest `sub`; 0 if none was sent. */
  readonly request: number
  readonly wanted: readonly Grant[]
  /** When it was asked; awake time. `Infinity` once it is answered. */
  askedAtMs: number
  granted: readonly Grant[]
  /** The history that acknowledgements count in. */
  epoch: string
  /** The number of the fetch that is unanswered, and when it was sent. */
  fetch: number
  fetchedAtMs: number
}

export const UNATTACHED: Attachment = {
  request: 0,
  wanted: [],
  askedAtMs: Infinity,
  granted: [],
  epoch: '',
  fetch: 0,
  fetchedAtMs: Infinity,
}

/** Everything the session knows of one channel. */
export interface ChannelRecord {
  readonly name: string
  /** The newest message received; `null` before the first attachment. */
  position: Position | null
  attachment: Attachment
  status: ChannelStatus
  /** Handlers and other readers; while above 0 the channel is wanted for reading. */
  readers: number
  /** Publishes that have not settled; while above 0 the channel is wanted for writing. */
  pending: number
  /** Without readers it stays wanted until then; awake time. */
  readUntilMs: number
  lastError: RealtimeError | null
  snapshot: ChannelSnapshot | undefined
}

/** Trouble that is forgiven a few times: a code, or a close code's policy where that decides. */
export type Strike = ErrorCode | 'reauthorize'

/** Counters since the client was made. */
export interface Counters {
  /** Starts below 0, so that the first session does not count. */
  reconnects: number
  duplicates: number
  gaps: number
  resets: number
  unknownFrames: number
}

export interface Core {
  readonly settings: Settings
  readonly random: () => number
  readonly createId: () => string
  readonly outbox: Outbox
  readonly channels: Map<string, ChannelRecord>
  readonly counters: Counters
  effects: Effect[]
  now: Now
  connection: Connection
  snapshot: ClientSnapshot
  /** Tries since the last stable session: one that is accepted and closed at once does not end an outage. */
  attempt: number
  /** When the present outage, or the first try, began; elapsed time. */
  outageAtMs: number
  /** When this session became live; awake time. `Infinity` while there is none. */
  liveAtMs: number
  /** How often each kind of trouble has come since the last stable session. */
  strikes: { [Kind in Strike]?: number }
  /** Names this client towards the server: a secret of this page load. */
  producer: string
  /** Counts sockets; also the generation by which the server fences old ones. */
  socketId: number
  /** Counts questions for address and token. */
  attemptId: number
  /** Numbers `sub` and `fetch`; never reused, so a late answer cannot be mistaken. */
  request: number
  /** The deadline of the present phase: elapsed time in `waiting`, awake time in all others. */
  timerAtMs: number
  /** No channel has a deadline before this; awake time. The exact one is looked for when it comes. */
  sweepAtMs: number
  /** When the application's `close` stops waiting for the outbox; awake time. */
  closeDueAtMs: number
  /** The shortest wait that the server asked for; applies to the next try. */
  retryAfterMs: number
  /** When a hint last cut a wait; elapsed time. */
  hurriedAtMs: number
  /** The number of our newest ping, when it was sent, in awake time, and its smoothed round trip. */
  pings: number
  pingedAtMs: number
  latencyMs: number
  /** How long its answer may take, in milliseconds. */
  answerMs: number
  heartbeatMs: number
  /** What the server bounds. Empty until `welcome`, before which nothing looks. */
  limits: Limits
  /** How much had left at the last look, and when some of it last did, or nothing waited; awake time. */
  drainedBytes: number
  drainedAtMs: number
  /** What had been sent before our newest ping. */
  sentBeforePingBytes: number
}

/** An answer to anything may take this long, in milliseconds, before the client makes sure that the socket is alive. */
export const ANSWER_MS = 4_000

export function createCore(settings: Settings, random: () => number, createId: () => string): Core {
  return {
    settings,
    random,
    createId,
    outbox: createOutbox(settings.outbox),
    channels: new Map(),
    counters: { reconnects: -1, duplicates: 0, gaps: 0, resets: 0, unknownFrames: 0 },
    effects: [],
    now: { awakeMs: 0, elapsedMs: 0, wallMs: 0, sentBytes: 0, bufferedBytes: 0 },
    connection: IDLE,
    snapshot: {
      status: 'idle',
      previous: 'idle',
      cause: null,
      attempt: 0,
      retryAtMs: null,
      sinceMs: 0,
      transport: null,
      resumed: false,
    },
    attempt: 0,
    outageAtMs: 0,
    liveAtMs: Infinity,
    strikes: {},
    producer: createId(),
    socketId: 0,
    attemptId: 0,
    request: 0,
    timerAtMs: Infinity,
    sweepAtMs: Infinity,
    closeDueAtMs: Infinity,
    retryAfterMs: 0,
    hurriedAtMs: -Infinity,
    pings: 0,
    pingedAtMs: 0,
    latencyMs: 0,
    answerMs: 0,
    heartbeatMs: 0,
    limits: {} as Limits,
    drainedBytes: 0,
    sentBeforePingBytes: 0,
    drainedAtMs: 0,
  }
}

export function channelRecord(core: Core, name: string): ChannelRecord {
  let record = core.channels.get(name)
  if (!record) {
    record = {
      name,
      position: null,
      attachment: UNATTACHED,
      status: 'idle',
      readers: 0,
      pending: 0,
      readUntilMs: 0,
      lastError: null,
      snapshot: undefined,
    }
    core.channels.set(name, record)
  }
  return record
}

/** Sends a frame, and makes sure of the socket if what it asks is not answered in time. */
export function send(core: Core, frame: OutgoingFrame): void {
  core.effects.push({ type: 'socket.send', frame })
  sweepAt(core, core.now.awakeMs + ANSWER_MS)
}

/** Tells the application of trouble that no promise could tell of. */
export function complain(core: Core, error: RealtimeError, channel?: string): void {
  core.effects.push({ type: 'emit', event: 'error', detail: { error, channel } })
}

/** The channel looks different to the application now. */
export function touch(core: Core, record: ChannelRecord, status = record.status): void {
  record.status = status
  record.snapshot = undefined
  core.effects.push({ type: 'changed', channel: record.name })
}

/** Whether frames beyond the greeting can be sent now. */
export function sends(core: Core): boolean {
  return PHASES[core.connection.phase].sends
}

/** A channel has something to look after at that moment; awake time. */
export function sweepAt(core: Core, dueAtMs: number): void {
  core.sweepAtMs = Math.min(core.sweepAtMs, dueAtMs)
}
