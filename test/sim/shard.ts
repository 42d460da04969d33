// One worker's share of the seeds. Every hundredth runs twice: the same seed must leave the same trace.
//
// Rules of this file:
// - It is the entry of the bundle that `bundle.ts` makes and `shards.ts` starts.

import { parentPort, workerData } from 'node:worker_threads'
import { Counts } from './counts.ts'
import { runSeed } from './run.ts'

/** Which seeds: from the first one, every `step`-th, so many. */
export interface Share {
  readonly firstSeed: number
  readonly step: number
  readonly count: number
}

/** What came of a share: everything it did, or the first seed that failed. */
export interface ShareOutcome {
  readonly seeds: number
  readonly steps: number
  readonly repeated: number
  readonly counts: readonly (readonly [name: string, count: number])[]
  readonly failed?: { readonly seed: number; readonly message: string }
}

const REPEATED = 100

// Errors are data here, made by the thousand: nobody reads where.
Error.stackTraceLimit = 0

function runShare({ firstSeed, step, count }: Share): ShareOutcome {
  const counts = new Counts()
  let steps = 0
  let repeated = 0
  for (let i = 0; i < count; i++) {
    const seed = firstSeed + i * step
    try {
      const outcome = runSeed(seed)
      steps += outcome.steps
      counts.addAll(outcome.counts)
      if (seed % REPEATED !== 0) continue
      repeated++
      if (runSeed(seed).digest !== outcome.digest) throw new Error(`seed ${seed} left another trace the second time`)
    } catch (error) {
      return { seeds: i + 1, steps, repeated, counts: [...counts], failed: { seed, message: (error as Error).message } }
    }
  }
  return { seeds: count, steps, repeated, counts: [...counts] }
}

parentPort?.postMessage(runShare(workerData as Share))
