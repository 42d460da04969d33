// G2, G3, G4: acknowledged is in the log where it says; rejected is nowhere, whatever arrives late; unknown is there at most
// once. G6 is what remains: nothing that was sent is called rejected, and nothing is left out.

import { RealtimeError } from '../../../src/errors.ts'
import type { Oracle } from '../oracle.ts'
import { type Checker, violation } from './checker.ts'

/** `mayRepeat`: the application has asked for what is unknown to be published again, by the same id. */
export function truth(oracle: Oracle, mayRepeat: boolean): Checker {
  return {
    settled(_client, published, result) {
      if (!published) return
      const { id, channel } = published
      if (result instanceof RealtimeError) {
        if (result.outcome === 'rejected' && oracle.storedCount(id) > 0)
          violation('G3', `${id} is stored, and was rejected as ${result.code}`)
        return
      }
      if (oracle.entry(channel, result.epoch, result.offset)?.id !== id)
        violation('G2', `${id} is not at ${channel} ${result.epoch}:${result.offset}`)
    },
    closed(clients) {
      for (const { publishes } of clients) {
        for (const { id, result } of publishes.values()) {
          const count = oracle.storedCount(id)
          if (count > 1 && !mayRepeat) violation('G4', `${id} is stored ${count} times`)
          if (result instanceof RealtimeError && result.outcome === 'rejected' && count > 0)
            violation('G3', `${id} was stored after it had been rejected as ${result.code}`)
        }
      }
    },
  }
}
