// The connection's life: what each transition entails, and the deadline of each phase.
//
// Rules of this file:
// - One function changes the phase; what leaving and entering entail follows from the phases' facts.
// - A socket is abandoned, never waited for: closing on a dead network can take a minute.
// - Life is a message, or bytes leaving the socket. A probe is answered by its own pong alone: a one-way half-open socket
//   keeps talking.
// - Hints hurry or probe; none of them ends a socket or a wait by itself.

import { backoffDelayMs, HINT_JITTER_MS, SLOW_DELAY_MS } from '../connection/backoff.ts'
import { afterStableSession, move, publicStatus } from '../connection/machine.ts'
import { PHASES } from '../connection/phases.ts'
import type { Trigger } from '../connection/table.ts'
import type { Input, Now } from '../effects.ts'
import type { Hint } from '../env/environment.ts'
import { type Cause, causeOf } from '../errors.ts'
import {
  CLOSE_ABANDONED,
  CLOSE_BAD_FRAME,
  type ClosePolicy,
  closeMeaning,
  retryAfterMs,
} from '../protocol/close-codes.ts'
import { PROTOCOL_VERSION } from '../protocol/codec.ts'
import type { PingFrame, PongFrame, WelcomeFrame } from '../protocol/frames.ts'
import { attach, leaveAll, loseAttachments } from './attaching.ts'
import { type Core, send, type Violation } from './core.ts'
import { giveUp } from './publishing.ts'

/** A probe waits at least this long, in milliseconds, however quick the server has been. */
const MIN_PROBE_MS = 3_000
/** Bad frames without a stable session between them that end in `failed`. */
const MAX_MALFORMED = 3
/** The shortest heartbeat, in milliseconds, whatever a server says. */
const MIN_HEARTBEAT_MS = 100
/** Hints cut a wait no more often than this, in milliseconds: a page that flickers must not defeat the backoff. */
const HURRY_PAUSE_MS = 2_000
/** The application's own end of a socket. */
const CLOSE_NORMAL = 1000

/** Applies `what` and does what the change entails. */
export function trigger(core: Core, what: Trigger, cause: Cause | null = null, closeCode = CLOSE_ABANDONED): void {
  const before = core.connection
  const next = move(before, what, cause)
  if (next === 'never') {
    core.effects.push({ type: 'bug', description: `${what} while ${before.phase}` })
    // A wrong state becomes a reconnect.
    if (PHASES[before.phase].socket) trigger(core, 'lost', causeOf('internal'))
    return
  }
  if (next === before) return
  core.connection = next
  core.timerAtMs = Infinity
  if (PHASES[before.phase].socket && !PHASES[next.phase].socket) {
    const intended = what === 'disconnect' || what === 'close'
    core.effects.push({ type: 'socket.close', closeCode: intended ? CLOSE_NORMAL : closeCode, reason: '' })
  }
  if (before.phase === 'authorizing' && next.phase !== 'opening') core.effects.push({ type: 'authorize.cancel' })
  const wasLive = PHASES[before.phase].sends
  if (next.phase === 'closed') {
    giveUp(core, core.outbox.releaseAll(), 'closed')
    leaveAll(core)
  } else if (wasLive && !PHASES[next.phase].sends) {
    giveUp(core, core.outbox.releaseUnanswered(), 'connection-lost')
    loseAttachments(core)
  }
  enter(core, wasLive)
}

function enter(core: Core, wasLive: boolean): void {
  const { connection, now, settings } = core
  const { phase, attempt } = connection
  switch (phase) {
    case 'authorizing':
      core.connection = {
        ...connection,
        attempt: attempt + 1,
        outageAtMs: attempt === 0 ? now.elapsedMs : connection.outageAtMs,
      }
      core.retryAfterMs = 0
      core.timerAtMs = now.awakeMs + settings.connect.timeoutMs
      core.effects.push({ type: 'authorize', attemptId: ++core.attemptId, refused: connection.unauthorizedCount > 0 })
      break
    case 'opening':
    case 'handshaking':
      core.timerAtMs = now.awakeMs + settings.connect.timeoutMs
      break
    case 'live':
      if (!wasLive) {
        core.counters.connects++
        core.connection = { ...connection, liveAtMs: now.awakeMs }
      }
      core.timerAtMs = core.ping.askedAt.awakeMs + core.heartbeatMs
      break
    case 'probing':
      core.ping = { n: core.ping.n + 1, askedAt: now, isAnswered: false }
      core.timerAtMs = now.awakeMs + settings.heartbeat.timeoutMs
      send(core, { type: 'ping', n: core.ping.n })
      break
    case 'waiting':
      if (attempt >= settings.backoff.maxAttempts) return stopTrying(core)
      core.timerAtMs =
        now.elapsedMs +
        backoffDelayMs(
          settings.backoff,
          attempt,
          now.elapsedMs - connection.outageAtMs,
          core.retryAfterMs,
          core.random(),
        )
      break
    case 'closed':
      core.effects.push({ type: 'closed' })
  }
  show(core)
}

