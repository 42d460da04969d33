// The simulator must notice when a rule is broken, in the client or in the server: each canary replaces one line of the
// sources.

import { describe, expect, test } from 'vitest'
import { withBundle } from './bundle.ts'
import { MUTANTS } from './mutants.ts'
import { runShards } from './shards.ts'

const SEEDS = 2_000

describe('the simulator notices that', () => {
  test.concurrent.each(MUTANTS)('$what ($rule)', { timeout: 600_000 }, async (mutant) => {
    const [outcome] = await withBundle((bundle) => runShards(bundle, 1, SEEDS, 1), mutant)
    const { seed, message } = outcome?.failed ?? {}
    console.log(`canary: ${mutant.what} (${mutant.rule}): seed ${seed}, ${message?.split('\n')[0]}`)
    expect(message ?? `not within ${SEEDS} seeds`).toMatch(/broken|while|simulated/)
  })
})
