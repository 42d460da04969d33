// One node of the server: its connections, its channels, and the clock that keeps them honest.
//
// Rules of this file:
// - No I/O, no clock, no promise: everything comes through the environment, the store and the peers it is given.
// - One timer for all connections. It wakes for the earliest deadline, and then for all that is due soon after.
// - Operators publish and read here too, under the same limits of content as everyone.

import { CLOSE_TOO_MANY, CLOSE_UNAVAILABLE, closeReason, MAX_CHANNEL_BYTES } from 'steadywire/protocol'
import { Channels } from './channels.ts'
import { type Fault, invalid, isFault, isStorableName, messageOf, newEvent, type StoredMessage } from './content.ts'
import type { Context, Counters } from './context.ts'
import { Effects } from './effects.ts'
import type { Cancel, ServerEnvironment } from './environment.ts'
import type { Hooks } from './hooks.ts'
import { Log } from './log.ts'
import { type BrokerOptions, type Settings, settingsOf } from './options.ts'
import type { Peer } from './outgoing.ts'
import { Presence } from './presence.ts'
import { Producers } from './producers.ts'
import { type ConnectionDetails, Session } from './session.ts'
import { Snapshots } from './snapshots.ts'
import type { Store } from './store/store.ts'
import { Volatiles } from './volatile.ts'

/** The broker's end of one socket: the owner of the socket calls these. */
export interface Connection {
  /** A text message came. */
  received(text: string): void
  /** The socket has sent what it was given. May be left out: the broker looks now and then. */
  drained(): void
  /**
   * The socket is gone; nothing is sent to the peer any more.
   *
   * @param code - The close code that came. With 1000 and 1001 the client has left, and is not waited for in rosters.
   */
  ended(code?: number): void
}

/** What the server itself publishes. */
export interface ServerPublish {
  readonly channel: string
  readonly name: string
  readonly data: unknown
  /** Named by the publisher, it is stored once among the channel's last 1,000 so named; else a new one is drawn. */
  readonly id?: string | undefined
}
/** Where a message is stored. */
export interface Receipt {
  readonly id: string
  readonly epoch: string
  readonly offset: number
}

export interface HistoryQuery {
  readonly channel: string
  /** Messages after this offset. @defaultValue the oldest that is kept */
  readonly after?: number | undefined
  /** Messages, at most. Fewer come when they are large. @defaultValue 100 */
  readonly limit?: number | undefined
}
/** A part of a channel's log, as operators read it. */
export interface History {
  readonly epoch: string
  /** The newest offset. */
  readonly top: number
  readonly messages: readonly StoredMessage[]
}

/** How the node is doing. */
export interface Figures extends Counters {
  readonly connections: number
  readonly channels: number
}

export interface BrokerParts {
  readonly environment: ServerEnvironment
  readonly store: Store
  readonly hooks?: Hooks | undefined
  readonly options?: BrokerOptions | undefined
  /** Whether everyone is the same user, for whom no limit of connections makes sense. @defaultValue true */
  readonly isAnonymous?: boolean | undefined
}

/** A publish or a question of the server's own that the store did not answer. */
const STORE_UNAVAILABLE: Fault = {
  code: 'unavailable',
  message: 'The store did not answer; what was asked may have happened.',
}

const MAX_SWEEP_MS = 1_000
const MIN_SWEEP_MS = 10
const HOUSEKEEPING_MS = 60_000
const OVERLOAD_RETRY_MS = 5_000
/** What a client may take beyond the window to leave, and how often it is looked whether all have. */
const DRAIN_GRACE_MS = 1_000
const DRAIN_LOOK_MS = 100
const HISTORY_LENGTH = 1_048_576
const DEFAULT_HISTORY_COUNT = 100

/** Creates a node that serves `store`. It runs until {@link Broker.close}. */
export function createBroker(parts: BrokerParts): Broker {
  return new Broker(parts)
}

