// The connection's life: what each transition entails, and the deadline of each phase.
//
// Rules of this file:
// - One function changes the phase; what leaving and entering entail follows from the phases' facts.
// - A socket is abandoned, never waited for: closing on a dead network can take a minute.
// - A socket is dead when a ping stays unanswered or its buffer does not drain. A ping is answered by its own pong alone: a
//   one-way half-open socket keeps talking.
// - Hints hurry or probe; none of them ends a socket or a wait by itself.

import { pick } from '../delivery/outbox.ts'
import { backoffDelayMs, HINT_JITTER_MS, SLOW_DELAY_MS } from '../connection/backoff.ts'
import { move, publicStatus } from '../connection/machine.ts'
import { type Phase, type PhaseFacts, PHASES } from '../connection/phases.ts'
import type { Trigger } from '../connection/table.ts'
import type { InputOf } from '../effects.ts'
import { type Cause, causeOf, type ErrorCode, isRealtimeError, RealtimeError } from '../errors.ts'
import {
  CLOSE_ABANDONED,
  CLOSE_BAD_FRAME,
  type ClosePolicy,
  closeMeaning,
  retryAfterMs,
} from '../protocol/close-codes.ts'
import { PROTOCOL_VERSION } from '../protocol/codec.ts'
import type { DrainFrame, PingFrame, PongFrame, WelcomeFrame } from '../protocol/frames.ts'
import type { ClientSnapshot } from '../snapshots.ts'
import { failQuestions, loseQuestions } from './asking.ts'
import { attach, detachAll } from './attaching.ts'
import { type ChannelRecord, complain, type Core, send, sends, type Strike, sweepAt, type Violation } from './core.ts'
import { giveUp, loseTrack } from './publishing.ts'
import { readTops } from './receiving.ts'

/** A probe waits at least this long, in milliseconds, however quick the server has been. */
const MIN_PROBE_MS = 3_000
/** The most by which the time for an answer grows, as a factor: from 10 s to 4 min by the defaults. */
const MAX_PATIENCE = 24
/** How often trouble of this kind may come, without a stable session in between, before the client stops. */
const MAX_STRIKES: { readonly [Kind in Strike]?: number } = { reauthorize: 1, protocol: 2 }
/** The shortest heartbeat, in milliseconds, whatever a server says. */
const MIN_HEARTBEAT_MS = 100
/** Hints cut a wait no more often than this, in milliseconds: a page that flickers must not defeat the backoff. */
const HURRY_PAUSE_MS = 2_000
/** A token is not used any more this long before it expires, in milliseconds, or for the last third of a short life. */
const TOKEN_LEAD_MS = 30_000
/** The application's own end of a socket. */
const CLOSE_NORMAL = 1000

/** Applies `what` and does what the change entails. */
export function trigger(core: Core, what: Trigger, cause: Cause | null = null, closeCode = CLOSE_NORMAL): void {
  const from = PHASES[core.phase]
  const next = move(core, what, cause)
  if (next === 'never') {
    complain(core, new RealtimeError('internal', { message: `${what} while ${core.phase}` }))
    // A wrong state becomes a reconnect.
    if (from.socket) trigger(core, 'lost', causeOf('internal'))
  } else if (next !== core) {
    core.phase = next.phase
    core.cause = next.cause
    const to = PHASES[next.phase]
    if (from.socket && !to.socket) core.effects.push({ type: 'socket.close', closeCode, reason: '' })
    if ((from.sends && !to.sends) || !to.accepts) {
      // The next session finds out what became of the rest, unless there is none.
      if (!to.accepts) {
        giveUp(core, [...core.publishes.unsettled], 'closed')
        failQuestions(core, 'closed', Boolean)
      }
      loseQuestions(core)
      core.volatiles.clear()
      for (const entry of pick(core.publishes, ({ sequence, incarnationId }) => sequence && !incarnationId))
        loseTrack(core, entry, 'connection-lost')
      detachAll(core)
      core.leavesAtMs = Infinity
    }
    enter(core, next.phase, from)
    show(core)
    if (!to.accepts) core.effects.push({ type: 'closed' })
  }
}

