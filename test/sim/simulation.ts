// A world with clients in it, watched by every checker.

import { createWorld, type World, type WorldOptions } from 'steadywire/testing'
import { type ClientOptions, parseOptions, type Settings } from '../../src/options.ts'
import type { Checker } from './checkers/checker.ts'
import { converges } from './checkers/converges.ts'
import { fencing } from './checkers/fencing.ts'
import { freshness } from './checkers/freshness.ts'
import { machine } from './checkers/machine.ts'
import { memory } from './checkers/memory.ts'
import { order } from './checkers/order.ts'
import { quiet } from './checkers/quiet.ts'
import { rate } from './checkers/rate.ts'
import { sequence } from './checkers/sequence.ts'
import { settlement } from './checkers/settlement.ts'
import { truth } from './checkers/truth.ts'
import { Counts } from './counts.ts'
import { createOracle, type Oracle } from './oracle.ts'
import { type Behaviour, SimClient } from './sim-client.ts'
import { Trace } from './trace.ts'

/** Every so many events the checkers look around. */
const LOOK_EVENTS = 50
/** The largest publish that applications make, encoded, in bytes. */
const MAX_PUBLISH_BYTES = 4_000

/** What is simulated, and what is known of it. */
export interface Simulation {
  readonly world: World
  readonly oracle: Oracle
  readonly trace: Trace
  readonly counts: Counts
  readonly checkers: readonly Checker[]
  readonly clients: readonly SimClient[]
  /** Ids of producers that have been seen on the wire. */
  readonly producers: ReadonlySet<string>
}

interface SimulationOptions {
  readonly clientCount: number
  readonly settings: Settings
  readonly world: WorldOptions
  readonly behaviour?: Behaviour
  readonly trace?: Trace
}

/** Builds a world with clients in it, watched by every checker. */
export function createSimulation({
  clientCount,
  settings,
  behaviour = {},
  trace = new Trace(),
  ...options
}: SimulationOptions): Simulation {
  const oracle = createOracle(() => world.clock.now())
  const world: World = createWorld({ ...options.world, wrapStore: oracle.wrapStore })
  const fence = fencing()
  world.network.watch = fence
  const counts = new Counts()
  const { intervalMs } = settings.heartbeat
  const maxBufferedBytes = options.world.server?.limits?.maxBufferedBytes ?? 1_048_576
  const checkers = [
    order(oracle),
    settlement(world),
    truth(oracle, settings.publish.onUnknown === 'resend'),
    sequence(),
    memory(world, { settings, maxPublishBytes: MAX_PUBLISH_BYTES, maxBufferedBytes }),
    rate(world),
    machine(),
    freshness(world, oracle, intervalMs),
    converges(oracle),
    quiet(world),
  ]
  const clients = Array.from(
    { length: clientCount },
    (_, i) => new SimClient(`c${i}`, { world, settings, checkers, trace, counts, behaviour }),
  )
  return { world, oracle, trace, counts, checkers, clients, producers: fence.producers }
}

/** For scenarios by hand: so many clients, with these options. */
export function createRun(
  seed: number,
  clientCount: number,
  options: Partial<ClientOptions>,
  world: WorldOptions = {},
) {
  return createSimulation({ clientCount, settings: parseOptions(options), world: { seed, ...world } })
}

/** Lets time pass, with the checkers looking around now and then. */
export function advance({ world, checkers, clients }: Simulation, ms: number): void {
  const { clock } = world
  const untilMs = clock.now() + ms
  for (let events = 1; clock.runNext(untilMs); events++)
    if (events % LOOK_EVENTS === 0) for (const checker of checkers) checker.looked?.(clients)
  world.advance(untilMs - clock.now())
  for (const checker of checkers) checker.looked?.(clients)
}
