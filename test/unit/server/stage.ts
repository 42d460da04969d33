// A broker on a stage: time moves when a test says so, sockets are lists, and nothing here is asynchronous.
//
// Rules of this file:
// - `soon` runs when the test settles; timers run when it advances, in the order of their instants.
// - Whatever a broker says is read with the protocol's own reader, so a frame that is no frame fails every test.

import {
  batchFrames,
  type ClientFrame,
  createServerFrameReader,
  decodeMessage,
  type DetachedFrame,
  type FrameReader,
  MAX_BATCH_BYTES,
  type ServerFrame,
  utf8Bytes,
} from 'steadywire/protocol'
import { detachedSchema } from 'steadywire/schema'
import {
  type Broker,
  type BrokerOptions,
  type Connection,
  type ConnectionDetails,
  createBroker,
  type Done,
  type History,
  type Hooks,
  memoryStore,
  type Peer,
  type ServerEnvironment,
  type Store,
} from '@steadywire/server'
import { expect } from 'vitest'

/** Unix milliseconds when the curtain rises. */
export const START_MS = 1_800_000_000_000

export class VirtualEnvironment implements ServerEnvironment {
  nowMs = 0
  readonly errors: unknown[] = []
  #timers: { atMs: number; wake: () => void }[] = []
  #soon: (() => void)[] = []
  #idCount = 0

  monotonicNow = () => this.nowMs
  wallNow = () => START_MS + this.nowMs
  createId = () => `id-${++this.#idCount}`
  reportError = (error: unknown) => void this.errors.push(error)

  startTimer = (delayMs: number, wake: () => void) => {
    const timer = { atMs: this.nowMs + delayMs, wake }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  soon = (run: () => void) => {
    this.#soon.push(run)
    return () => {
      this.#soon = this.#soon.filter((other) => other !== run)
    }
  }

  get soonCount(): number {
    return this.#soon.length
  }

  get timerCount(): number {
    return this.#timers.length
  }

  /** Runs what waits for the end of the tick. */
  settle(): void {
    for (let run = this.#soon.shift(); run; run = this.#soon.shift()) run()
  }

  /** Moves to each due time in turn. */
  advance(ms: number): void {
    this.settle()
    const endMs = this.nowMs + ms
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (!next) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.wake()
      this.settle()
    }
    this.nowMs = endMs
  }

  /** Time passes, but nothing runs: the machine sleeps. Timers then fire late. */
  sleep(ms: number): void {
    this.nowMs += ms
  }
}

export interface StageParts {
  readonly store?: Store
  readonly hooks?: Hooks
  readonly options?: BrokerOptions
  readonly isAnonymous?: boolean
}

export class Stage {
  readonly environment = new VirtualEnvironment()
  readonly store: Store
  readonly broker: Broker
  #producerCount = 0

  constructor({ store, hooks, options, isAnonymous }: StageParts = {}) {
    let epochCount = 0
    this.store = store ?? memoryStore({ createId: () => `e${++epochCount}` })
    this.broker = createBroker({ environment: this.environment, store: this.store, hooks, options, isAnonymous })
  }

  /** A client that has only opened its socket. */
  open(details?: ConnectionDetails): Actor {
    return new Actor(this, details)
  }

  /** A client that has said hello and heard welcome, as a producer of its own. */
  connect(details?: ConnectionDetails): Actor {
    const actor = this.open(details)
    actor.hello(`producer-${++this.#producerCount}`)
    actor.take()
    return actor
  }

  /** A client that is live on `channel`, reading and writing. */
  attach(channel: string): Actor {
    const actor = this.connect()
    actor.attach(channel)
    return actor
  }

  /** Stores a message of the server's own. */
  publish(channel: string, data: unknown = null): void {
    this.broker.publish({ channel, name: 'note', data }, (answer) => expect(answer).toHaveProperty('offset'))
    this.environment.settle()
  }

  history(channel: string): History {
    let history: History | undefined
    this.broker.history({ channel, limit: 1_000 }, (answer) => {
      expect(answer).toHaveProperty('messages')
      history = answer as History
    })
    return history as History
  }

  /** What is in the log, by id. */
  ids(channel: string): string[] {
    return this.history(channel).messages.map(({ id }) => id)
  }
}

const readKnownFrame = createServerFrameReader()
/** The client's reader passes over what only writers at level 2 understand. */
const readServerFrame: FrameReader<ServerFrame> = (value) => {
  const frame = readKnownFrame(value)
  return frame === 'unknown' && detachedSchema.safeParse(value).success ? (value as DetachedFrame) : frame
}

/** One client's side of a socket, and the peer that the broker holds. */
export class Actor implements Peer {
  readonly #stage: Stage
  readonly #connection: Connection
  #taken = 0
  readonly messages: string[] = []
  readonly frames: ServerFrame[] = []
  /** How it ended: the close code and the reason, or `terminated`. */
  end: string | undefined
  /** What the socket says it has not sent yet. With `isStuck` it grows with everything it is given. */
  buffered = 0
  isStuck = false

