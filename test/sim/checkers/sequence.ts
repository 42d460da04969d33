// G5: two acknowledged publishes of one client to one channel stand in the order of the calls.

import { RealtimeError } from '../../../src/errors.ts'
import { type Checker, type Published, violation } from './checker.ts'

export function sequence(): Checker {
  return {
    finished(clients) {
      for (const { publishes } of clients) {
        // By channel and epoch: the acknowledged ones, in the order of the calls.
        const newest = new Map<string, { readonly offset: number; readonly published: Published }>()
        for (const published of publishes.values()) {
          const { result, channel } = published
          if (!result || result instanceof RealtimeError) continue
          const key = `${channel} ${result.epoch}`
          const before = newest.get(key)
          if (before && before.offset >= result.offset)
            violation('G5', `${before.published.id} stands at ${before.offset}, ${published.id} at ${result.offset}`)
          newest.set(key, { offset: result.offset, published })
        }
      }
    },
  }
}