function enter(core: Core, phase: Phase, from: PhaseFacts): void {
  // Whatever waits for an answer has this long; the two that do not are set below.
  core.answerMs =
    phase === 'probing' ? core.settings.heartbeat.timeoutMs * core.patience : core.settings.connect.timeoutMs
  core.timerAtMs = PHASES[phase].timer ? core.clock.awakeMs + core.answerMs : Infinity
  if (phase === 'authorizing') {
    // Out of a rest everything starts from the beginning.
    if (!from.timer) forgive(core)
    core.tries++
    core.askedWaitMs = 0
    askToken(core, !core.token || core.clock.elapsedMs >= core.tokenUntilMs, true)
  } else if (phase === 'live') {
    if (!from.sends) core.liveAtMs = core.clock.awakeMs
    core.timerAtMs = core.pingedAtMs + core.heartbeatMs
  } else if (phase === 'probing') {
    core.pingedAtMs = core.clock.awakeMs
    core.topsAskedAtMs = core.clock.elapsedMs
    core.sentBeforePingBytes = core.clock.sentBytes
    send(core, { type: 'ping', n: ++core.pings })
  } else if (phase === 'waiting') {
    const outageMs = core.clock.elapsedMs - core.outageAtMs
    core.timerAtMs =
      core.clock.elapsedMs +
      backoffDelayMs(core.settings.backoff, core.tries, outageMs, core.askedWaitMs, core.random())
    if (core.tries >= core.settings.backoff.maxAttempts) {
      trigger(core, 'rejected', causeOf('gave-up', core.cause?.closeCode))
    }
  }
}

/** Asks for a token, if one is `needed` and can be had, and for an address where that is to be dialled. */
function askToken(core: Core, needed: boolean, dials: boolean): void {
  const reason = needed && !!core.settings.getToken && core.tokenReason
  core.effects.push({ type: 'authorize', attemptId: ++core.attemptId, dials, reason })
}

/** The server wants a new token for the connection that is open. */
export function authorizationAsked(core: Core): void {
  if (core.settings.getToken) askToken(core, true, false)
}

/** The server is about to stop: all its clients leave it, one after the other. */
export function drained(core: Core, { afterMinMs, afterMaxMs }: DrainFrame): void {
  core.leavesAtMs = core.clock.awakeMs + afterMinMs + core.random() * Math.max(0, afterMaxMs - afterMinMs)
}

/** It is this client's turn to leave, if it is: at once, for another server is there already. */
export function moveOn(core: Core): void {
  if (core.leavesAtMs > core.clock.awakeMs) return
  endSession(core)
  trigger(core, 'moved')
}

/** A stable session forgives what came before it. */
function endSession(core: Core): void {
  if (core.clock.awakeMs - core.liveAtMs >= core.settings.backoff.stableAfterMs) forgive(core)
  core.liveAtMs = Infinity
}

/** An outage begins anew: what came before it no longer counts. */
function forgive(core: Core): void {
  core.tries = 0
  core.strikes = {}
  core.outageAtMs = core.clock.elapsedMs
  core.liveAtMs = Infinity
}

/** Renews what the application sees of the connection, if it looks different. */
function show(core: Core): void {
  const before = core.view
  const status = publicStatus(core.phase, before.status)
  const isNew = status !== before.status
  const isLive = sends(core)
  const snapshot: ClientSnapshot = {
    status,
    previous: isNew ? before.status : before.previous,
    cause: core.cause,
    attempt: isLive ? 0 : core.tries,
    retryAtMs: core.phase === 'waiting' ? core.clock.wallMs + core.timerAtMs - core.clock.elapsedMs : null,
    sinceMs: isNew ? core.clock.wallMs : before.sinceMs,
    transport: isLive ? 'websocket' : null,
    resumed: false,
  }
  if (JSON.stringify(snapshot) === JSON.stringify(before)) return
  core.view = snapshot
  core.effects.push({ type: 'changed', channel: '' })
  if (!isNew) return
  core.effects.push({ type: 'emit', event: 'status', detail: snapshot }, { type: 'emit', event: 'metric' })
}

/** What was asked for is there: dial, or tell the server of the new token. */
export function authorized(core: Core, { attemptId, url, token }: InputOf<'authorized'>): void {
  if (core.attemptId !== attemptId) return
  if (token) {
    core.token = token
    core.tokenReason = 'expiring'
    core.tokenUntilMs = Infinity
  }
  if (core.phase === 'authorizing') {
    trigger(core, 'authorized')
    const isOutside = core.settings.connect.tokenIn === 'subprotocol'
    core.effects.push({ type: 'socket.open', socketId: ++core.socketId, url, token: isOutside ? core.token : '' })
  } else if (sends(core)) send(core, { type: 'auth', token })
}

