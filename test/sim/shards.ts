// Seeds shared out among workers, one per core.

import { Worker } from 'node:worker_threads'
import type { Share, ShareOutcome } from './shard.ts'

/** Runs so many seeds from `firstSeed` on, in `workers` threads; answers what each did. */
export function runShards(bundle: string, firstSeed: number, seeds: number, workers: number): Promise<ShareOutcome[]> {
  const shares = Array.from({ length: workers }, (_, i) => ({
    firstSeed: firstSeed + i,
    step: workers,
    count: Math.ceil((seeds - i) / workers),
  }))
  return Promise.all(shares.map((share) => runShare(bundle, share)))
}

function runShare(bundle: string, share: Share): Promise<ShareOutcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(bundle, { workerData: share, execArgv: ['--enable-source-maps'] })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}
