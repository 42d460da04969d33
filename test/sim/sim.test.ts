// A fixed number of seeds in every run; SEED=… replays one, SIM_SEEDS=… sets how many.

import { expect, test } from 'vitest'
import { runSeed } from './run.ts'

const FIRST_SEED = 1
const seed = process.env['SEED']
const count = Number(process.env['SIM_SEEDS'] ?? (process.env['LONG'] ? 20_000 : 300))

if (seed) {
  test(`seed ${seed} keeps every promise`, () => {
    runSeed(Number(seed))
  })
} else {
  test(`${count} seeds keep every promise`, { timeout: 1_800_000 }, () => {
    let steps = 0
    for (let i = 0; i < count; i++) steps += runSeed(FIRST_SEED + i).steps
    console.log(`simulated ${count} seeds, ${steps} steps`)
    expect(steps).toBeGreaterThan(count * 100)
  })

  test('a seed runs the same way twice', () => {
    expect(runSeed(11).digest).toBe(runSeed(11).digest)
  })
}
