// What can strike a run. Each room of faults is a file of its own.

import type { Random } from 'steadywire/testing'
import type { SimClient } from '../sim-client.ts'
import type { Simulation } from '../simulation.ts'
import type { Plan } from '../swarm.ts'

/** A simulation that a seed has drawn. */
export interface Run extends Simulation {
  readonly plan: Plan
  /** When the server may have lost records of producers. */
  readonly losses: number[]
  /** Publishes that had not settled, and messages that had not been handed over, at the last look. */
  waiting: number
}

/** Where and by what chance it strikes. */
export interface Strike extends Run {
  readonly random: Random
  /** The client it concerns, if it concerns one. */
  readonly client: SimClient
}

export interface Fault {
  readonly name: string
  /** How often it strikes, compared with a publish: each run draws one of these. 0 keeps it out. */
  readonly rates: readonly number[]
  strike(strike: Strike): void
}
