// A world of its own: clients, a network and the real server core, in one process on virtual time.
//
// Rules of this file:
// - Client and server run unmodified. Only the environments differ, and all chance comes from the seed.
// - Nothing happens unless time is advanced; the same seed and calls give the same run, to the last byte.

import { type Broker, createBroker } from '../../server/src/broker.ts'
import type { BrokerOptions } from '../../server/src/options.ts'
import { memoryStore } from '../../server/src/store/memory.ts'
import type { Store } from '../../server/src/store/store.ts'
import type { Environment, Hint } from '../env/environment.ts'
import { Clock } from './clock.ts'
import { type Faults, Network, NO_FAULTS } from './network.ts'
import { createRandom, type Random } from './random.ts'

/** Where the world's wall clock begins: Unix milliseconds. */
const EPOCH_MS = 1_750_000_000_000
const FRAME_MS = 16

/** What a world is made of. */
export interface WorldOptions {
  /** All chance comes from it. @defaultValue 1 */
  seed?: number
  /** What the network does by itself; by hand, use `world.network`. @defaultValue 5 ms each way and no faults */
  faults?: Partial<Faults>
  /** Options of the server. */
  server?: BrokerOptions
  /** Sees every store that the server is given, and may put another in front of it. */
  wrapStore?: (store: Store) => Store
}

/** The server of a world. */
export interface WorldServer {
  /** Stores a message and sends it to the channel's subscribers, as the server's own. */
  publish(channel: string, name: string, data: unknown): void
  /** Stops: every connection ends, new ones are refused. */
  stop(): void
  /** Starts again if it is stopped: with what was stored, or with nothing, which is a new epoch for every channel. */
  start(options?: { keepStore?: boolean }): void
}

/** A simulated page: its environment, and what a test may do to it. */
export interface Page {
  readonly environment: Environment
  /** Says to the client what a browser might. */
  hint(hint: Hint): void
  /** Timers are late by up to this, in milliseconds. */
  maxLateMs: number
  /** What was reported instead of thrown. */
  readonly errors: unknown[]
}

/** Time, chance, network, server, and pages to put clients in. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly server: WorldServer
  /** A new page for one client. */
  createPage(name?: string): Page
  /** Options for `createClient`: an address and a page, by default one of its own. Pass a page to see its errors or give it hints. */
  clientOptions(page?: Page): { url: string; environment: Environment }
  /** Lets `ms` milliseconds of virtual time pass. */
  advance(ms: number): void
}

/**
 * Creates a world in which a real client talks to the real server core, without sockets, timers or waiting.
 *
 * @example
 * const world = createWorld({ seed: 7 })
 * const client = createClient(world.clientOptions())
 * client.connect()
 * world.advance(1_000)
 * world.network.cut()
 * world.advance(30_000)
 */
export function createWorld({
  seed = 1,
  faults = {},
  server: options = {},
  wrapStore = (store) => store,
}: WorldOptions = {}): World {
  const clock = new Clock()
  const random = createRandom(seed)
  const network = new Network(clock, random.split('network'), { ...NO_FAULTS, ...faults })
  const ids = random.split('ids')
  const createId = () =>
    Array.from({ length: 4 }, () => ids.between(0, 0xffffffff).toString(16).padStart(8, '0')).join('')
  const createStore = () => wrapStore(memoryStore({ createId }))
  let pages = 0
  let store = createStore()
  let broker: Broker | undefined

  const server: WorldServer = {
    publish(channel, name, data) {
      broker?.publish({ channel, name, data }, () => {})
    },
    stop() {
      broker?.close()
      broker = undefined
      network.accept = undefined
      network.cut()
    },
    start({ keepStore = true } = {}) {
      if (broker) return
      if (!keepStore) store = createStore()
      const running = createBroker({
        store,
        options,
        environment: {
          monotonicNow: () => clock.now(),
          wallNow: () => EPOCH_MS + clock.now(),
          startTimer: (delayMs, wake) => clock.schedule(delayMs, wake),
          soon: (run) => clock.schedule(0, run),
          createId,
          reportError(error) {
            throw error
          },
        },
      })
      broker = running
      network.accept = (peer) => running.accept(peer)
    },
  }
  server.start()

  function createPage(name = `page ${++pages}`): Page {
    const chance = random.split(name)
    const listeners = new Set<(hint: Hint) => void>()
    const page: Page = {
      maxLateMs: 0,
      errors: [],
      hint(hint) {
        for (const listener of [...listeners]) listener(hint)
      },
      environment: {
        monotonicNow: () => clock.now(),
        wallNow: () => EPOCH_MS + clock.now(),
        soon: (run) => clock.schedule(0, run),
        defer: (run) => clock.schedule(0, run),
        frame: (run) => clock.schedule(FRAME_MS, run),
        startTimer: (delayMs, wake) => clock.schedule(delayMs + chance.between(0, page.maxLateMs), wake),
        random: () => chance.next(),
        createId,
        openSocket: (_request, handlers) => network.openSocket(handlers, name),
        onHint(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        },
        reportError: (error) => page.errors.push(error),
      },
    }
    return page
  }

  return {
    clock,
    random,
    network,
    server,
    createPage,
    clientOptions: (page = createPage()) => ({ url: 'ws://world.test/realtime', environment: page.environment }),
    advance: (ms) => clock.advance(ms),
  }
}