function stopTrying(core: Core): void {
  trigger(core, 'rejected', { ...core.connection.cause, ...causeOf('gave-up') })
}

/** Renews what the application sees of the connection. */
function show(core: Core): void {
  const { connection, now, snapshot: before } = core
  const status = publicStatus(connection)
  const isNew = status !== before.status
  core.snapshot = {
    status,
    previous: isNew ? before.status : before.previous,
    cause: connection.cause,
    attempt: PHASES[connection.phase].sends ? 0 : connection.attempt,
    retryAtMs: connection.phase === 'waiting' ? now.wallMs + core.timerAtMs - now.elapsedMs : null,
    sinceMs: isNew ? now.wallMs : before.sinceMs,
    transport: PHASES[connection.phase].sends ? 'websocket' : null,
    resumed: false,
  }
  core.effects.push(isNew ? { type: 'status', snapshot: core.snapshot } : { type: 'changed' })
}

/** Address and token are there: dial. */
export function authorized(core: Core, { attemptId, url, token }: Extract<Input, { type: 'authorized' }>): void {
  if (attemptId !== core.attemptId || core.connection.phase !== 'authorizing') return
  core.token = token
  trigger(core, 'authorized')
  core.effects.push({ type: 'socket.open', socketId: ++core.socketId, url })
}

/** There is no address or token: for good if the application said so, else try again. */
export function denied(core: Core, { attemptId, code, message }: Extract<Input, { type: 'denied' }>): void {
  if (attemptId !== core.attemptId || core.connection.phase !== 'authorizing') return
  const cause = { ...causeOf(code), ...(message && { message }) }
  trigger(core, code === 'connection-refused' ? 'lost' : 'denied', cause)
}

/** Whether an event belongs to the socket in use. One of an abandoned socket means nothing. */
export function isCurrent(core: Core, socketId: number): boolean {
  return socketId === core.socketId && PHASES[core.connection.phase].socket
}

export function opened(core: Core): void {
  trigger(core, 'opened')
  const { producer, socketId: generation, token } = core
  send(core, { type: 'hello', version: PROTOCOL_VERSION, producer, generation, ...(token !== undefined && { token }) })
}

export function welcomed(core: Core, frame: WelcomeFrame): Violation {
  // A greeting may be answered twice; the second answer changes nothing.
  if (PHASES[core.connection.phase].sends) return undefined
  if (frame.version !== PROTOCOL_VERSION) return `protocol version ${frame.version}`
  core.limits = frame.limits
  core.heartbeatMs = Math.max(
    MIN_HEARTBEAT_MS,
    Math.min(core.settings.heartbeat.intervalMs, frame.heartbeat.intervalMs || Infinity),
  )
  core.ping = { n: core.ping.n, askedAt: core.now, isAnswered: true }
  core.undrainedBytes = 0
  trigger(core, 'welcomed')
  for (const record of core.channels.values()) attach(core, record)
  return undefined
}

/** The socket has ended by itself, or never came to be: its close code decides. */
export function ended(core: Core, { closeCode, reason }: Extract<Input, { type: 'socket.ended' }>): void {
  const { policy, code } = closeMeaning(closeCode, core.settings.closeCodes)
  const neverOpened = core.connection.phase === 'opening' && code === 'connection-lost'
  core.retryAfterMs = Math.max(retryAfterMs(reason), policy === 'retry-slower' ? SLOW_DELAY_MS : 0)
  lose(core, causeOf(neverOpened ? 'connection-refused' : code, closeCode), policy)
  // What replaced this client acts for its producer now; going on here is somebody new.
  if (policy === 'replace') core.producer = core.createId()
}

/** The peer sent what it must not: replace the socket, and stop if that keeps happening. */
export function violated(core: Core, violation: string): void {
  const cause = { ...causeOf('protocol', CLOSE_BAD_FRAME), message: `The server sent what it must not: ${violation}.` }
  lose(core, cause, 'retry', CLOSE_BAD_FRAME)
}