/** There is no address or no token: for good if there never will be, else try again. A connection that is open goes on while it may. */
export function unauthorized(core: Core, { attemptId, error }: InputOf<'denied'>): void {
  if (core.attemptId !== attemptId) return
  const isDialling = core.phase === 'authorizing'
  if (isRealtimeError(error) && (isDialling || sends(core)))
    lose(core, causeOf(error.code, undefined, error.message), 'stop')
  else if (isDialling) lose(core, causeOf('connection-refused'))
}

/** Another person may be next: nothing of this one is left. */
export function logout(core: Core): void {
  giveUp(core, [...core.publishes.unsettled], 'logged-out')
  failQuestions(core, 'logged-out', Boolean)
  for (const record of core.records.values()) {
    record.readers = record.readUntilMs = record.writeUntilMs = 0
    record.presence = undefined
    attach(core, record)
  }
  core.producerId = core.createId()
  // An answer that is still on its way is about that one.
  core.attemptId++
  core.token = ''
  core.tokenReason = 'first'
  trigger(core, 'logout')
}

/** Whether an event belongs to the socket in use. One of an abandoned socket means nothing. */
export function isCurrent(core: Core, socketId: number): boolean {
  return core.socketId === socketId && PHASES[core.phase].socket
}

export function opened(core: Core): void {
  trigger(core, 'opened')
  send(core, {
    type: 'hello',
    version: PROTOCOL_VERSION,
    producer: core.producerId,
    generation: core.socketId,
    token: (core.settings.connect.tokenIn === 'hello' && core.token) || undefined,
  })
}

export function welcomed(core: Core, frame: WelcomeFrame): Violation {
  if (frame.version !== PROTOCOL_VERSION) return 'protocol'
  const { tokenExpiresInMs = Infinity } = frame
  core.tokenUntilMs = core.clock.elapsedMs + tokenExpiresInMs - Math.min(TOKEN_LEAD_MS, tokenExpiresInMs / 3)
  // A greeting may be answered twice, and so is a new token; nothing else is new in that.
  if (sends(core)) return
  core.serverLimits = frame.limits
  core.features = frame.features
  core.member = frame.member
  // Set by every welcome, so this is not the first.
  if (core.heartbeatMs) core.counters.reconnects++
  core.heartbeatMs = core.settings.heartbeat.intervalMs
  // Who never wants to ask is not made to by the server.
  if (core.heartbeatMs < Infinity) {
    core.heartbeatMs = Math.max(MIN_HEARTBEAT_MS, Math.min(core.heartbeatMs, frame.heartbeat.intervalMs || Infinity))
  }
  core.pingedAtMs = core.clock.awakeMs
  trigger(core, 'welcomed')
  for (const record of core.records.values()) attach(core, record)
}

/** The socket has ended by itself, or never came to be: its close code decides. */
export function ended(core: Core, { closeCode, reason }: InputOf<'socket.ended'>): void {
  const { policy, code } = closeMeaning(closeCode, core.settings.closeCodes)
  core.askedWaitMs = Math.max(retryAfterMs(reason), policy === 'retry-slower' ? SLOW_DELAY_MS : 0)
  const isRefused = core.phase === 'opening' && code === 'connection-lost'
  if (code === 'frame-too-large') {
    // What cannot be read now cannot be read next time either. Whether this is what was too large, nobody says.
    giveUp(core, [...core.publishes.unanswered.values()].sort((a, b) => b.bytes - a.bytes).slice(0, 1), code)
  }
  if (policy === 'reauthorize') {
    core.token = ''
    core.tokenReason = 'refused'
  }
  lose(core, causeOf(isRefused ? 'connection-refused' : code, closeCode), policy)
  if (policy === 'replace') {
    // What replaced this client acts for its producer now; going on here is somebody new.
    core.producerId = core.createId()
    for (const entry of pick(core.publishes, ({ sequence }) => sequence)) loseTrack(core, entry, code)
  }
}

/** The peer sent what it must not: replace the socket, and stop if that is against the protocol and keeps happening. */
export function violated(core: Core, what: string, code: ErrorCode = 'protocol'): void {
  lose(core, causeOf(code, CLOSE_BAD_FRAME, `The server sent a bad ${what}`), 'retry', CLOSE_BAD_FRAME)
}

