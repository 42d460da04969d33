// The inside as a whole: one step from an input to its effects.
//
// Rules of this file:
// - Deterministic and without I/O: no clock, no promise, no callback out, no throw across `step`.
// - Waking early, late or twice is harmless: deadlines are compared, never trusted.
// - Run to completion: the driver calls `step` again only after it has returned.

import type { Effect, Input, Now } from './effects.ts'
import type { Settings } from './options.ts'
import { knownErrorCode, RealtimeError } from './errors.ts'
import type { ErrorFrame, ServerFrame } from './protocol/frames.ts'
import { attach, onDenied, onDetached, subscribe, unsubscribe } from './session/attaching.ts'
import {
  authorized,
  denied,
  ended,
  hinted,
  isCurrent,
  opened,
  phaseDue,
  phaseDueInMs,
  pinged,
  ponged,
  probe,
  trigger,
  violated,
  watchDrain,
  welcomed,
} from './session/connecting.ts'
import {
  ANSWER_MS,
  type ChannelRecord,
  channelRecord,
  type Core,
  createCore,
  sends,
  sweepAt,
  touch,
  type Violation,
} from './session/core.ts'
import { abort, giveUp, onAck, onNack, publish, pump } from './session/publishing.ts'
import { attached, behind, closeGap, event, page, reset, tops } from './session/receiving.ts'
import { type ChannelSnapshot, type ClientSnapshot, IDLE_CHANNEL } from './snapshots.ts'

/** How much longer than the heartbeat an answer about freshness holds, in milliseconds. */
const FRESH_MARGIN_MS = 10_000
/** How often a full socket is looked at, in milliseconds: browsers have no event for its draining. */
const DRAIN_POLL_MS = 50

/** Counters and sizes, for the application to look at. */
export interface Stats {
  /** Sessions that became live, and those after the first. */
  readonly connects: number
  readonly reconnects: number
  /** Arrivals that were seen before, and left out. */
  readonly duplicates: number
  /** Holes in the offsets that had to be fetched, and new starts. */
  readonly gaps: number
  readonly resets: number
  /** Frames of types that this version does not know. */
  readonly unknownFrames: number
  /** Publishes that have not settled, and their encoded bytes. */
  readonly outboxCount: number
  readonly outboxBytes: number
  /** Smoothed round trip of the heartbeat in milliseconds; 0 before the first. */
  readonly roundTripMs: number
}

export interface Session {
  step(input: Input, now: Now): readonly Effect[]
  /** How long, over both clocks, until `step({ type: 'wake' })` is due; `Infinity` if nothing is. Counted from the last step. */
  dueInMs(): number
  /** The same reference until something visible has changed. */
  getSnapshot(): ClientSnapshot
  getChannelSnapshot(channel: string): ChannelSnapshot
  getStats(): Stats
}

export function createSession(settings: Settings, random: () => number, createId: () => string): Session {
  const core = createCore(settings, random, createId)
  return {
    step(input, now) {
      core.now = now
      core.effects = []
      core.stepBytes = 0
      handle(core, input)
      lookAfter(core)
      if (sends(core)) pump(core)
      return core.effects
    },
    dueInMs: () => dueInMs(core),
    getSnapshot: () => core.snapshot,
    getChannelSnapshot: (channel) => channelSnapshot(core, core.channels.get(channel)),
    getStats() {
      const { outbox, counters, roundTripMs } = core
      const reconnects = Math.max(0, counters.connects - 1)
      return { ...counters, reconnects, outboxCount: outbox.count, outboxBytes: outbox.bytes, roundTripMs }
    },
  }
}

type OnInput = { readonly [T in Input['type']]: (core: Core, input: Extract<Input, { type: T }>) => void }

const ON_INPUT: OnInput = {
  connect: (core) => trigger(core, 'connect'),
  disconnect: (core) => trigger(core, 'disconnect'),
  retry: (core) => trigger(core, 'retry'),
  close(core, { drainMs }) {
    core.closeDueAtMs = Math.min(core.closeDueAtMs, core.now.awakeMs + drainMs)
  },
  publish(core, input) {
    if (publish(core, input.publish)) attach(core, channelRecord(core, input.publish.channel))
  },
  abort: (core, { id }) => abort(core, id),
  subscribe,
  unsubscribe,
  hint: hinted,
  wake() {},
  authorized,
  denied,
  'socket.opened': opened,
  'socket.frames': receive,
  'socket.malformed': (core) => violated(core, 'a message that cannot be read'),
  'socket.ended': ended,
}

function handle(core: Core, input: Input): void {
  if ('socketId' in input && !isCurrent(core, input.socketId)) return
  const handler: (core: Core, input: never) => void = ON_INPUT[input.type]
  handler(core, input as never)
}

type OnFrame = {
  readonly [T in ServerFrame['type']]: (core: Core, frame: Extract<ServerFrame, { type: T }>) => Violation | void
}

