// G13: with a working network and some time every client is connected, every channel live and fresh and at the log's top.

import type { Oracle } from '../oracle.ts'
import { type Checker, violation } from './checker.ts'

export function converges(oracle: Oracle): Checker {
  return {
    finished(clients) {
      for (const { name, session, subscribed, hasLeft } of clients) {
        if (hasLeft) continue
        const { status, cause } = session.getSnapshot()
        if (status !== 'connected') violation('G13', `${name} is ${status} (${cause?.code})`)
        for (const [channel, count] of subscribed) {
          if (count === 0) continue
          const { status, fresh, position } = session.getChannelSnapshot(channel)
          if (status !== 'live' || fresh === false) violation('G13', `${name} ${channel} is ${status}, fresh: ${fresh}`)
          const top = oracle.top(channel)
          if (top && (position?.epoch !== top.epoch || position.offset !== top.offset)) {
            violation(
              'G13',
              `${name} ${channel} stands at ${position?.epoch}:${position?.offset}, the log at ${top.epoch}:${top.offset}`,
            )
          }
        }
      }
    },
  }
}