function lose(core: Core, cause: Cause, policy: ClosePolicy = 'retry', closeCode = CLOSE_ABANDONED): void {
  endSession(core)
  const kind = policy === 'reauthorize' ? policy : cause.code
  const count = (core.strikes[kind] ?? 0) + 1
  core.strikes[kind] = count
  const isFinal = policy === 'stop' || policy === 'replace' || count > (MAX_STRIKES[kind] ?? Infinity)
  trigger(core, isFinal ? 'rejected' : 'lost', cause, closeCode)
}

/** Nothing comes any more. If an answer was on its way, the link may only be slow: the next one gets more time. */
function abandon(core: Core): void {
  const isWaiting = ({ fetching, askedAtMs }: ChannelRecord) => fetching || askedAtMs < Infinity
  if ([...core.records.values()].some(isWaiting)) core.patience = Math.min(2 * core.patience, MAX_PATIENCE)
  lose(core, causeOf('connection-lost'))
}

/** The deadline of the present phase, if it has come. */
export function phaseDue(core: Core): void {
  if (phaseDueInMs(core) > 0) return
  if (PHASES[core.phase].timer === 'due') trigger(core, 'due')
  else if (sends(core)) abandon(core)
  else lose(core, causeOf('timeout'))
}

/** How long until the deadline of the present phase; a wait goes on while the machine sleeps, an answer is not late for it. */
export function phaseDueInMs(core: Core): number {
  return core.timerAtMs - (core.phase === 'waiting' ? core.clock.elapsedMs : core.clock.awakeMs)
}

/** The server asks: answer. The step that brought it sends our own question too, if that is overdue: in a hidden page the
 * server's questions keep the pace. */
export function pinged(core: Core, frame: PingFrame): void {
  send(core, { type: 'pong', n: frame.n })
}

/** The answer to our newest ping. Of any other only the tops mean anything. */
export function ponged(core: Core, frame: PongFrame): void {
  readTops(core, frame)
  if (frame.n !== core.pings || core.phase !== 'probing') return
  const roundTripMs = core.clock.awakeMs - core.pingedAtMs
  core.roundTripMs += (roundTripMs - core.roundTripMs) / (core.roundTripMs ? 8 : 1)
  trigger(core, 'heard')
  core.effects.push({ type: 'emit', event: 'metric' })
}

/** Makes sure that the socket lives, sooner than the heartbeat would. */
export function probe(core: Core): void {
  trigger(core, 'nudge')
  if (core.phase !== 'probing') return
  core.answerMs = Math.min(core.answerMs, Math.max(MIN_PROBE_MS, 4 * core.roundTripMs) * core.patience)
  core.timerAtMs = Math.min(core.timerAtMs, core.clock.awakeMs + core.answerMs)
}

/** The platform says something about the page or the network. */
export function hinted(core: Core, { hint }: InputOf<'hint'>): void {
  // What was fresh before a sleep may not be.
  sweepAt(core, 0)
  if (hint === 'hidden') return
  if (core.phase !== 'waiting') return probe(core)
  const dueAtMs = core.clock.elapsedMs + core.random() * HINT_JITTER_MS
  if (
    hint !== 'offline' &&
    dueAtMs < core.timerAtMs &&
    // Never below what the server asked for: a hint must not defeat a refusal.
    core.askedWaitMs === 0 &&
    core.clock.elapsedMs - core.hurriedAtMs >= HURRY_PAUSE_MS
  ) {
    core.hurriedAtMs = core.clock.elapsedMs
    core.timerAtMs = dueAtMs
    show(core)
  }
}

/** Whether the socket's buffer drains: bytes that leave are a sign of life, bytes that stay are the opposite. */
export function watchDrain(core: Core): void {
  if (!sends(core)) return
  const drainedBytes = core.clock.sentBytes - core.clock.waitingBytes
  if (drainedBytes > core.drainedBytes || core.clock.waitingBytes === 0) {
    core.drainedAtMs = core.clock.awakeMs
    // The answer to a ping is due once what was sent before it has left; what came after it does not count.
    if (core.phase === 'probing' && core.drainedBytes < core.sentBeforePingBytes) {
      core.timerAtMs = core.clock.awakeMs + core.answerMs
    }
    core.drainedBytes = drainedBytes
  } else if (core.clock.awakeMs - core.drainedAtMs >= core.settings.heartbeat.timeoutMs) {
    abandon(core)
  }
}
