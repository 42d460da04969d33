// The one record that the session's parts work on, and what all of them need of it.
//
// Rules of this folder:
// - Functions over this record; no clock, no promise, no callback out. Time is `core.now`, consequences are `core.effects`.
// - Imports go one way: publishing ← attaching ← receiving ← connecting.
// - A part that meets a frame which cannot be returns a Violation; the session closes the socket for it.

import { type Connection, IDLE } from '../connection/machine.ts'
import { PHASES } from '../connection/phases.ts'
import { Freshness } from '../delivery/freshness.ts'
import { Inbox } from '../delivery/inbox.ts'
import { Outbox } from '../delivery/outbox.ts'
import type { Effect, Now } from '../effects.ts'
import type { RealtimeError } from '../errors.ts'
import type { Settings } from '../options.ts'
import type { OutgoingFrame } from '../protocol/codec.ts'
import type { Grant, Limits } from '../protocol/frames.ts'
import { type ChannelSnapshot, type ChannelStatus, type ClientSnapshot, IDLE_SNAPSHOT } from '../snapshots.ts'

/** What a frame did that it must not: words for the log, `undefined` if all is well. */
export type Violation = string | undefined

/** Everything the session knows of one channel. */
export interface ChannelRecord {
  readonly name: string
  readonly inbox: Inbox
  readonly freshness: Freshness
  status: ChannelStatus
  /** Handlers and other readers; while above 0 the channel is wanted for reading. */
  readers: number
  /** Without readers, and without publishes, it stays wanted until then; awake time. */
  readUntilMs: number
  writeUntilMs: number
  /** The number of the newest `sub` on this socket; 0 if none was sent. */
  request: number
  requestedAt: Now | null
  /** What that `sub` wanted. */
  wanted: readonly Grant[]
  /** What its answer granted. */
  granted: readonly Grant[]
  /** The history that acknowledgements of this attachment count in. */
  epoch: string
  /** The fetch that is unanswered. */
  fetch: { readonly request: number; readonly askedAt: Now } | null
  /** The server has named a top that pushing should have brought by then; awake time. */
  gapDueAtMs: number
  /** Publishes that have not settled. */
  pending: number
  lastError: RealtimeError | null
  snapshot: ChannelSnapshot | null
}

/** Counters since the client was made. */
export interface Counters {
  connects: number
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
  /** Names this client towards the server: a secret of this page load. */
  producer: string
  /** Counts sockets; also the generation by which the server fences old ones. */
  socketId: number
  /** Counts questions for address and token. */
  attemptId: number
  /** Numbers `sub`, `unsub` and `fetch`; never reused, so a late answer cannot be mistaken. */
  request: number
  /** The deadline of the present phase, on the clock that its facts name. */
  timerAtMs: number
  /** The shortest wait that the server asked for; applies to the next try. */
  retryAfterMs: number
  /** When a hint last cut a wait; elapsed time. */
  hurriedAtMs: number
  /** When the application's `close` stops waiting for the outbox; awake time. */
  closeDueAtMs: number
  /** No channel has a deadline before this; awake time. The exact one is looked for when it comes. */
  sweepAtMs: number
  /** No channel stops being fresh before this; elapsed time. */
  staleAtMs: number
  ping: { readonly n: number; readonly askedAt: Now; readonly isAnswered: boolean }
  /** What waited in the socket at the last look, and when some of it last left; awake time. */
  undrainedBytes: number
  drainedAtMs: number
  /** Smoothed round trip of pings; 0 before the first. */
  roundTripMs: number
  heartbeatMs: number
  limits: Limits
  /** Bytes sent in this step, which the socket's buffer does not show yet. */
  stepBytes: number
  token: string | undefined
  snapshot: ClientSnapshot
}

/** An answer to anything may take this long, in milliseconds, before the client makes sure that the socket is alive. */
export const ANSWER_MS = 4_000

const START: Now = { awakeMs: 0, elapsedMs: 0, wallMs: 0, bufferedBytes: 0 }

/** What holds until the server has said otherwise; publishes wait for its word. */
const NO_LIMITS: Limits = {
  window: 0,
  windowBytes: 0,
  messageBytes: 0,
  snapshotBytes: 0,
  pageCount: 0,
  publishesPerSecond: 0,
  publishBurst: 0,
}

export function createCore(settings: Settings, random: () => number, createId: () => string): Core {
  return {
    settings,
    random,
    createId,
    outbox: new Outbox(settings.outbox),
    channels: new Map(),
    counters: { connects: 0, duplicates: 0, gaps: 0, resets: 0, unknownFrames: 0 },
    effects: [],
    now: START,
    connection: IDLE,
    producer: createId(),
    socketId: 0,
    attemptId: 0,
    request: 0,
    timerAtMs: Infinity,
    retryAfterMs: 0,
    hurriedAtMs: -Infinity,
    closeDueAtMs: Infinity,
    sweepAtMs: Infinity,
    staleAtMs: Infinity,
    ping: { n: 0, askedAt: START, isAnswered: true },
    undrainedBytes: 0,
    drainedAtMs: 0,
    roundTripMs: 0,
    heartbeatMs: settings.heartbeat.intervalMs,
    limits: NO_LIMITS,
    stepBytes: 0,
    token: undefined,
    snapshot: IDLE_SNAPSHOT,
  }
}

export function channelRecord(core: Core, name: string): ChannelRecord {
  let record = core.channels.get(name)
  if (!record) {
    record = {
      name,
      inbox: new Inbox(),
      freshness: new Freshness(),
      status: 'idle',
      readers: 0,
      readUntilMs: -Infinity,
      writeUntilMs: -Infinity,
      request: 0,
      requestedAt: null,
      wanted: [],
      granted: [],
      epoch: '',
      fetch: null,
      gapDueAtMs: Infinity,
      pending: 0,
      lastError: null,
      snapshot: null,
    }
    core.channels.set(name, record)
  }
  return record
}

export function send(core: Core, frame: OutgoingFrame): void {
  core.effects.push({ type: 'socket.send', frame })
}

/** The channel looks different to the application now. */
export function touch(core: Core, record: ChannelRecord): void {
  record.snapshot = null
  core.effects.push({ type: 'changed', channel: record.name })
}

export function setStatus(core: Core, record: ChannelRecord, status: ChannelStatus): void {
  if (record.status === status) return
  record.status = status
  touch(core, record)
}

/** Whether frames beyond the greeting can be sent now. */
export function sends(core: Core): boolean {
  return PHASES[core.connection.phase].sends
}

/** A channel has something to look after at that moment; awake time. */
export function sweepAt(core: Core, dueAtMs: number): void {
  core.sweepAtMs = Math.min(core.sweepAtMs, dueAtMs)
}

/** Something was asked just now. */
export function awaitAnswer(core: Core): void {
  sweepAt(core, core.now.awakeMs + ANSWER_MS)
}
