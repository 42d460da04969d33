// The only place where effects happen, all of them through one Environment.
//
// Rules of this file:
// - One timer, armed for the session's earliest deadline. Early, late and repeated wakes are harmless.
// - An input that arrives during a step waits until that step's effects are done. They are done in the order in which the
//   session listed them; what the application's listeners see comes after all of them.
// - Listeners are called outside of steps, one at a time and in order, so one that calls back in is heard at once.
// - They are called in time slices: after `sliceMs` the page has its turn. A handler of a reset that takes its time keeps
//   its own channel waiting and no other.
// - Frames leave together at the end of the tick; nothing waits to fill a batch.

import type { Delivery, Effect, Input } from './effects.ts'
import type { Cancel, Environment, SocketHandle } from './env/environment.ts'
import type { Settings } from './options.ts'
import { batchFrames, decodeMessage, type EncodedFrame, encodeFrame, SUBPROTOCOL } from './protocol/codec.ts'
import { createServerFrameReader } from './protocol/read-server-frame.ts'
import type { Session } from './session.ts'

/** A clock that jumps this much beyond the armed deadline, in milliseconds, tells of sleep. */
const GAP_MS = 5_000
/** The longest delay a platform timer can be trusted with. */
const MAX_TIMER_MS = 2_147_483_647

type EffectOf<Type extends Effect['type']> = Extract<Effect, { type: Type }>

/** What waits behind this delivery goes on, but for messages up to that offset. */
export type Resume = (delivery: Delivery, skipTo: number) => void

/** The client around the driver. None of these may throw. */
export interface DriverPorts {
  /** Asks for the address; answered by an input with the same number. */
  authorize(effect: EffectOf<'authorize'>): void
  settle(effect: EffectOf<'settle'>): void
  /**
   * What listeners hear of: called outside of steps, in order. Answers true where its channel must wait until `resume` is called,
   * with the offset up to which the application has everything by itself; 0 if it has nothing.
   */
  deliver(delivery: Delivery, resume: Resume): boolean
  refreshed(effect: EffectOf<'refreshed'>): void
  emit(effect: EffectOf<'emit'>): void
  /** What looks different now: a channel, or the connection as ''. */
  changed(channel: string): void
}

export interface Driver {
  /** Takes an input in. `isLocal`: the application's own call, whose changes it sees before the call returns. */
  feed(input: Input, isLocal?: boolean): void
  /** Elapsed time at this moment, on which freshness is measured: asked for outside of steps. */
  elapsedMs(): number
}

