// G9, G10, G8: between two resets a handler sees strictly consecutive offsets of one log, as they were stored; delivery goes
// on right after a reset's position. Whoever had seen what a store lost is told by a reset: nothing else leads elsewhere.

import type { Oracle } from '../oracle.ts'
import { type Checker, violation } from './checker.ts'

/** Data is compared for one message in so many: that is dear. */
const COMPARED = 8

export function order(oracle: Oracle): Checker {
  return {
    received(client, channel, { epoch, offset, id, data }) {
      const before = client.handed.get(channel)
      const isNext = before && before.epoch === epoch && before.offset + 1 === offset
      if (before && !isNext && !client.mayBeginAnew.has(channel)) {
        violation('G9', `${client.name} saw ${channel} ${epoch}:${offset} after ${before.epoch}:${before.offset}`)
      }
      const stored = oracle.entry(channel, epoch, offset)
      if (stored?.id !== id)
        violation('G9', `${client.name} saw ${id} at ${channel} ${epoch}:${offset}, the log has ${stored?.id}`)
      if (offset % COMPARED === 0 && JSON.stringify(data) !== stored.dataText)
        violation('G9', `${client.name} saw other data at ${channel} ${epoch}:${offset} than was stored`)
    },
  }
}
