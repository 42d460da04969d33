// G1–G5: every publish settles once; acknowledged is in the log where it says, rejected is nowhere, unknown is there at
// most once; acknowledged ones of one client and channel stand in the order of the calls.

import { RealtimeError } from '../../../src/errors.ts'
import type { Oracle } from '../oracle.ts'
import { type Checker, violation } from './checker.ts'

export function publishes(oracle: Oracle): Checker {
  return {
    settled(client, published, result) {
      if (!published) violation('G1', `${client.name} settled a publish that nobody made`)
      if (published.result) violation('G1', `${client.name} settled ${published.id} twice`)
      if (result instanceof RealtimeError) {
        if (result.outcome === 'rejected' && oracle.storedCount(published.id) > 0)
          violation('G3', `${published.id} is stored`)
        if (!result.outcome) violation('G1', `${published.id} failed without an outcome`)
        return
      }
      const { channel } = published
      const stored = oracle.entry(channel, result.epoch, result.offset)
      if (stored?.id !== published.id)
        violation('G2', `${published.id} is not at ${channel} ${result.epoch}:${result.offset}`)
      for (const other of client.publishes.values()) {
        const receipt = other.result
        if (other.channel !== channel || !receipt || receipt instanceof RealtimeError) continue
        if (receipt.epoch !== result.epoch || other.order === published.order) continue
        if (other.order < published.order !== receipt.offset < result.offset)
          violation('G5', `${published.id} and ${other.id}`)
      }
    },
    finished(clients) {
      for (const client of clients) {
        for (const { id, result } of client.publishes.values()) {
          if (!result) violation('G1', `${client.name} never settled ${id}`)
          const count = oracle.storedCount(id)
          if (count > 1) violation('G4', `${id} is stored ${count} times`)
          if (result instanceof RealtimeError && result.outcome === 'rejected' && count > 0)
            violation('G3', `${id} is stored`)
        }
      }
    },
  }
}
