// What happens to the store: slow, silent, gone before or after it did what it was asked, and forgetful.

import type { StoreTemper } from '../swarm.ts'
import type { Fault, Strike } from './fault.ts'

const DAY_MS = 86_400_000

/** The store has a temper for a while. */
function temper({ world, random, plan }: Strike, change: Partial<StoreTemper>): void {
  Object.assign(world.server.storeFaults, change)
  world.clock.schedule(random.between(10, 10_000), () => {
    Object.assign(world.server.storeFaults, plan.store)
    world.server.releaseStore()
  })
}

export const STORE: readonly Fault[] = [
  {
    name: 'store is slow',
    rates: [0, 0, 0.02],
    strike: (strike) => temper(strike, { maxDelayMs: strike.random.pick([20, 500, 8_000]) }),
  },
  { name: 'store is silent', rates: [0, 0, 0.01], strike: (strike) => temper(strike, { silentChance: 0.5 }) },
  {
    name: 'store does not do it',
    rates: [0, 0, 0.02],
    strike: (strike) => temper(strike, { lostCallChance: strike.random.pick([0.05, 1]) }),
  },
  {
    name: 'store does it and does not say',
    rates: [0, 0, 0.02],
    strike: (strike) => temper(strike, { lostAnswerChance: strike.random.pick([0.05, 1]) }),
  },
  {
    name: 'records expire',
    rates: [0, 0, 0.05],
    strike({ world, losses }) {
      losses.push(world.clock.now())
      world.server.forget(0)
    },
  },
  {
    name: 'everything old is forgotten',
    rates: [0, 0, 0.005],
    strike({ world, losses }) {
      losses.push(world.clock.now())
      world.server.forget(2 * DAY_MS)
    },
  },
]
