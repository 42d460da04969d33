// The server of a world: the real broker on virtual time, its process, its machine's clock, and its store.
//
// Rules of this file:
// - A process that has ended does nothing more: its timers and answers are nobody's. What it had begun in the store may
//   still happen there.
// - The store outlives the process, unless it is started with nothing.

import { type Broker, createBroker } from '../../server/src/broker.ts'
import type { Hook, Hooks } from '../../server/src/hooks.ts'
import type { BrokerOptions } from '../../server/src/options.ts'
import type { Authenticate } from '../../server/src/identity.ts'
import { type MemoryStoreOptions, memoryStore } from '../../server/src/store/memory.ts'
import type { DetachQuery, Store } from '../../server/src/store/store.ts'
import type { Clock } from './clock.ts'
import type { Accept, ServerPeer } from './link.ts'
import type { Network } from './network.ts'
import { WALL_BEGAN_MS } from './page.ts'
import type { Random } from './random.ts'
import { SOUND_STORE, type StoreFaults, StoreLine, type StoreTally } from './store-line.ts'
import { Thread } from './thread.ts'

/** What the server of a world is made of. */
export interface WorldServerOptions {
  /** Options of the broker. */
  server?: BrokerOptions
  /** Options of the store, which is in memory. */
  store?: Omit<MemoryStoreOptions, 'createId'>
  hooks?: Hooks
  /** Answers who a page is. Absent: everyone is the user `anonymous`. */
  authenticate?: (page: string, ...asked: Parameters<Authenticate>) => void
  /** What the broker reports: failures of hooks, and what should never be. @defaultValue throws it */
  reportServerError?: (error: unknown) => void
  /** Sees every store that the server is given, and may put another in front of it. */
  wrapStore?: (store: Store) => Store
}

/** The server of a world. */
export interface WorldServer {
  /** Stores a message and sends it to the channel's subscribers, as the server's own. */
  publish(channel: string, name: string, data: unknown): void
  /** Tells everyone who reads the channel now, as the server's own; the newest of each name and key counts. */
  sendVolatile(channel: string, name: string, data: unknown, options?: { key?: string }): void
  /** Stops in good order: every connection ends, new ones are refused. */
  stop(): void
  /** The process is gone in the middle of what it did. Connections end, or go silent with the machine. */
  crash(isTold: boolean): void
  /** Starts again if it is stopped: with what was stored, or with nothing, which is a new epoch for every channel. */
  start(options?: { keepStore?: boolean }): void
  /** Another process takes over on the same store; the one before drains within this time, and ends. */
  roll(windowMs: number): void
  readonly isRunning: boolean
  /** How often it was started: each time it knows of nobody. */
  readonly startCount: number
  /** The process does nothing for so long, and then everything at once. */
  pause(ms: number): void
  /** Sets the machine's wall clock forward, or back. */
  jumpWallClock(ms: number): void
  /** Lets the store forget what retention does not cover, as if so much time had passed. */
  forget(afterMs: number): void
  /** How the store answers. */
  readonly storeFaults: StoreFaults
  readonly storeTally: StoreTally
  /** The store says everything that it has kept back. */
  releaseStore(): void
  /** Inputs that the server's core has answered with an effect. */
  readonly steps: number
}