const ON_FRAME: OnFrame = {
  welcome: welcomed,
  attached,
  denied: onDenied,
  detached: onDetached,
  reset,
  ack: onAck,
  nack: onNack,
  event,
  page,
  behind,
  ping: pinged,
  pong(core, frame) {
    const askedAt = ponged(core, frame)
    if (askedAt) tops(core, frame, askedAt)
  },
  error(core, frame) {
    core.effects.push({ type: 'error', error: peerError(frame) })
  },
}

/** What a server may say before it has said welcome. */
const GREETINGS: readonly string[] = ['welcome', 'error', 'ping']

function receive(core: Core, { socketId, frames, unknownCount }: Extract<Input, { type: 'socket.frames' }>): void {
  core.counters.unknownFrames += unknownCount
  for (const frame of frames) {
    // A frame may have ended the socket that it came on, and with it the ones after it.
    if (!isCurrent(core, socketId)) return
    const handler: (core: Core, frame: never) => Violation | void = ON_FRAME[frame.type]
    const isInTime = sends(core) || GREETINGS.includes(frame.type)
    const violation = isInTime ? handler(core, frame as never) : `${frame.type} before welcome`
    if (violation) violated(core, violation)
  }
}

function peerError({ code, message, retryAfterMs }: ErrorFrame): RealtimeError {
  return new RealtimeError(knownErrorCode(code, 'server-error'), { message, retryAfterMs })
}

/** Whatever has come due, on any clock. */
function lookAfter(core: Core): void {
  const { now, outbox } = core
  watchDrain(core)
  phaseDue(core)
  giveUp(core, outbox.expire(now.awakeMs), 'timeout')
  if (now.awakeMs >= core.sweepAtMs) sweep(core)
  if (now.elapsedMs >= core.staleAtMs) expireFreshness(core)
  if (core.closeDueAtMs !== Infinity && (now.awakeMs >= core.closeDueAtMs || outbox.count === 0)) {
    core.closeDueAtMs = Infinity
    trigger(core, 'close')
  }
}

/** Looks after every channel's deadlines, and finds when the next one is. */
function sweep(core: Core): void {
  const { awakeMs } = core.now
  core.sweepAtMs = Infinity
  let askedAtMs = core.outbox.unansweredSinceMs
  for (const record of core.channels.values()) {
    if (record.gapDueAtMs <= awakeMs) closeGap(core, record)
    if (record.status !== 'idle') attach(core, record)
    for (const dueAtMs of [record.gapDueAtMs, record.readUntilMs, record.writeUntilMs]) {
      if (dueAtMs > awakeMs) sweepAt(core, dueAtMs)
    }
    askedAtMs = Math.min(askedAtMs, record.requestedAt?.awakeMs ?? Infinity, record.fetch?.askedAt.awakeMs ?? Infinity)
  }
  // A question asked before the last answered ping speaks of a slow store, not of a dead socket.
  const dueAtMs = Math.max(askedAtMs, core.ping.askedAt.awakeMs) + ANSWER_MS
  if (dueAtMs <= awakeMs) probe(core)
  else sweepAt(core, dueAtMs)
}

function freshUntilMs(core: Core, record: ChannelRecord): number {
  return (record.freshness.syncedAt?.elapsedMs ?? -Infinity) + core.heartbeatMs + FRESH_MARGIN_MS
}

function isFresh(core: Core, record: ChannelRecord): boolean {
  return freshUntilMs(core, record) > core.now.elapsedMs
}

function expireFreshness(core: Core): void {
  core.staleAtMs = Infinity
  for (const record of core.channels.values()) {
    if (record.snapshot?.fresh && !isFresh(core, record)) touch(core, record)
    else if (isFresh(core, record)) core.staleAtMs = Math.min(core.staleAtMs, freshUntilMs(core, record))
  }
}

function channelSnapshot(core: Core, record: ChannelRecord | undefined): ChannelSnapshot {
  if (!record) return IDLE_CHANNEL
  if (record.snapshot) return record.snapshot
  const { status, inbox, freshness, pending, lastError } = record
  const fresh = isFresh(core, record)
  if (fresh) core.staleAtMs = Math.min(core.staleAtMs, freshUntilMs(core, record))
  record.snapshot = {
    status,
    fresh: core.heartbeatMs === Infinity ? null : fresh,
    syncedAtMs: freshness.syncedAt?.wallMs ?? null,
    position: inbox.position,
    pending,
    invalid: 0,
    lastError,
  }
  return record.snapshot
}

function dueInMs(core: Core): number {
  const { awakeMs, elapsedMs, bufferedBytes } = core.now
  return Math.max(
    0,
    Math.min(
      phaseDueInMs(core),
      Math.min(core.outbox.dueAtMs, core.sweepAtMs, core.closeDueAtMs) - awakeMs,
      core.staleAtMs - elapsedMs,
      sends(core) && bufferedBytes + core.stepBytes > 0 ? DRAIN_POLL_MS : Infinity,
    ),
  )
}
