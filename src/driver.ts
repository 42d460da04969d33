// The only place where effects happen, all of them through one Environment.
//
// Rules of this file:
// - One timer, armed for the session's earliest deadline. Early, late and repeated wakes are harmless.
// - An input that arrives during a step waits until that step's effects are done. Order within a step: sockets, settlements,
//   then what the application's listeners see.
// - Listeners are called outside of steps, one at a time and in order, so one that calls back in is heard at once.
// - Frames leave together at the end of the tick; nothing waits to fill a batch.

import type { Effect, Input, Now } from './effects.ts'
import type { Cancel, Environment, SocketHandle } from './env/environment.ts'
import { batchFrames, decodeMessage, type EncodedFrame, encodeFrame, SUBPROTOCOL } from './protocol/codec.ts'
import { createServerFrameReader } from './protocol/read-server-frame.ts'
import type { Session } from './session.ts'

/** A clock that jumps this much beyond the armed deadline, in milliseconds, tells of sleep. */
const GAP_MS = 5_000
/** A timer this late, in milliseconds, tells of a page that was busy: what has arrived meanwhile is heard first. */
const LATE_MS = 100
/** The longest delay a platform timer can be trusted with. */
const MAX_TIMER_MS = 2_147_483_647

/** Effects that leave the driver: settlements, and everything listeners see. */
export type Outcome = Extract<
  Effect,
  { type: 'settle' | 'message' | 'reset' | 'status' | 'drained' | 'error' | 'bug' | 'closed' }
>

export interface DriverPorts {
  /** Asks for address and token; answered by an input with the same number. */
  authorize(attemptId: number, refused: boolean): void
  /** The answer is no longer wanted. */
  cancelAuthorize(): void
  settle(effect: Extract<Effect, { type: 'settle' }>): void
  /** Called in order, never during a step. Must not throw. */
  deliver(effect: Exclude<Outcome, { type: 'settle' }>): void
  /** What looks different now: a channel's name, or `undefined` for the connection. */
  changed(what: ReadonlySet<string | undefined>): void
}

export interface Driver {
  /** Takes an input in. `isLocal`: the application's own call, whose changes it sees before the call returns. */
  feed(input: Input, isLocal?: boolean): void
}

