// The server's `onStored`: per channel in the order of the log, each message at least once, none left out.

import type { Position } from '../../../src/protocol/frames.ts'
import type { Oracle } from '../oracle.ts'
import { type Checker, violation } from './checker.ts'

export interface EffectsChecker extends Checker {
  told(channel: string, position: Position, id: string): void
}

/** `isWhole`: the store has kept every message, so that none can have gone before anybody was told of it. */
export function effects(oracle: Oracle, isWhole: () => boolean): EffectsChecker {
  const newest = new Map<string, number>()
  return {
    told(channel, { epoch, offset }, id) {
      if (oracle.entry(channel, epoch, offset)?.id !== id)
        violation('onStored', `told of ${id} at ${channel} ${epoch}:${offset}, where it is not`)
      const key = `${channel} ${epoch}`
      const before = newest.get(key)
      if (isWhole() && before !== undefined && offset > before + 1)
        violation('onStored', `told of ${channel} ${offset} after ${before}`)
      newest.set(key, Math.max(before ?? 0, offset))
    },
  }
}
