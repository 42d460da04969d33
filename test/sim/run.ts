// One run of the simulator: a seed draws the faults, what the applications do and what breaks when; then everything heals
// and the world has to come to rest.
//
// Rules of this file:
// - Safety first, then liveness: while faults are on nothing wrong may happen; once they are off everything must finish.
// - Faults are drawn per seed: some runs have none of a kind, some have little else.

import { createWorld, type World, type WorldOptions } from 'steadywire/testing'
import type { ClientOptions } from '../../src/options.ts'
import { bounds } from './checkers/bounds.ts'
import type { Checker } from './checkers/checker.ts'
import { converges } from './checkers/converges.ts'
import { order } from './checkers/order.ts'
import { publishes } from './checkers/publishes.ts'
import { createOracle, type Oracle } from './oracle.ts'
import { type Sabotage, SimClient } from './sim-client.ts'
import { Trace } from './trace.ts'

const CHANNELS = ['alpha', 'beta', 'constructor']
const STORM_MS = 120_000
/** Two heartbeats and the longest backoff step, of the options below, with room. */
const HEAL_MS = 90_000
const OUTBOX = { maxMessages: 50, maxBytes: 20_000 }

export interface Run {
  readonly world: World
  readonly oracle: Oracle
  readonly trace: Trace
  readonly clients: readonly SimClient[]
}

const SOUND: Sabotage = (session) => session

/** Builds a world with clients in it, watched by every checker. */
export function createRun(
  seed: number,
  clientCount: number,
  options: Partial<ClientOptions>,
  world: WorldOptions = {},
  sabotage = SOUND,
): Run & { checkers: Checker[] } {
  const oracle = createOracle()
  const built = createWorld({ seed, wrapStore: oracle.wrapStore, ...world })
  const trace = new Trace()
  const checkers = [order(oracle), publishes(oracle), bounds(built, OUTBOX), converges(oracle)]
  const clients = Array.from(
    { length: clientCount },
    (_, i) => new SimClient(built, `c${i}`, options, checkers, trace, sabotage),
  )
  return { world: built, oracle, trace, clients, checkers }
}

/** Runs one seed to its end; throws with the seed, the command to replay it and the last steps. */
export function runSeed(seed: number, sabotage = SOUND): Run {
  const run = createSeededRun(seed, sabotage)
  try {
    storm(run)
    heal(run)
  } catch (error) {
    const replay = `SEED=${seed} npm run test:sim`
    throw new Error(`seed ${seed}: ${(error as Error).message}\nReplay: ${replay}\n${run.trace.text}\n`, {
      cause: error,
    })
  }
  return run
}

type SeededRun = ReturnType<typeof createRun>

function createSeededRun(seed: number, sabotage: Sabotage): SeededRun {
  const swarm = createWorld({ seed }).random.split('swarm')
  const options: Partial<ClientOptions> = {
    heartbeat: { intervalMs: swarm.pick([1_000, 5_000, 25_000]), timeoutMs: swarm.pick([2_000, 10_000]) },
    backoff: {
      baseDelayMs: swarm.pick([50, 500]),
      maxDelayMs: swarm.pick([2_000, 30_000]),
      stableAfterMs: swarm.pick([1_000, 10_000]),
    },
    outbox: OUTBOX,
    publish: { timeoutMs: swarm.pick([5_000, 60_000, Infinity]) },
  }
  const world: WorldOptions = {
    faults: {
      minDelayMs: 1,
      maxDelayMs: swarm.pick([5, 50, 1_000]),
      refuseChance: swarm.pick([0, 0, 0.3]),
      maxDialMs: swarm.pick([0, 100, 15_000]),
      lateChance: swarm.pick([0, 0.5]),
    },
    server: { heartbeatMs: swarm.pick([2_000, 25_000]) },
  }
  return createRun(seed, swarm.between(1, 4), options, world, sabotage)
}

function storm(run: SeededRun): void {
  const { world, clients, trace } = run
  const { network, server, clock } = world
  const swarm = world.random.split('storm')
  const rate = swarm.pick([0.5, 3, 20])
  const weights = {
    publish: 1,
    serverPublish: swarm.pick([0, 0.3]),
    subscribe: 0.1,
    unsubscribe: swarm.pick([0, 0.05]),
    cut: swarm.pick([0, 0.02, 0.1]),
    silence: swarm.pick([0, 0.02]),
    release: 0.02,
    restart: swarm.pick([0, 0, 0.01]),
    wipe: swarm.pick([0, 0, 0.005]),
    refuse: swarm.pick([0, 0.02]),
    hint: swarm.pick([0, 0.1]),
    disconnect: swarm.pick([0, 0.01]),
    retry: swarm.pick([0, 0.02]),
  }
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
  const draw = (): keyof typeof weights => {
    let left = swarm.next() * total
    for (const [name, weight] of Object.entries(weights)) if ((left -= weight) < 0) return name as keyof typeof weights
    return 'publish'
  }
  for (const client of clients) {
    client.page.maxLateMs = swarm.pick([0, 0, 1_000])
    client.connect()
    for (const channel of CHANNELS) if (swarm.chance(0.7)) client.subscribe(channel)
  }
  while (clock.now() < STORM_MS) {
    const client = swarm.pick(clients)
    const what = draw()
    if (what !== 'publish') trace.note(`t=${(clock.now() / 1000).toFixed(3)} — ${what}`)
    if (what === 'publish')
      client.publish(swarm.pick(CHANNELS), { n: swarm.between(0, 9), fill: 'x'.repeat(swarm.pick([0, 10, 500])) })
    else if (what === 'serverPublish') server.publish(swarm.pick(CHANNELS), 'm', {})
    else if (what === 'subscribe') client.subscribe(swarm.pick(CHANNELS))
    else if (what === 'unsubscribe') client.unsubscribe(swarm.pick(CHANNELS))
    else if (what === 'cut') network.cut()
    else if (what === 'silence') network.silence(swarm.pick(['up', 'down', 'both']))
    else if (what === 'release') network.release()
    else if (what === 'refuse') network.isRefusing = !network.isRefusing
    else if (what === 'hint')
      client.page.hint(swarm.pick(['online', 'offline', 'visible', 'hidden', 'resume', 'pageshow']))
    else if (what === 'disconnect') {
      client.feed({ type: 'disconnect' })
      clock.schedule(swarm.between(0, 5_000), () => client.connect())
    } else if (what === 'retry') client.feed({ type: 'retry' })
    else {
      server.stop()
      clock.schedule(swarm.between(0, 10_000), () => server.start({ keepStore: what === 'restart' }))
    }
    advance(run, (swarm.next() * 2_000) / rate)
  }
}

function heal(run: SeededRun): void {
  const { world, clients, checkers } = run
  const { network, server } = world
  network.faults = {
    ...network.faults,
    refuseChance: 0,
    maxDialMs: 0,
    maxDelayMs: Math.min(50, network.faults.maxDelayMs),
  }
  network.isRefusing = false
  network.release()
  server.stop()
  server.start()
  for (const client of clients) client.connect()
  advance(run, HEAL_MS)
  for (const checker of checkers) checker.finished?.(clients)
}

/** Lets time pass, with every checker looking after every event. */
export function advance({ world, checkers, clients }: SeededRun, ms: number): void {
  const untilMs = world.clock.now() + ms
  while (world.clock.runNext(untilMs)) for (const checker of checkers) checker.step?.(clients)
  world.advance(untilMs - world.clock.now())
}
