// G4: every unknown outcome has a reason that was injected. A run in which nothing could have caused it must not have it.
//
// Rules of this file:
// - By code: what must have happened before, in this run. A code that is not listed must not come with `unknown`.

import { RealtimeError } from '../../../src/errors.ts'
import type { Counts } from '../counts.ts'
import { type Checker, violation } from './checker.ts'

/** What makes a server forget a producer's record. */
const LOSSES = [
  'records expire',
  'everything old is forgotten',
  'restart with nothing',
  'crash with nothing left',
] as const
/** What delays or loses answers. */
const DELAYS = [
  'trouble from the start',
  'cut',
  'cut one',
  'silence',
  'silence one',
  'close in the middle',
  'close for good in the middle',
  'slam',
  'refuse',
  'delay',
  'narrow',
  'restart',
  'crash',
  'pause',
  'freeze',
  'sleep',
  'wall clock jumps',
  'hide',
  'disconnect',
  'store is slow',
  'store is silent',
  'store does not do it',
  'store does it and does not say',
  'broken message to a client',
  'broken message to the server',
  'heard: denied',
  'hook answers late',
  ...LOSSES,
] as const

const CAUSES: Readonly<Record<string, readonly string[]>> = {
  timeout: DELAYS,
  aborted: ['abort'],
  closed: ['close', 'the end'],
  replaced: ['close for good in the middle', 'stranger with a known producer'],
  'record-lost': [...LOSSES, 'records go early'],
  'epoch-changed': [...LOSSES, 'logs go early'],
  forbidden: ['heard: denied', 'heard: attached'],
  // Where the application wants what is unknown to be published again, the second copy may be refused.
  internal: ['published again', 'heard: denied'],
  invalid: ['published again'],
  'stale-base': ['published again'],
  superseded: ['published again'],
  'outbox-full': ['published again'],
}

export function explained(counts: Counts): Checker {
  return {
    settled(_client, published, result) {
      if (!(result instanceof RealtimeError) || result.outcome !== 'unknown') return
      if (!CAUSES[result.code]?.some((name) => counts.get(name) > 0))
        violation('G4', `nothing explains that ${published?.id} is unknown (${result.code})`)
    },
  }
}