export function createDriver(
  session: Session,
  environment: Environment,
  { maxFrameBytes, dispatch }: Settings,
  ports: DriverPorts,
): Driver {
  const readFrame = createServerFrameReader()
  const inputs: Input[] = []
  let deliveries: (Delivery | EffectOf<'emit'>)[] = []
  let changes = new Set<string>()
  let outgoing: EncodedFrame[] = []
  let outgoingBytes = 0
  let socket: SocketHandle | undefined
  let isStepping = false
  let isDelivering = false
  let isClosed = false
  let cancelFrame: Cancel | undefined
  let cancelTimer: Cancel | undefined
  // On the monotonic clock; the timer may be armed for an earlier moment than is needed by now, never for a later one.
  let armedAtMs = Infinity
  let monotonicMs = environment.monotonicNow()
  // One object, brought up to date before every step.
  const now = { awakeMs: 0, elapsedMs: 0, wallMs: environment.wallNow(), sentBytes: 0, waitingBytes: 0 }

  /** Moves the clocks on. Where more time has passed than a page that could run lets pass, that is a hint. */
  function readClocks(): void {
    const wallMs = environment.wallNow()
    const passedMs = Math.max(0, environment.monotonicNow() - monotonicMs)
    const allMs = Math.max(passedMs, wallMs - now.wallMs)
    const expectedMs = Math.max(0, armedAtMs - monotonicMs + GAP_MS)
    monotonicMs += passedMs
    now.wallMs = wallMs
    now.awakeMs += Math.min(passedMs, expectedMs)
    now.elapsedMs += allMs
    if (allMs > expectedMs) inputs.unshift({ type: 'hint', hint: 'gap' })
  }

  function feed(input: Input, isLocal = false): void {
    inputs.push(input)
    if (isStepping) return
    isStepping = true
    try {
      // What was handed over just now tells of nothing that time has changed.
      if (input.type !== 'delivered') readClocks()
      for (let next = inputs.shift(); next; next = inputs.shift()) {
        now.waitingBytes = outgoingBytes + (socket?.bufferedBytes() ?? 0)
        session.step(next, now).forEach(perform)
      }
    } finally {
      isStepping = false
    }
    arm()
    if (isLocal) notify()
    deliver()
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case 'changed':
        changes.add(effect.channel)
        cancelFrame ??= environment.frame(notify)
        return
      case 'socket.open':
        return open(effect)
      case 'socket.send': {
        const frame = encodeFrame(effect.frame)
        now.sentBytes += frame.bytes
        outgoingBytes += frame.bytes
        if (outgoing.push(frame) === 1) environment.soon(flush)
        return
      }
      case 'socket.close': {
        flush()
        socket?.close(effect.closeCode, effect.reason)
        socket = undefined
        return
      }
      case 'closed':
        isClosed = true
        stopHints()
        cancelTimer?.()
        return notify()
      case 'deliver':
      case 'emit':
        deliveries.push(effect)
        return
      default:
        ports[effect.type](effect as never)
    }
  }

  function open({ socketId, url, token }: EffectOf<'socket.open'>): void {
    socket = environment.openSocket?.(
      { url, protocol: SUBPROTOCOL, token },
      {
        opened: () => feed({ type: 'socket.opened', socketId }),
        received(data) {
          feed({
            type: 'socket.received',
            socketId,
            message: typeof data === 'string' ? decodeMessage(data, maxFrameBytes, readFrame) : 'malformed',
            length: (data as string).length,
          })
        },
        ended: (closeCode, reason) => feed({ type: 'socket.ended', socketId, closeCode, reason }),
      },
    )
  }

  function flush(): void {
    for (const message of batchFrames(outgoing)) socket?.send(message)
    outgoing = []
    outgoingBytes = 0
  }

  function notify(): void {
    cancelFrame?.()
    cancelFrame = undefined
    const changed = changes
    changes = new Set()
    changed.forEach(ports.changed)
  }

  function deliver(): void {
    if (isDelivering) return
    isDelivering = true
    const untilMs = monotonicMs + dispatch.sliceMs
    const handed: Delivery[] = []
    for (let next = deliveries.shift(); next; next = deliveries.shift()) {
      if (next.type === 'emit') ports.emit(next)
      else if (handOver(next)) handed.push(next)
      if (deliveries.length && environment.monotonicNow() >= untilMs) break
    }
    const goOn = () => {
      isDelivering = false
      readClocks()
      deliver()
    }
    if (deliveries.length) environment.defer(goOn)
    else isDelivering = false
    if (handed.length) feed({ type: 'delivered', deliveries: handed })
  }

  /** Tells whether the delivery is done with. */
  function handOver(delivery: Delivery): boolean {
    const { lane } = delivery
    if (lane.isClosed) return true
    if (lane.parked) return !lane.parked.push(delivery)
    if (delivery.event === 'message' && delivery.detail.offset <= lane.skipTo) return true
    const waits = ports.deliver(delivery, resume)
    if (waits) lane.parked = []
    return !waits
  }

  function resume(delivery: Delivery, skipTo: number): void {
    const { lane } = delivery
    deliveries = [...(lane.parked ?? []), ...deliveries]
    lane.skipTo = skipTo
    lane.parked = undefined
    // A handler may have taken any time, and its page may have slept.
    readClocks()
    feed({ type: 'delivered', deliveries: [delivery] })
  }

  function arm(): void {
    const dueInMs = session.dueInMs()
    // A timer that is early enough stays: arming one for every message would cost more than waking once too often.
    if (isClosed || monotonicMs + dueInMs >= armedAtMs) return
    cancelTimer?.()
    armedAtMs = monotonicMs + dueInMs
    // A timer may be late because the page was busy: what has arrived meanwhile is heard first.
    cancelTimer = environment.startTimer(Math.min(dueInMs, MAX_TIMER_MS), () => environment.defer(wake))
  }

  function wake(): void {
    if (isClosed) return
    // Read while it is known what the timer was armed for: that tells sleep from idleness.
    readClocks()
    armedAtMs = Infinity
    feed({ type: 'wake' })
  }

  const stopHints = environment.onHint((hint) => feed({ type: 'hint', hint }))

  return {
    feed,
    elapsedMs() {
      const before = inputs.length
      readClocks()
      // A jump that shows only now: what else it means is looked after as soon as whoever asks is done.
      if (inputs.length > before && !isClosed) environment.soon(() => feed({ type: 'wake' }))
      return now.elapsedMs
    },
  }
}