export function createServer(
  clock: Clock,
  random: Random,
  network: Network,
  createId: () => string,
  {
    server: options = {},
    store: storeOptions,
    hooks = {},
    authenticate,
    reportServerError,
    wrapStore,
  }: WorldServerOptions,
): WorldServer {
  const storeFaults = { ...SOUND_STORE }
  const storeTally: StoreTally = { storedUnheard: 0, lostCalls: 0, silentAnswers: 0 }
  let store = createStore()
  let running: Process | undefined
  let wallAheadMs = 0
  let steps = 0
  let startCount = 0
  // Whether the input that runs now has had an effect.
  let hasEffect = false
  let isTaking = false

  interface Process {
    readonly broker: Broker
    readonly thread: Thread
    readonly line: StoreLine
    /** Who may publish where, by what the store was told: nobody tells it when the process dies. */
    readonly claims: Map<string, DetachQuery>
    isAlive(): boolean
    die(): void
  }

  function createStore(): Store {
    const plain = memoryStore({ ...storeOptions, createId })
    return wrapStore ? wrapStore(plain) : plain
  }

  function launch(): Process {
    const thread = new Thread(clock)
    let isAlive = true
    const claims = new Map<string, DetachQuery>()
    /** One input: counted if anything comes of it. An answer that the store gives at once belongs to what asked. */
    const input = (run: () => void) => (): void => {
      if (!isAlive) return
      if (isTaking) return run()
      isTaking = true
      hasEffect = false
      run()
      isTaking = false
      if (hasEffect) steps++
    }
    const take = (run: () => void) => thread.enter(input(run))
    const line = new StoreLine(store, { clock, random, faults: storeFaults, tally: storeTally, hear: take })
    const schedule = (delayMs: number, run: () => void) => {
      hasEffect = true
      return thread.schedule(delayMs, input(run))
    }
    const life: Process = {
      thread,
      line,
      claims,
      isAlive: () => isAlive,
      die() {
        isAlive = false
        line.die()
      },
      broker: createBroker({
        store: watched(line.port, claims),
        options,
        hooks: answeringTo(take),
        isAnonymous: !authenticate,
        environment: {
          monotonicNow: () => thread.now(),
          wallNow: () => WALL_BEGAN_MS + thread.now() + wallAheadMs,
          startTimer: schedule,
          soon: (run) => schedule(0, run),
          createId,
          reportError: reportServerError ?? rethrow,
        },
      }),
    }
    network.accept = accepting(life, take)
    return life
  }

  /** Notes that the store was asked, and who claims to publish. */
  function watched(port: Store, claims: Map<string, DetachQuery>): Store {
    return {
      ...port,
      attach(query, done) {
        hasEffect = true
        const { channel, producer } = query
        if (producer) {
          const { id: producerId, generation } = producer
          claims.set(`${producerId} ${channel}`, { channel, producerId, generation })
        }
        port.attach(query, done)
      },
      append(query, done) {
        hasEffect = true
        port.append(query, done)
      },
      page(query, done) {
        hasEffect = true
        port.page(query, done)
      },
      tops(channels, done) {
        hasEffect = true
        port.tops(channels, done)
      },
    }
  }

  /** The hooks, whose answers are inputs too, and come to nobody once the process is gone. */
  function answeringTo(take: (input: () => void) => void): Hooks {
    const answering =
      <Query, Answer>(hook: Hook<Query, Answer>): Hook<Query, Answer> =>
      (query, done) =>
        hook(query, (answer) => take(() => done(answer)))
    const { authorize, onPublish, onStored, snapshot, state } = hooks
    return {
      ...(authorize && { authorize: answering(authorize) }),
      ...(onPublish && { onPublish: answering(onPublish) }),
      ...(onStored && { onStored: answering(onStored) }),
      ...(snapshot && { snapshot: answering(snapshot) }),
      ...(state && { state }),
    }
  }

  function accepting({ broker }: Process, take: (input: () => void) => void): Accept {
    return (peer, page) => {
      const details = authenticate
        ? {
            authenticate: (...[token, done]: Parameters<Authenticate>) =>
              authenticate(page, token, (answer) => take(() => done(answer))),
          }
        : {}
      let connection: ReturnType<Broker['accept']> | undefined
      take(() => {
        connection = broker.accept(counted(peer), details)
      })
      return {
        received: (text) => take(() => connection?.received(text)),
        drained: () => take(() => connection?.drained()),
        ended: (code) => take(() => connection?.ended(code)),
      }
    }
  }

  function counted(peer: ServerPeer): ServerPeer {
    return {
      send(text) {
        hasEffect = true
        peer.send(text)
      },
      close(code, reason) {
        hasEffect = true
        peer.close(code, reason)
      },
      terminate() {
        hasEffect = true
        peer.terminate()
      },
      bufferedBytes: () => peer.bufferedBytes(),
    }
  }

  function end(): void {
    if (!running) return
    retire(running)
    running = undefined
    network.accept = undefined
  }

  function retire(life: Process): void {
    life.die()
    // A store that is opened anew finds nobody attached.
    for (const claim of life.claims.values()) store.detach(claim)
  }

  const server: WorldServer = {
    storeFaults,
    storeTally,
    get steps() {
      return steps
    },
    get startCount() {
      return startCount
    },
    get isRunning() {
      return running !== undefined
    },
    publish(channel, name, data) {
      const life = running
      life?.thread.enter(() => {
        if (life.isAlive()) life.broker.publish({ channel, name, data }, () => {})
      })
    },
    sendVolatile(channel, name, data, options) {
      const life = running
      life?.thread.enter(() => {
        if (life.isAlive()) life.broker.sendVolatile(channel, name, data, options)
      })
    },
    stop() {
      running?.broker.close()
      end()
      network.cut()
    },
    crash(isTold) {
      end()
      network.crash(isTold)
    },
    start({ keepStore = true } = {}) {
      if (running) return
      if (!keepStore) store = createStore()
      startCount++
      running = launch()
    },
    roll(windowMs) {
      const before = running
      if (!before) return
      startCount++
      running = launch()
      before.thread.enter(() =>
        before.broker.drain(windowMs, () => {
          before.broker.close()
          retire(before)
        }),
      )
    },
    pause(ms) {
      const life = running
      life?.thread.freeze()
      clock.schedule(ms, () => life?.thread.thaw())
    },
    jumpWallClock(ms) {
      wallAheadMs += ms
    },
    forget(afterMs) {
      store.trim(WALL_BEGAN_MS + clock.now() + wallAheadMs + afterMs)
    },
    releaseStore() {
      running?.line.release()
    },
  }
  server.start()
  return server
}

function rethrow(error: unknown): never {
  throw error
}
