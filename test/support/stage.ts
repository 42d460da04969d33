// A client on a stage: virtual time, a page whose every property a test can set, and either the real server or a scripted one.
//
// Rules of this file:
// - Built on the world of `steadywire/testing`; what it adds is control of the page and a record of what the client did to it.
// - Promises of the application run between two moments of virtual time, so `advance` is awaited and nothing ever sleeps.

import { type Client, type ClientOptions, createClient, type RealtimeError } from 'steadywire'
import { createWorld, type Page, type World, type WorldOptions } from 'steadywire/testing'
import type { Environment, Hint } from '../../src/env/environment.ts'
import { type Answers, FakeServer } from './fake-server.ts'

/** A dial as the page saw it. */
export interface Dial {
  readonly url: string
  readonly protocol: string
  readonly token: string
  readonly atMs: number
  /** What the client closed it with, once it has. */
  closedWith: { readonly code: number; readonly reason: string } | undefined
}

/** More than a dial, a greeting and an attachment take in a healthy world, in milliseconds. */
export const CONNECT_MS = 100

export class Stage {
  readonly world: World
  readonly dials: Dial[] = []
  /** What the page's `random()` answers: one half unless a test says otherwise. */
  random = 0.5
  /** What every socket says is still waiting in it. */
  bufferedBytes = 0
  /** Added to the wall clock. */
  wallShiftMs = 0
  /** Added to both clocks: how long handlers have kept the page busy, while nothing else could happen. */
  busyMs = 0
  /** Asked for and neither run nor cancelled: timers, frames, microtasks, macrotasks, hint listeners. */
  readonly held = new Set<string>()
  readonly #page: Page
  #isFrozen = false
  #stoppedMs = 0
  #thawed: (() => void)[] = []
  #heldCount = 0

  constructor(options: WorldOptions = {}) {
    this.world = createWorld(options)
    this.#page = this.world.createPage()
  }

  /** What was reported instead of thrown. */
  get errors(): unknown[] {
    return this.#page.errors
  }

  get nowMs(): number {
    return this.world.clock.now()
  }

  get lastDial(): Dial {
    return this.dials.at(-1) as Dial
  }

  /** Puts a scripted server where the real one was. */
  fake(answers: Answers = {}): FakeServer {
    return new FakeServer(this.world.network, answers)
  }

  client(options: Partial<ClientOptions> = {}): Client {
    return createClient({ url: 'ws://world.test/realtime', ...options, environment: this.environment() })
  }

  /** A client that has been connected. */
  async connected(options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = this.client(options)
    client.connect()
    await this.advance(CONNECT_MS)
    return client
  }

  /** Lets `ms` milliseconds pass, moment by moment, with the application's promises run at each. */
  async advance(ms: number): Promise<void> {
    const { clock } = this.world
    const untilMs = clock.now() + ms
    await promises()
    while (clock.runNext(untilMs)) await promises()
    clock.advance(untilMs - clock.now())
  }

  /** Says to the client what a browser might. */
  hint(hint: Hint): void {
    this.#page.hint(hint)
  }

  /**
   * The machine sleeps: time passes and nothing in the page runs, then everything that was due does. On some platforms the
   * monotonic clock stops meanwhile.
   */
  async sleep(ms: number, clock: 'runs' | 'stops' = 'runs'): Promise<void> {
    this.#isFrozen = true
    await this.advance(ms)
    this.#isFrozen = false
    if (clock === 'stops') this.#stoppedMs += ms
    const thawed = this.#thawed
    this.#thawed = []
    for (const run of thawed) run()
    await promises()
  }

  environment(): Environment {
    const { environment } = this.#page
    return {
      ...environment,
      monotonicNow: () => environment.monotonicNow() + this.busyMs - this.#stoppedMs,
      wallNow: () => environment.wallNow() + this.busyMs + this.wallShiftMs,
      random: () => this.random,
      soon: (run) => this.#hold('soon', run, environment.soon),
      defer: (run) => this.#hold('defer', run, environment.defer),
      frame: (run) => this.#hold('frame', run, environment.frame),
      startTimer: (delayMs, wake) => {
        if (Number.isNaN(delayMs)) throw new Error('a timer for no moment')
        return this.#hold(`timer of ${delayMs} ms`, wake, (run) => environment.startTimer(delayMs, run))
      },
      onHint: (listener) => {
        const key = this.#key('hint listener')
        const stop = environment.onHint(listener)
        return () => {
          this.held.delete(key)
          stop()
        }
      },
      openSocket: (request, handlers) => {
        const dial: Dial = { ...request, atMs: this.nowMs, closedWith: undefined }
        this.dials.push(dial)
        const handle = environment.openSocket?.(request, handlers)
        if (!handle) throw new Error('a page without sockets')
        return {
          send: (text) => handle.send(text),
          bufferedBytes: () => this.bufferedBytes,
          close: (code, reason) => {
            dial.closedWith = { code, reason }
            handle.close(code, reason)
          },
        }
      },
    }
  }

  #key(what: string): string {
    const key = `${what} #${++this.#heldCount}`
    this.held.add(key)
    return key
  }

  #hold(what: string, run: () => void, start: (run: () => void) => (() => void) | void): () => void {
    const key = this.#key(what)
    const cancel = start(() => {
      if (!this.held.has(key)) return
      if (this.#isFrozen) this.#thawed.push(fire)
      else fire()
    })
    const fire = () => {
      if (!this.held.delete(key)) return
      run()
    }
    return () => {
      this.held.delete(key)
      if (cancel) cancel()
    }
  }
}

/** A promise looked at from outside: `undefined` until it has settled, then its value or what it was rejected with. */
export interface Watched<T> {
  result: T | RealtimeError | undefined
}

/** Watches a promise; counts as somebody who awaits it. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { result: undefined }
  promise.then(
    (value) => (watched.result = value),
    (error: unknown) => (watched.result = error as RealtimeError),
  )
  return watched
}

/** Lets every promise that can go on do so. */
export function promises(): Promise<void> {
  return new Promise((resume) => setImmediate(resume))
}
