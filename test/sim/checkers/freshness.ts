// G12: whenever a channel is `fresh`, everything stored before the question it counts from has been handed over.
//
// Rules of this file:
// - Judged on the world's own time. The question is at most T_fresh old; where the page's clocks were never tampered with,
//   it is as old as `syncedAtMs` says.
// - A page whose clocks both lied cannot know how much time has passed: it is judged again once they have been honest for
//   T_fresh.

import type { World } from 'steadywire/testing'
import type { ChannelSnapshot } from '../../../src/snapshots.ts'
import type { Oracle } from '../oracle.ts'
import { type Checker, violation, type Watched } from './checker.ts'

/** Where every wall clock of a world begins. */
const WALL_BEGAN_MS = 1_750_000_000_000
const FRESH_ROOM_MS = 10_000

export function freshness(world: World, oracle: Oracle, heartbeatMs: number): Checker {
  const freshMs = heartbeatMs + FRESH_ROOM_MS

  function judge(client: Watched, channel: string, { fresh, syncedAtMs, position }: ChannelSnapshot): void {
    if (!fresh) return
    const nowMs = world.clock.now()
    const isHonest = client.trickedAtMs === -Infinity
    if (!isHonest && nowMs - client.trickedAtMs <= freshMs) return
    if (isHonest && syncedAtMs === null) violation('G12', `${client.name} ${channel} is fresh since never`)
    const askedAtMs = isHonest && syncedAtMs !== null ? syncedAtMs - WALL_BEGAN_MS : nowMs - freshMs
    if (askedAtMs < nowMs - freshMs - 1)
      violation('G12', `${client.name} ${channel} is fresh by a question ${nowMs - askedAtMs} ms old`)
    const top = oracle.topAt(channel, askedAtMs - 1)
    if (!top) return
    // In another history only where there is one by now.
    if (position?.epoch !== top.epoch ? oracle.epoch(channel) === top.epoch : position.offset < top.offset)
      violation(
        'G12',
        `${client.name} ${channel} is fresh at ${position?.epoch}:${position?.offset}, ${top.epoch}:${top.offset} was stored ${askedAtMs - top.atMs} ms before it asked`,
      )
    const handed = client.handed.get(channel)
    if (client.mayBeginAnew.has(channel)) return
    if (handed && position && handed.epoch === position.epoch && handed.offset < position.offset)
      violation('G12', `${client.name} ${channel} counts ${position.offset}, handed over is ${handed.offset}`)
  }

  return {
    stepped(client, { type }) {
      // Handing over is told without a look at the clocks; who looks at the channel then has them read (`looked`).
      if (type === 'publish' || type === 'delivered' || client.hasLeft) return
      for (const [channel, count] of client.subscribed)
        if (count > 0) judge(client, channel, client.session.getChannelSnapshot(channel))
    },
    looked(clients) {
      for (const client of clients) {
        if (client.hasLeft || !client.page.canRun) continue
        for (const [channel, count] of client.subscribed) if (count > 0) judge(client, channel, client.look(channel))
      }
    },
  }
}