function lose(core: Core, cause: Cause, policy: ClosePolicy, closeCode = CLOSE_ABANDONED): void {
  const { now, settings } = core
  let { connection } = core
  if (PHASES[connection.phase].sends && now.awakeMs - connection.liveAtMs >= settings.backoff.stableAfterMs) {
    connection = afterStableSession(connection, now.elapsedMs)
  }
  const unauthorizedCount = connection.unauthorizedCount + (policy === 'reauthorize' ? 1 : 0)
  const malformedCount = connection.malformedCount + (cause.closeCode === CLOSE_BAD_FRAME ? 1 : 0)
  core.connection = { ...connection, unauthorizedCount, malformedCount }
  const stops = policy === 'stop' || policy === 'replace' || unauthorizedCount > 1 || malformedCount >= MAX_MALFORMED
  trigger(core, stops ? 'rejected' : 'lost', cause, closeCode)
}

/** The deadline of the present phase, if it has come. */
export function phaseDue(core: Core): void {
  const { timer } = PHASES[core.connection.phase]
  const nowMs = timer === 'backoff' ? core.now.elapsedMs : core.now.awakeMs
  if (nowMs < core.timerAtMs) return
  if (timer === 'backoff' || timer === 'silence') trigger(core, 'due')
  else lose(core, causeOf(timer === 'pong' ? 'connection-lost' : 'timeout'), 'retry')
}

/** How long until the deadline of the present phase. */
export function phaseDueInMs(core: Core): number {
  return core.timerAtMs - (core.connection.phase === 'waiting' ? core.now.elapsedMs : core.now.awakeMs)
}

/** The server asks: answer, and ask too if that is overdue. In a hidden page the server's questions keep the pace. */
export function pinged(core: Core, { n }: PingFrame): void {
  send(core, { type: 'pong', n })
  phaseDue(core)
}

/** The answer to our newest question: the moment it was asked. Any other answer means nothing. */
export function ponged(core: Core, { n }: PongFrame): Now | undefined {
  const { ping, now } = core
  if (n !== ping.n || ping.isAnswered) return undefined
  core.ping = { ...ping, isAnswered: true }
  const roundTripMs = now.awakeMs - ping.askedAt.awakeMs
  core.roundTripMs = core.roundTripMs ? core.roundTripMs * 0.875 + roundTripMs * 0.125 : roundTripMs
  trigger(core, 'heard')
  return ping.askedAt
}

/** Makes sure that the socket lives, sooner than the heartbeat would. */
export function probe(core: Core): void {
  trigger(core, 'nudge')
  if (core.connection.phase !== 'probing') return
  const probeMs = Math.min(core.settings.heartbeat.timeoutMs, Math.max(MIN_PROBE_MS, 4 * core.roundTripMs))
  core.timerAtMs = Math.min(core.timerAtMs, core.now.awakeMs + probeMs)
}

/** The platform says something about the page or the network. */
export function hinted(core: Core, { hint }: { readonly hint: Hint }): void {
  if (hint === 'hidden' || hint === 'frozen') return
  if (core.connection.phase !== 'waiting') return probe(core)
  // Never below what the server asked for: a hint must not defeat a refusal.
  if (hint === 'offline' || core.retryAfterMs > 0) return
  const { elapsedMs } = core.now
  const dueAtMs = elapsedMs + core.random() * HINT_JITTER_MS
  if (dueAtMs >= core.timerAtMs || elapsedMs - core.hurriedAtMs < HURRY_PAUSE_MS) return
  core.hurriedAtMs = elapsedMs
  core.timerAtMs = dueAtMs
  show(core)
}

/** Whether the socket's buffer drains: bytes that leave are a sign of life, bytes that stay are the opposite. */
export function watchDrain(core: Core): void {
  const { now, undrainedBytes, settings } = core
  if (!PHASES[core.connection.phase].sends) return
  core.undrainedBytes = now.bufferedBytes
  if (undrainedBytes === 0 || now.bufferedBytes < undrainedBytes) {
    core.drainedAtMs = now.awakeMs
    // The answer to a ping is due once what was queued before it has left.
    if (undrainedBytes > 0 && core.connection.phase === 'probing')
      core.timerAtMs = now.awakeMs + settings.heartbeat.timeoutMs
  } else if (now.awakeMs - core.drainedAtMs >= settings.heartbeat.timeoutMs)
    lose(core, causeOf('connection-lost'), 'retry')
}