export function createDriver(
  session: Session,
  environment: Environment,
  maxFrameBytes: number,
  ports: DriverPorts,
): Driver {
  const readFrame = createServerFrameReader()
  const inputs: Input[] = []
  const deliveries: Exclude<Outcome, { type: 'settle' }>[] = []
  const changes = new Set<string | undefined>()
  let outgoing: EncodedFrame[] = []
  let outgoingBytes = 0
  let socket: SocketHandle | undefined
  let isStepping = false
  let isDelivering = false
  let isClosed = false
  let cancelFlush: Cancel | undefined
  let cancelFrame: Cancel | undefined
  let cancelTimer: Cancel | undefined
  // On the monotonic clock; the timer may be armed for an earlier moment than is needed by now, never for a later one.
  let armedAtMs = Infinity
  let monotonicMs = environment.monotonicNow()
  let wallMs = environment.wallNow()
  let awakeMs = 0
  let elapsedMs = 0

  /** Moves the clocks on; tells whether more time has passed than a page that could run would have let pass. */
  function readClocks(): boolean {
    const monotonic = environment.monotonicNow()
    const wall = environment.wallNow()
    const passedMs = Math.max(0, monotonic - monotonicMs)
    const allMs = Math.max(passedMs, wall - wallMs)
    const expectedMs = armedAtMs - monotonicMs + GAP_MS
    monotonicMs = monotonic
    wallMs = wall
    awakeMs += Math.min(passedMs, Math.max(0, expectedMs))
    elapsedMs += allMs
    return allMs > expectedMs
  }

  function now(): Now {
    return { awakeMs, elapsedMs, wallMs, bufferedBytes: socket ? socket.bufferedBytes() + outgoingBytes : 0 }
  }

  function feed(input: Input, isLocal = false): void {
    inputs.push(input)
    if (isStepping) return
    isStepping = true
    try {
      if (readClocks()) inputs.unshift({ type: 'hint', hint: 'gap' })
      for (let next = inputs.shift(); next; next = inputs.shift()) perform(session.step(next, now()))
      arm()
    } finally {
      isStepping = false
    }
    if (isLocal) notify()
    deliver()
  }

  function perform(effects: readonly Effect[]): void {
    for (const effect of effects) performOne(effect)
  }

  function performOne(effect: Effect): void {
    switch (effect.type) {
      case 'authorize':
        return ports.authorize(effect.attemptId, effect.refused)
      case 'authorize.cancel':
        return ports.cancelAuthorize()
      case 'socket.open':
        return openSocket(effect.socketId, effect.url)
      case 'socket.send': {
        const frame = encodeFrame(effect.frame)
        outgoing.push(frame)
        outgoingBytes += frame.bytes
        cancelFlush ??= environment.soon(flush)
        return
      }
      case 'socket.close': {
        flush()
        const closing = socket
        socket = undefined
        return closing?.close(effect.closeCode, effect.reason)
      }
      case 'settle':
        return ports.settle(effect)
      case 'changed':
        changes.add(effect.channel)
        cancelFrame ??= environment.frame(notify)
        return
      case 'closed':
        deliveries.push(effect)
        return stop()
      default:
        deliveries.push(effect)
    }
  }

  function openSocket(socketId: number, url: string): void {
    outgoing = []
    outgoingBytes = 0
    socket = environment.openSocket?.(
      { url, protocols: [SUBPROTOCOL] },
      {
        opened: () => feed({ type: 'socket.opened', socketId }),
        received(data) {
          const message = typeof data === 'string' ? decodeMessage(data, maxFrameBytes, readFrame) : 'malformed'
          feed(
            message === 'malformed'
              ? { type: 'socket.malformed', socketId }
              : { type: 'socket.frames', socketId, ...message },
          )
        },
        ended: (closeCode, reason) => feed({ type: 'socket.ended', socketId, closeCode, reason }),
      },
    )
  }

  function flush(): void {
    cancelFlush?.()
    cancelFlush = undefined
    const frames = outgoing
    outgoing = []
    outgoingBytes = 0
    if (socket) for (const message of batchFrames(frames)) socket.send(message)
  }

  function notify(): void {
    cancelFrame?.()
    cancelFrame = undefined
    if (changes.size === 0) return
    const changed = new Set(changes)
    changes.clear()
    ports.changed(changed)
  }

  function deliver(): void {
    if (isDelivering) return
    isDelivering = true
    try {
      for (let next = deliveries.shift(); next; next = deliveries.shift()) ports.deliver(next)
    } finally {
      isDelivering = false
    }
  }

  function arm(): void {
    const dueInMs = session.dueInMs()
    const dueAtMs = monotonicMs + dueInMs
    // A timer that is early enough stays: arming one for every message would cost more than waking once too often.
    if (isClosed || dueAtMs >= armedAtMs) return
    cancelTimer?.()
    armedAtMs = dueAtMs
    cancelTimer = environment.startTimer(Math.min(dueInMs, MAX_TIMER_MS), wake)
  }

  function wake(): void {
    const isLate = environment.monotonicNow() - armedAtMs > LATE_MS
    if (isLate) environment.defer(woken)
    else woken()
  }

  function woken(): void {
    if (isClosed) return
    // Read before the timer is forgotten: what it was armed for tells sleep from idleness.
    if (readClocks()) inputs.push({ type: 'hint', hint: 'gap' })
    armedAtMs = Infinity
    feed({ type: 'wake' })
  }

  const stopHints = environment.onHint((hint) => feed({ type: 'hint', hint }))

  function stop(): void {
    isClosed = true
    stopHints()
    cancelTimer?.()
    notify()
  }

  return { feed }
}
