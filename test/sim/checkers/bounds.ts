// G15, G16, G18: one socket in use per client, the outbox within its limits, and no storm: a run that loses nothing but
// dials without end is broken too.

import type { World } from 'steadywire/testing'
import { type Checker, violation } from './checker.ts'

/** Dials of one client per virtual minute, at most: the backoff's own pace in a short outage, with room for the hints. */
const MAX_DIALS_PER_MINUTE = 60

export function bounds(world: World, limits: { maxMessages: number; maxBytes: number }): Checker {
  return {
    step(clients) {
      const owners = [...world.network.links].filter(({ isInUse }) => isInUse).map(({ owner }) => owner)
      if (new Set(owners).size < owners.length) violation('G18', `two sockets in use by one of ${owners.join()}`)
      for (const { name, session } of clients) {
        const { outbox, outboxBytes } = session.getStats()
        if (outbox > limits.maxMessages) violation('G15', `${name} holds ${outbox} publishes`)
        if (outboxBytes > limits.maxBytes) violation('G15', `${name} holds ${outboxBytes} bytes`)
      }
    },
    finished(clients) {
      const minutes = Math.max(1, world.clock.now() / 60_000)
      const dials = world.network.dialCount / clients.length / minutes
      if (dials > MAX_DIALS_PER_MINUTE) violation('G16', `${dials.toFixed(1)} dials a minute and client`)
    },
  }
}
