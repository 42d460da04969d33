// G16, G18: one socket in use per client; no storm of dials, even where nothing is lost by it; and never sooner than a server
// that is in trouble, or asks for a wait, can expect.

import type { World } from 'steadywire/testing'
import { type Checker, violation, type Watched } from './checker.ts'

/** Dials of one client per virtual minute, at most: the backoff's own pace in a short outage, with room for the hints. */
const MAX_DIALS_PER_MINUTE = 60
/** After these codes, at least so long. */
const SLOW_CODES: readonly number[] = [1011, 1013, 4500]
const SLOW_MS = 1_000
const ROUNDING_MS = 1

interface Floor {
  readonly fromMs: number
  readonly untilMs: number
}

export function rate(world: World): Checker {
  const floors = new WeakMap<Watched, Floor>()
  const asks = new WeakMap<Watched, number>()
  return {
    stepped(client, input, effects) {
      const nowMs = world.clock.now()
      if (input.type === 'retry' || input.type === 'connect' || input.type === 'disconnect') {
        asks.set(client, (asks.get(client) ?? 0) + 1)
        floors.delete(client)
      }
      for (const { type } of effects) {
        if (type === 'authorize') {
          const floor = floors.get(client)
          if (floor && client.trickedAtMs < floor.fromMs && nowMs < floor.untilMs - ROUNDING_MS)
            violation('G16', `${client.name} tries again ${floor.untilMs - nowMs} ms before it may`)
          floors.delete(client)
        } else if (type === 'socket.open') {
          const links = [...world.network.links].filter(({ owner, isInUse }) => owner === client.name && isInUse)
          if (links.length > 1) violation('G18', `two sockets in use by ${client.name}`)
        }
      }
      // One of an abandoned socket means nothing, also where something else is due in the same step.
      const heard = input.type === 'socket.ended' && client.session.getSnapshot().cause?.closeCode === input.closeCode
      if (heard && effects.some(({ type }) => type === 'emit' || type === 'changed')) {
        const wishMs = Number(/retry=(\d+)/.exec(input.reason)?.[1] ?? 0)
        const waitMs = Math.max(wishMs, SLOW_CODES.includes(input.closeCode) ? SLOW_MS : 0)
        floors.set(client, { fromMs: nowMs, untilMs: nowMs + waitMs })
      }
    },
    finished(clients) {
      const minutes = Math.max(1, world.clock.now() / 60_000)
      const asked = clients.reduce((sum, client) => sum + (asks.get(client) ?? 0), 0)
      const dials = (world.network.dialCount - asked) / clients.length / minutes
      if (dials > MAX_DIALS_PER_MINUTE) violation('G16', `${dials.toFixed(1)} dials a minute and client`)
    },
  }
}