  constructor(stage: Stage, details?: ConnectionDetails) {
    this.#stage = stage
    this.#connection = stage.broker.accept(this, details)
  }

  // The broker's side.

  send(text: string): void {
    expect(this.end, 'nothing is sent to a socket that was closed').toBeUndefined()
    this.messages.push(text)
    if (this.isStuck) this.buffered += utf8Bytes(text)
    const decoded = decodeMessage(text, Infinity, readServerFrame)
    if (decoded === 'malformed') throw new Error(`the server said what is no frame: ${text}`)
    expect(decoded.unknownCount).toBe(0)
    if (decoded.frames.length > 1) expect(utf8Bytes(text)).toBeLessThanOrEqual(MAX_BATCH_BYTES)
    this.frames.push(...decoded.frames)
  }

  close(code: number, reason: string): void {
    expect(this.end, 'a socket is closed once').toBeUndefined()
    expect(utf8Bytes(reason)).toBeLessThanOrEqual(123)
    this.end = `${code} ${reason}`
  }

  terminate(): void {
    this.end = 'terminated'
  }

  bufferedBytes(): number {
    return this.buffered
  }

  // The client's side.

  /** Sends one message of these frames. */
  say(...frames: readonly ClientFrame[]): void {
    this.write(batchFrames(frames.map((frame) => ({ text: JSON.stringify(frame), bytes: 0 })))[0] ?? '[]')
  }

  write(text: string): void {
    this.#connection.received(text)
    this.#stage.environment.settle()
  }

  hello(producer: string, generation = 1, token?: string): void {
    this.say({ type: 'hello', version: 1, producer, generation, ...(token !== undefined && { token }) })
  }

  /** Asks for reading and writing, and takes the answers. */
  attach(channel: string, request = 1): readonly ServerFrame[] {
    this.say({ type: 'sub', channel, request, want: ['read', 'write'] })
    return this.take()
  }

  publish(channel: string, sequence: number, data: unknown = null, id = `m${sequence}`): void {
    this.say({ type: 'pub', channel, sequence, id, name: 'note', data })
  }

  drain(): void {
    this.buffered = 0
    this.#connection.drained()
    this.#stage.environment.settle()
  }

  /** The socket is gone. */
  leave(): void {
    this.#connection.ended()
    this.#stage.environment.settle()
  }

  /** What was said since the last call. */
  take(): readonly ServerFrame[] {
    const frames = this.frames.slice(this.#taken)
    this.#taken = this.frames.length
    return frames
  }

  /** The types of what was said since the last call. */
  takeTypes(): string[] {
    return this.take().map(({ type }) => type)
  }

  /** The offsets of the events pushed since the last call; nothing else may have been said. */
  takeOffsets(): number[] {
    return this.take().map((frame) => {
      expect(frame.type).toBe('event')
      return frame.type === 'event' ? frame.offset : NaN
    })
  }
}

/** A store that answers when it is told to, the oldest question first. */
export class SlowStore implements Store {
  readonly #inner: Store
  #waiting: (() => void)[] = []
  /** Until then it answers at once. */
  isSlow = false
  /** From then on it does not know. */
  isLost = false

  constructor(inner: Store = memoryStore({ createId: () => 'e' })) {
    this.#inner = inner
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  attach: Store['attach'] = (query, done) => this.#ask((answered) => this.#inner.attach(query, answered), done)
  append: Store['append'] = (query, done) => this.#ask((answered) => this.#inner.append(query, answered), done)
  page: Store['page'] = (query, done) => this.#ask((answered) => this.#inner.page(query, answered), done)
  tops: Store['tops'] = (channels, done) => this.#ask((answered) => this.#inner.tops(channels, answered), done)
  mark: Store['mark'] = (query, done) => this.#ask((answered) => this.#inner.mark(query, answered), done)
  behind: Store['behind'] = (name, done) => this.#ask((answered) => this.#inner.behind(name, answered), done)
  detach: Store['detach'] = (query) => this.#inner.detach(query)
  trim: Store['trim'] = (nowMs) => this.#inner.trim(nowMs)

  /** Gives the answers, which are as the store was when it was asked. */
  answer(count = Infinity): void {
    for (const give of this.#waiting.splice(0, count)) give()
  }

  #ask<Answer>(run: (done: Done<Answer>) => void, done: Done<Answer>): void {
    if (this.isLost) return done('unavailable')
    if (!this.isSlow) return run(done)
    run((answer) => this.#waiting.push(() => done(answer)))
  }
}
