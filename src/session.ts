// The inside as a whole: one step from an input to its effects.
//
// Rules of this file:
// - Deterministic and without I/O: no clock, no promise, no callback out, no throw across `step`.
// - Waking early, late or twice is harmless: deadlines are compared, never trusted.
// - Run to completion: the driver calls `step` again only after it has returned.

import { due } from './delivery/outbox.ts'
import type { Effect, Input, Now } from './effects.ts'
import { knownErrorCode, RealtimeError } from './errors.ts'
import type { Settings } from './options.ts'
import type { ServerFrame } from './protocol/frames.ts'
import { answered, ask, expireQuestions, failQuestions, historyAnswered, pumpQuestions } from './session/asking.ts'
import { attach, denied, detached, restart, subscribe, unsubscribe } from './session/attaching.ts'
import {
  authorizationAsked,
  authorized,
  ended,
  hinted,
  drained,
  isCurrent,
  logout,
  moveOn,
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
  freshForMs,
  isRead,
  sends,
  sweepAt,
  touch,
  type Violation,
} from './session/core.ts'
import { abort, acked, canWrite, giveUp, nacked, publish, pump } from './session/publishing.ts'
import { leave, roster } from './session/presence.ts'
import { attached, behind, delivered, event, fillGap, page, reset, volatile } from './session/receiving.ts'
import { pumpVolatiles, sendVolatile } from './session/volatiles.ts'
import type { ChannelSnapshot, ClientSnapshot, Present } from './snapshots.ts'

/** How often a full socket is looked at, in milliseconds: browsers have no event for its draining. */
const DRAIN_POLL_MS = 50
/** Later than any client lives; `Infinity` means that nobody has asked it to close. */
const FOREVER_MS = 1e15
/** What a server may say before it has said welcome. */
const GREETINGS: readonly string[] = ['welcome', 'error', 'ping']

/** Counters and sizes, for the application to look at. */
export interface Stats {
  /** Publishes that have not settled. */
  readonly outbox: number
  /** Their encoded bytes. */
  readonly outboxBytes: number
  /** What waits for its turn, because messages before it are missing, or for handlers: in characters as it arrived. */
  readonly held: number
  /** Sessions that became live after the first. */
  readonly reconnects: number
  /** Arrivals that were seen before, and left out. */
  readonly duplicates: number
  /** Holes in the offsets that had to be fetched. */
  readonly gaps: number
  /** New starts. */
  readonly resets: number
  /** Frames of types that this version does not know. */
  readonly unknownFrames: number
  /** How long publishes wait yet for the pace that the server has named, in milliseconds; 0 where they do not. */
  readonly pacedMs: number
  /** Smoothed round trip of the heartbeat in milliseconds; 0 before the first. */
  readonly latencyMs: number
}

export interface Session {
  step(input: Input, now: Now): readonly Effect[]
  /** How long, over both clocks, until `step({ type: 'wake' })` is due; `Infinity` if nothing is, below 0 if it is overdue. Counted from the last step. */
  dueInMs(): number
  /** The same reference until something visible has changed. */
  getSnapshot(): ClientSnapshot
  getChannelSnapshot(channel: string, elapsedMs?: number): ChannelSnapshot
  /** The same reference until it has changed. */
  getRoster(channel: string): readonly Present[]
  getStats(): Stats
}

export function createSession(settings: Settings, random: () => number, createId: () => string): Session {
  const core = createCore(settings, random, createId)
  return {
    step(input, now) {
      core.clock = now
      core.effects = []
      const { socketId } = input as { readonly socketId?: number }
      if (socketId === undefined || isCurrent(core, socketId)) ON_INPUT[input.type](core, input as never)
      if (input.type === 'delivered') return core.effects
      lookAfter(core)
      if (sends(core)) {
        pumpQuestions(core)
        pumpVolatiles(core)
      }
      // A publish to a channel that cannot be written yet opens no way for the others.
      if (sends(core) && (input.type !== 'publish' || canWrite(core, input.channel))) pump(core)
      return core.effects
    },
    dueInMs: () => dueInMs(core),
    getSnapshot: () => core.view,
    getChannelSnapshot: (channel, elapsedMs) => channelSnapshot(core, channel, elapsedMs),
    getRoster: (channel) => channelRecord(core, channel).roster,
    getStats: () => ({
      ...core.counters,
      pacedMs: core.publishes.unsettled.size ? Math.max(0, core.paceAtMs - core.clock.awakeMs) : 0,
      held: [...core.records.values()].reduce((sum, { lane }) => sum + lane.queued, 0),
      outbox: core.publishes.unsettled.size,
      outboxBytes: core.publishes.unsettledBytes,
      latencyMs: core.roundTripMs,
    }),
  }
}

/** What is done about each of `Union`, by its type. */
type Handlers<Union extends { readonly type: string }> = {
  readonly [Type in Union['type']]: (core: Core, what: Extract<Union, { type: Type }>) => Violation
}

/** What the application asks of the connection is a trigger of the same name. */
function want(core: Core, input: { readonly type: 'connect' | 'disconnect' | 'retry' }): void {
  trigger(core, input.type)
}

