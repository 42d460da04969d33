// The inside as a whole: one step from an input to its effects.
//
// Rules of this file:
// - Deterministic and without I/O: no clock, no promise, no callback out, no throw across `step`.
// - Waking early, late or twice is harmless: deadlines are compared, never trusted.
// - Run to completion: the driver calls `step` again only after it has returned.

import type { Effect, Input, Now } from './effects.ts'
import { knownErrorCode, RealtimeError } from './errors.ts'
import type { Settings } from './options.ts'
import type { KnownServerFrame } from './protocol/read-server-frame.ts'
import { attach, denied, subscribe, unsubscribe } from './session/attaching.ts'
import {
  authorized,
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
  unauthorized,
  violated,
  watchDrain,
  welcomed,
} from './session/connecting.ts'
import {
  ANSWER_MS,
  channelRecord,
  complain,
  type Core,
  createCore,
  sends,
  sweepAt,
  type Violation,
} from './session/core.ts'
import { abort, acked, giveUp, nacked, publish, pump } from './session/publishing.ts'
import { attached, behind, event, page, reset } from './session/receiving.ts'
import type { ChannelSnapshot, ClientSnapshot } from './snapshots.ts'

/** How often a full socket is looked at, in milliseconds: browsers have no event for its draining. */
const DRAIN_POLL_MS = 50
/** What a server may say before it has said welcome. */
const GREETINGS: readonly string[] = ['welcome', 'error', 'ping']

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
      if (!('socketId' in input) || isCurrent(core, input.socketId)) call(ON_INPUT, core, input)
      lookAfter(core)
      if (sends(core)) pump(core)
      return core.effects
    },
    dueInMs: () => dueInMs(core),
    getSnapshot: () => core.snapshot,
    getChannelSnapshot: (channel) => channelSnapshot(core, channel),
    getStats() {
      const { outbox, counters, roundTripMs } = core
      const reconnects = Math.max(0, counters.connects - 1)
      return { ...counters, reconnects, outboxCount: outbox.count(), outboxBytes: outbox.bytes(), roundTripMs }
    },
  }
}

/** What is done about each of `Union`, by its type. */
type Handlers<Union extends { readonly type: string }> = {
  readonly [Type in Union['type']]: (core: Core, what: Extract<Union, { type: Type }>) => Violation
}

function call<Union extends { readonly type: string }>(handlers: Handlers<Union>, core: Core, what: Union): Violation {
  return handlers[what.type as Union['type']](core, what as never)
}

const ON_INPUT: Handlers<Input> = {
  connect: (core) => trigger(core, 'connect'),
  disconnect: (core) => trigger(core, 'disconnect'),
  retry: (core) => trigger(core, 'retry'),
  close(core, { drainMs }) {
    core.closeDueAtMs = Math.min(core.closeDueAtMs, core.now.awakeMs + drainMs)
  },
  publish(core, { publish: request, refusal }) {
    if (publish(core, request, refusal)) attach(core, channelRecord(core, request.channel))
  },
  abort,
  subscribe,
  unsubscribe,
  hint: hinted,
  wake() {},
  authorized,
  denied: unauthorized,
  'socket.opened': opened,
  'socket.frames'(core, { socketId, frames, unknownCount }) {
    core.counters.unknownFrames += unknownCount
    for (const frame of frames) {
      // A frame may have ended the socket that it came on, and with it the ones after it.
      if (!isCurrent(core, socketId)) return
      const isInTime = sends(core) || GREETINGS.includes(frame.type)
      const violation = isInTime ? call(ON_FRAME, core, frame) : `${frame.type} before welcome`
      if (violation) violated(core, violation)
    }
  },
  'socket.malformed': (core) => violated(core, 'a message that cannot be read'),
  'socket.ended': ended,
}

const ON_FRAME: Handlers<KnownServerFrame> = {
  welcome: welcomed,
  attached,
  denied,
  reset,
  ack: acked,
  nack: nacked,
  event,
  page,
  behind,
  ping: pinged,
  pong: ponged,
  error(core, { code, message, retryAfterMs }) {
    complain(core, new RealtimeError(knownErrorCode(code, 'server-error'), { message, retryAfterMs }))
  },
}

/** Whatever has come due, on any clock. */
function lookAfter(core: Core): void {
  const { now, outbox, closeDueAtMs } = core
  watchDrain(core)
  phaseDue(core)
  giveUp(core, outbox.due(now.awakeMs), 'timeout')
  if (now.awakeMs >= core.sweepAtMs) sweep(core)
  if (closeDueAtMs < Infinity && (now.awakeMs >= closeDueAtMs || outbox.count() === 0)) trigger(core, 'close')
}

/** Looks after every channel's deadlines, and finds when the next one is. */
function sweep(core: Core): void {
  const { awakeMs } = core.now
  core.sweepAtMs = Infinity
  let askedAtMs = core.outbox.unansweredSinceMs()
  for (const record of core.channels.values()) {
    attach(core, record)
    const { attachment, readUntilMs, writeUntilMs } = record
    for (const dueAtMs of [readUntilMs, writeUntilMs]) if (dueAtMs > awakeMs) sweepAt(core, dueAtMs)
    askedAtMs = Math.min(askedAtMs, attachment.askedAtMs, attachment.fetch ? attachment.fetchedAtMs : Infinity)
  }
  // A question asked before the last ping speaks of a slow store, not of a dead socket.
  const dueAtMs = Math.max(askedAtMs, core.pingedAtMs) + ANSWER_MS
  if (dueAtMs <= awakeMs) probe(core)
  else sweepAt(core, dueAtMs)
}

function channelSnapshot(core: Core, channel: string): ChannelSnapshot {
  const record = channelRecord(core, channel)
  const { status, inbox, pending, lastError } = record
  // Freshness is not known yet: nobody asks for it.
  record.snapshot ??= {
    status,
    fresh: null,
    syncedAtMs: null,
    position: inbox.position,
    pending,
    invalid: 0,
    lastError,
  }
  return record.snapshot
}

function dueInMs(core: Core): number {
  const { outbox, now, sweepAtMs, closeDueAtMs, stepBytes } = core
  const polls = sends(core) && now.bufferedBytes + now.outgoingBytes + stepBytes > 0
  const dueAtMs = Math.min(outbox.dueAtMs(), sweepAtMs, closeDueAtMs, polls ? now.awakeMs + DRAIN_POLL_MS : Infinity)
  return Math.max(0, Math.min(phaseDueInMs(core), dueAtMs - now.awakeMs))
}
