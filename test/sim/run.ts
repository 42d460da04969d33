// One run of the simulator: a seed draws what the world is made of, what the applications do and what breaks when; then
// everything heals and the world has to come to rest; then everything is closed and nothing may be left.
//
// Rules of this file:
// - Safety first, then liveness: while faults are on nothing wrong may happen; once they are off everything must finish.

import { createRandom } from '../../src/testing/random.ts'
import type { Run } from './faults/fault.ts'
import { createSimulation, type Simulation } from './simulation.ts'
import { heal, storm } from './storm.ts'
import { drawPlan } from './swarm.ts'
import { Trace } from './trace.ts'

/** How a run ended. */
export interface Outcome {
  readonly steps: number
  readonly digest: number
  readonly counts: readonly (readonly [name: string, count: number])[]
}

/** Runs one seed to its end; throws with the seed, the command to replay it and the last steps. */
export function runSeed(seed: number, trace = new Trace()): Outcome {
  const swarm = createRandom(seed).split('swarm')
  // The hooks need the clock of a world that needs the hooks.
  const plan = drawPlan(swarm, {
    later: (delayMs, run) => void simulation.world.clock.schedule(delayMs, run),
    topOf: (channel) => simulation.oracle.top(channel),
    told: (...message) => simulation.effects.told(...message),
    count: (name) => simulation.counts.add(name),
  })
  const simulation: Simulation = createSimulation({ ...plan, world: { seed, ...plan.world }, trace })
  const run: Run = { ...simulation, plan, losses: [], waiting: Infinity }
  if (plan.hasUsers && plan.clientCount > 1) run.counts.add('two tabs of one user')
  try {
    storm(run)
    heal(run)
  } catch (error) {
    const replay = `SEED=${seed} npm run test:sim`
    throw new Error(`seed ${seed}: ${(error as Error).message}\nReplay: ${replay}\n${trace.text}\n`, { cause: error })
  }
  const { server } = run.world
  for (const [name, count] of Object.entries(server.storeTally)) run.counts.add(`store: ${name}`, count)
  return { steps: trace.steps + server.steps, digest: trace.digest, counts: [...run.counts] }
}
