// A world with clients in it, watched by every checker.

import { createWorld, type World, type WorldOptions } from 'steadywire/testing'
import { type ClientOptions, parseOptions, type Settings } from '../../src/options.ts'
import type { Checker } from './checkers/checker.ts'
import { beginnings } from './checkers/beginnings.ts'
import { converges } from './checkers/converges.ts'
import { effects as effectsChecker, type EffectsChecker } from './checkers/effects.ts'
import { explained } from './checkers/explained.ts'
import { type Fence, fencing } from './checkers/fencing.ts'
import { freshness } from './checkers/freshness.ts'
import { honesty } from './checkers/honesty.ts'
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
const LOOK_EVENTS = 100
/** The largest publish that applications make, encoded, in bytes. */
const MAX_PUBLISH_BYTES = 4_000
/** A store that keeps no more than this may forget before anybody was told. */
const FEW_MESSAGES = 1_000

/** What is simulated, and what is known of it. */
export interface Simulation {
  readonly world: World
  readonly oracle: Oracle
  readonly trace: Trace
  readonly counts: Counts
  readonly checkers: readonly Checker[]
  readonly effects: EffectsChecker
  readonly clients: readonly SimClient[]
  /** Ids of producers that have been seen on the wire. */
  readonly producers: ReadonlySet<string>
  /** What each socket has said first. */
  readonly hellos: Fence['hellos']
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
  const counts = new Counts()
  const oracle = createOracle(() => world.clock.now(), counts)
  const world: World = createWorld({ ...options.world, wrapStore: oracle.wrapStore })
  const fence = fencing(() => world.server.startCount)
  world.network.watch = fence
  const { intervalMs } = settings.heartbeat
  const maxBufferedBytes = options.world.server?.limits?.maxBufferedBytes ?? 1_048_576
  const { historyLimit = Infinity } = options.world.store ?? {}
  const effects = effectsChecker(
    oracle,
    () => historyLimit > FEW_MESSAGES && counts.get('everything old is forgotten') === 0,
  )
  const checkers = [
    order(oracle),
    beginnings(oracle),
    effects,
    settlement(world),
    truth(oracle, settings.publish.onUnknown === 'resend'),
    explained(counts),
    honesty(counts, fence),
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
  return { world, oracle, trace, counts, checkers, effects, clients, producers: fence.producers, hellos: fence.hellos }
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
