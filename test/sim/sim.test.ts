// So many seeds in every run, shared out among the cores; SEED=… replays one and prints all it did, SIM_SEEDS=… sets how many.

import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { withBundle } from './bundle.ts'
import { Counts } from './counts.ts'
import { hazardTable } from './hazards.ts'
import { runSeed } from './run.ts'
import { runShards } from './shards.ts'
import { Trace } from './trace.ts'

const FIRST_SEED = 1
const seed = process.env['SEED']
const isLong = Boolean(process.env['LONG'])
const seeds = Number(process.env['SIM_SEEDS'] ?? (isLong ? 18_000 : 300))
/** Up to so many seeds one core is enough. */
const SMALL = 1_000
/** How often each hazard must have been met in the long form. */
const MIN_MET = 100

if (seed) {
  test(`a replay of seed ${seed} keeps every promise`, () => {
    const trace = new Trace(Infinity)
    try {
      runSeed(Number(seed), trace)
    } finally {
      console.log(trace.text)
    }
  })
} else {
  test(`runs ${seeds} seeds, and every promise is kept`, { timeout: 3_600_000 }, async () => {
    const beganAtMs = Date.now()
    const workers = seeds > SMALL ? availableParallelism() : 1
    const outcomes = await withBundle((bundle) => runShards(bundle, FIRST_SEED, seeds, workers))
    for (const { failed } of outcomes) expect(failed?.message).toBeUndefined()
    const counts = new Counts()
    for (const outcome of outcomes) counts.addAll(outcome.counts)
    const sum = (what: 'seeds' | 'steps' | 'repeated') => outcomes.reduce((total, outcome) => total + outcome[what], 0)
    const seconds = (Date.now() - beganAtMs) / 1_000
    const rows = hazardTable(counts)
    console.log(
      [
        `simulated ${sum('seeds')} seeds, ${sum('steps')} steps in ${seconds.toFixed(1)} s on ${workers} cores`,
        `${sum('repeated')} seeds ran twice and left the same trace`,
        ...rows.map(({ line }) => line),
      ].join('\n'),
    )
    expect(sum('steps')).toBeGreaterThan(seeds * 100)
    if (isLong) expect(rows.filter(({ met }) => met < MIN_MET).map(({ line }) => line)).toEqual([])
  })

  test('runs a seed the same way twice', () => {
    expect(runSeed(11).digest).toBe(runSeed(11).digest)
  })
}
