// G9: between two resets a handler sees strictly consecutive offsets of the log, as they were stored.

import type { Oracle } from '../oracle.ts'
import { type Checker, violation, type Watched } from './checker.ts'

export function order(oracle: Oracle): Checker {
  const seen = new WeakMap<Watched, Map<string, { epoch: string; offset: number }>>()
  const of = (client: Watched) => {
    let positions = seen.get(client)
    if (!positions) seen.set(client, (positions = new Map()))
    return positions
  }
  return {
    received(client, channel, { epoch, offset, id }) {
      const before = of(client).get(channel)
      if (before && (before.epoch !== epoch || before.offset + 1 !== offset)) {
        violation('G9', `${client.name} saw ${channel} ${epoch}:${offset} after ${before.epoch}:${before.offset}`)
      }
      const stored = oracle.entry(channel, epoch, offset)
      if (stored?.id !== id)
        violation('G9', `${client.name} saw ${id} at ${channel} ${epoch}:${offset}, the log has ${stored?.id}`)
      // What comes in the step in which the channel stops lingering is handed over to nobody.
      if (client.session.getChannelSnapshot(channel).position) of(client).set(channel, { epoch, offset })
    },
    reset(client, channel, { position }) {
      of(client).set(channel, position)
    },
    stepped(client) {
      // Nobody reads it any more: the next handler begins anew.
      for (const channel of of(client).keys()) {
        if (!client.session.getChannelSnapshot(channel).position) of(client).delete(channel)
      }
    },
  }
}