export class Broker {
  readonly #context: Context
  readonly #settings: Settings
  readonly #environment: ServerEnvironment
  readonly #effects: Effects
  readonly #sessions = new Set<Session>()
  readonly #minSweepMs: number
  #housekeepingAtMs: number
  #wakeAtMs = Infinity
  #cancelWake: Cancel = () => {}
  #isDraining = false
  #isClosed = false

  constructor({ environment, store, hooks = {}, options = {}, isAnonymous = true }: BrokerParts) {
    const settings = settingsOf(options, isAnonymous)
    const { limits, heartbeatMs } = settings
    const producers = new Producers(() => environment.createId(), limits.connectionsPerUser, heartbeatMs)
    const counters = { unknownFrames: 0, ignoredFrames: 0, behind: 0, volatilesLeftOut: 0 }
    const channels = new Channels(limits.ringCount)
    this.#effects = new Effects(environment, store, hooks.onStored)
    this.#context = {
      environment,
      store,
      hooks,
      settings,
      channels,
      log: new Log(environment, store, channels, this.#effects),
      producers,
      snapshots: new Snapshots(environment, store, hooks, settings),
      volatiles: new Volatiles({ environment, settings, channels, counters }),
      presence: new Presence({ environment, settings, wakeBy: (atMs) => this.#wakeBy(atMs) }),
      counters,
    }
    this.#settings = settings
    const finenessMs = Math.min(heartbeatMs, settings.helloTimeoutMs) / 10
    this.#minSweepMs = Math.min(Math.max(finenessMs, MIN_SWEEP_MS), MAX_SWEEP_MS)
    this.#environment = environment
    this.#housekeepingAtMs = environment.monotonicNow() + HOUSEKEEPING_MS
    this.#wakeBy(this.#housekeepingAtMs)
    this.#effects.start()
  }

  /** Serves a socket that has just been opened. */
  accept(peer: Peer, details: ConnectionDetails = {}): Connection {
    if (this.#isClosed) return refuse(peer, CLOSE_UNAVAILABLE, closeReason('closing'))
    if (this.#isDraining) return refuse(peer, CLOSE_UNAVAILABLE, closeReason('draining'))
    if (this.#sessions.size >= this.#settings.limits.connections)
      return refuse(peer, CLOSE_TOO_MANY, closeReason('too-many', OVERLOAD_RETRY_MS))
    const session = new Session(this.#context, peer, details, {
      wakeBy: (atMs) => this.#wakeBy(atMs),
      ended: (ended) => this.#sessions.delete(ended),
    })
    this.#sessions.add(session)
    return {
      received: (text) => session.received(text),
      drained: () => session.drained(),
      ended: (code) => session.gone(code),
    }
  }

  /** Stores a message of the server's own and sends it to the channel's subscribers. Asks no hook. */
  publish({ channel, id, name, data }: ServerPublish, done: (answer: Receipt | Fault) => void): void {
    if (!isStorableName(channel)) return done(badChannel())
    const message = { channel, id: id ?? this.#environment.createId(), name, data }
    const content = newEvent(message, this.#settings.limits.maxMessageBytes)
    if (isFault(content)) return done(content)
    const event = id === undefined ? content : { ...content, once: true }
    this.#context.log.append(channel, event, (answer) => {
      if (answer === 'unavailable') return done(STORE_UNAVAILABLE)
      const { epoch, outcome } = answer
      // Without a base and a producer nothing else can come of it.
      if (outcome.type !== 'stored' && outcome.type !== 'repeated') return done(STORE_UNAVAILABLE)
      const { offset } = outcome.type === 'stored' ? outcome.event : outcome
      done({ id: message.id, epoch, offset })
    })
  }

  /**
   * Tells everyone who reads the channel what is true now. It is not stored, and may be lost.
   *
   * @param options.key - Of messages with the same name and key only the newest counts.
   * @returns Why it cannot be told, if it cannot.
   */
  sendVolatile(
    channel: string,
    name: string,
    data: unknown,
    { key }: { key?: string | undefined } = {},
  ): Fault | undefined {
    if (!isStorableName(channel)) return badChannel()
    return this.#context.volatiles.send({ channel, name, data, ...(key !== undefined && { key }) })
  }

  /** Reads a channel's log. */
  history(
    { channel, after = 0, limit = DEFAULT_HISTORY_COUNT }: HistoryQuery,
    done: (answer: History | Fault) => void,
  ): void {
    if (!isStorableName(channel)) return done(badChannel())
    const { store } = this.#context
    store.tops([channel], (extents) => {
      const extent = extents === 'unavailable' ? undefined : extents[0]
      if (!extent) return done(STORE_UNAVAILABLE)
      const { epoch, first } = extent
      const position = { epoch, offset: Math.max(after, first - 1) }
      store.page({ channel, position, count: limit, dataLength: HISTORY_LENGTH }, (page) => {
        if (page === 'unavailable') return done(STORE_UNAVAILABLE)
        done({ epoch: page.extent.epoch, top: page.extent.top, messages: page.events.map(messageOf) })
      })
    })
  }

  figures(): Figures {
    return { connections: this.#sessions.size, channels: this.#context.channels.size, ...this.#context.counters }
  }

  /** Whether new sessions are let in. */
  get isReady(): boolean {
    return !this.#isDraining && !this.#isClosed
  }

  /**
   * Lets nobody in any more, and asks everyone who is here to leave within `windowMs`, each at a moment of its own. Serves on
   * meanwhile. `done` is called when all have left, or a little after that time; then it is time to {@link Broker.close}.
   */
  drain(windowMs: number, done: () => void): void {
    this.#isDraining = true
    for (const session of this.#sessions) session.drain(windowMs)
    const endsAtMs = this.#environment.monotonicNow() + windowMs + DRAIN_GRACE_MS
    const look = (): void => {
      const leftMs = endsAtMs - this.#environment.monotonicNow()
      if (this.#isClosed || this.#sessions.size === 0 || leftMs <= 0) return done()
      this.#environment.startTimer(Math.min(leftMs, DRAIN_LOOK_MS), look)
    }
    look()
  }

  /** Closes every connection with 4503 and serves no more. */
  close(): void {
    this.#isClosed = true
    this.#cancelWake()
    this.#effects.end()
    for (const session of this.#sessions) session.close(CLOSE_UNAVAILABLE, closeReason('closing'))
  }

  #wakeBy(atMs: number): void {
    if (this.#isClosed) return
    const nowMs = this.#environment.monotonicNow()
    const delayMs = Math.max(atMs - nowMs, this.#minSweepMs)
    if (nowMs + delayMs >= this.#wakeAtMs) return
    this.#wakeAtMs = nowMs + delayMs
    this.#cancelWake()
    this.#cancelWake = this.#environment.startTimer(delayMs, () => this.#sweep())
  }

  #sweep(): void {
    const nowMs = this.#environment.monotonicNow()
    const lateMs = nowMs - this.#wakeAtMs
    this.#wakeAtMs = Infinity
    let dueAtMs = Infinity
    for (const session of this.#sessions) {
      if (lateMs >= this.#settings.heartbeatMs) session.excuse(nowMs)
      session.sweep(nowMs)
      dueAtMs = Math.min(dueAtMs, session.dueAtMs)
    }
    this.#context.presence.sweep(nowMs)
    if (nowMs >= this.#housekeepingAtMs) {
      this.#context.channels.sweep(nowMs, this.#settings.idleTimeoutMs)
      this.#context.producers.sweep(nowMs, this.#settings.idleTimeoutMs)
      this.#context.snapshots.sweep(nowMs, this.#settings.idleTimeoutMs)
      this.#effects.sweep()
      this.#context.store.trim(this.#environment.wallNow())
      this.#housekeepingAtMs = nowMs + HOUSEKEEPING_MS
    }
    this.#wakeBy(Math.min(dueAtMs, this.#context.presence.dueAtMs, this.#housekeepingAtMs))
  }
}

function badChannel(): Fault {
  return invalid(`A channel name has 1 to ${MAX_CHANNEL_BYTES} bytes.`)
}

function refuse(peer: Peer, code: number, reason: string): Connection {
  peer.close(code, reason)
  return { received: () => {}, drained: () => {}, ended: () => {} }
}
