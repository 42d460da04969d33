// G1: every publish settles exactly once, in one of three ways, and in time: at the latest `timeoutMs` of awake time after
// the call, and when the client is closed. Whoever asks for a new start hears of it in the end.

import type { World } from 'steadywire/testing'
import { RealtimeError } from '../../../src/errors.ts'
import { type Checker, violation } from './checker.ts'

/** How late a page's timers may be, and what handlers take, where nothing keeps it from running. */
const LATE_MS = 10_000

export function settlement(world: World): Checker {
  return {
    settled(client, published, result) {
      if (!published) violation('G1', `${client.name} settled a publish that nobody made`)
      if (published.result) violation('G1', `${client.name} settled ${published.id} twice`)
      if (result instanceof RealtimeError && !result.outcome)
        violation('G1', `${published.id} failed without an outcome`)
      const lateMs = world.clock.now() - published.atMs - published.timeoutMs - client.awayMs
      if (client.trickedAtMs === -Infinity && lateMs > LATE_MS)
        violation('G1', `${published.id} settled ${lateMs} ms after its time`)
    },
    finished(clients) {
      for (const { name, publishes, refreshing } of clients) {
        for (const { id, result } of publishes.values()) if (!result) violation('G1', `${name} never settled ${id}`)
        for (const channel of refreshing.keys()) violation('G1', `${name} never began ${channel} anew`)
      }
    },
  }
}
