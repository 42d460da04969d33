// A world of its own: clients, a network and the real server core, in one process on virtual time.
//
// Rules of this file:
// - Client and server run unmodified. Only the environments differ, and all chance comes from the seed.
// - Nothing happens unless time is advanced; the same seed and calls give the same run, to the last byte.

import type { Environment } from '../env/environment.ts'
import { Clock } from './clock.ts'
import { Network } from './network.ts'
import { type Faults, NO_FAULTS } from './network-faults.ts'
import { createPage, type Page } from './page.ts'
import { createRandom, type Random } from './random.ts'
import { createServer, type WorldServer, type WorldServerOptions } from './server.ts'

/** What a world is made of. */
export interface WorldOptions extends WorldServerOptions {
  /** All chance comes from it. @defaultValue 1 */
  seed?: number
  /** What the network does by itself; by hand, use `world.network`. @defaultValue 5 ms each way and no faults */
  faults?: Partial<Faults>
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
  /** Lets `ms` milliseconds of virtual time pass. Throws a RangeError for anything but a number from 0 up that ends. */
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
export function createWorld({ seed = 1, faults = {}, ...server }: WorldOptions = {}): World {
  const clock = new Clock()
  const random = createRandom(seed)
  const network = new Network(clock, random.split('network'), { ...NO_FAULTS, ...faults })
  const ids = random.split('ids')
  const createId = () => `${ids.between(0, 0xffffffff).toString(16).padStart(8, '0')}-${(++idCount).toString(16)}`
  let idCount = 0
  let pages = 0
  const world: World = {
    clock,
    random,
    network,
    server: createServer(clock, random.split('server'), network, createId, server),
    createPage: (name = `page ${++pages}`) => createPage(name, clock, network, random.split(name), createId),
    clientOptions: (page = world.createPage()) => ({
      url: 'ws://world.test/realtime',
      environment: page.environment,
    }),
    advance(ms) {
      // A client pings for ever: time without end would never come back.
      if (!Number.isFinite(ms) || ms < 0) throw new RangeError(`Not a time to advance by: ${ms}`)
      clock.advance(ms)
    },
  }
  return world
}