const ON_INPUT: Handlers<Input> = {
  connect: want,
  disconnect: want,
  retry: want,
  logout,
  close(core, input) {
    core.closeDueAtMs = Math.min(core.closeDueAtMs, core.clock.awakeMs + input.drainMs, FOREVER_MS)
  },
  publish(core, input) {
    publish(core, input)
    attach(core, channelRecord(core, input.channel))
  },
  abort(core, input) {
    abort(core, input)
    failQuestions(core, 'aborted', ({ id }) => id === input.id)
  },
  ask,
  subscribe,
  unsubscribe,
  leave(core, input) {
    leave(core, input)
    failQuestions(core, 'aborted', ({ frame }) => frame.type === 'pres' && frame.channel === input.channel)
  },
  volatile: sendVolatile,
  refresh: restart,
  delivered,
  hint: hinted,
  wake() {},
  authorized,
  denied: unauthorized,
  'socket.opened': opened,
  'socket.received'(core, { socketId, message, length }) {
    if (message === 'malformed') return violated(core, 'message')
    core.counters.unknownFrames += message.unknownCount
    for (const frame of message.frames) {
      // A frame may have ended the socket that it came on, and with it the ones after it.
      if (!isCurrent(core, socketId)) return
      core.frameLength = Math.ceil(length / message.frames.length)
      const isInTime = sends(core) || GREETINGS.includes(frame.type)
      const violation = isInTime ? ON_FRAME[frame.type](core, frame as never) : 'protocol'
      if (violation) violated(core, frame.type, violation)
    }
  },
  'socket.ended': ended,
}

const ON_FRAME: Handlers<ServerFrame> = {
  welcome: welcomed,
  attached,
  denied,
  detached,
  reset,
  ack: acked,
  nack: nacked,
  event,
  page,
  behind,
  ping: pinged,
  pong: ponged,
  authreq: authorizationAsked,
  drain: drained,
  res: answered,
  histpage: historyAnswered,
  vol: volatile,
  pres: roster,
  error(core, { code, message, retryAfterMs }) {
    complain(core, new RealtimeError(knownErrorCode(code, 'server-error'), { message, retryAfterMs }))
  },
}

/** Whatever has come due, on any clock. */
function lookAfter(core: Core): void {
  watchDrain(core)
  phaseDue(core)
  moveOn(core)
  giveUp(core, due(core.publishes, core.clock.awakeMs), 'timeout')
  if (core.clock.awakeMs >= core.sweepAtMs) sweep(core)
  // Asked to close: once everything has settled, or when the time for that is up.
  if (core.closeDueAtMs <= core.clock.awakeMs || (core.closeDueAtMs < Infinity && !core.publishes.unsettled.size))
    trigger(core, 'close')
}

/** Looks after every channel's deadlines, and finds when the next one is. */
function sweep(core: Core): void {
  core.sweepAtMs = Infinity
  expireQuestions(core)
  let askedAtMs = core.publishes.unanswered.values().next().value?.sentAtMs ?? Infinity
  for (const record of core.records.values()) {
    attach(core, record)
    for (const untilMs of [record.readUntilMs, record.writeUntilMs])
      if (untilMs > core.clock.awakeMs) sweepAt(core, untilMs)
    if (record.gapAtMs <= core.clock.awakeMs) fillGap(core, record)
    else sweepAt(core, record.gapAtMs)
    const staleInMs = freshForMs(core, record)
    if (staleInMs > 0) sweepAt(core, core.clock.awakeMs + staleInMs)
    else if (record.isFresh) {
      record.isFresh = false
      touch(core, record)
    }
    askedAtMs = Math.min(askedAtMs, record.askedAtMs, record.fetching ? record.fetchedAtMs : Infinity)
  }
  // All that was asked on this socket is answered: the link is as quick as any.
  if (askedAtMs === Infinity && sends(core)) core.patience = 1
  // A question asked before the last ping speaks of a slow store, not of a dead socket.
  const dueAtMs = Math.max(askedAtMs, core.pingedAtMs) + ANSWER_MS
  if (dueAtMs <= core.clock.awakeMs) probe(core)
  else sweepAt(core, dueAtMs)
}

function channelSnapshot(core: Core, channel: string, elapsedMs = core.clock.elapsedMs): ChannelSnapshot {
  const record = channelRecord(core, channel)
  const isAsked = isRead(core, record) && core.settings.heartbeat.intervalMs < Infinity
  const fresh = isAsked ? freshForMs(core, record, elapsedMs) > 0 : null
  // The moment may have passed without a step: while the page slept, or was busy.
  if (record.view?.fresh !== fresh) record.view = undefined
  record.view ??= {
    status: record.phase,
    fresh,
    syncedAtMs: record.completeAtMs > -Infinity ? core.clock.wallMs - core.clock.elapsedMs + record.completeAtMs : null,
    position: record.shown,
    pending: record.unsettled,
    invalid: 0,
    lastError: record.trouble,
  }
  return record.view
}

function dueInMs(core: Core): number {
  const polls = sends(core) && core.clock.sentBytes > core.drainedBytes
  const dueAtMs = Math.min(core.publishes.dueAtMs, core.sweepAtMs, core.leavesAtMs, core.closeDueAtMs)
  return Math.min(phaseDueInMs(core), dueAtMs - core.clock.awakeMs, polls ? DRAIN_POLL_MS : Infinity)
}
