// G17: after a client was closed nothing of it runs or is held: no timer, no task, no listener, no socket.

import type { World } from 'steadywire/testing'
import { type Checker, violation } from './checker.ts'

export function quiet(world: World): Checker {
  return {
    closed(clients) {
      for (const { name, page, session } of clients) {
        const { status } = session.getSnapshot()
        if (status !== 'closed') violation('G17', `${name} was closed and is ${status}`)
        if (page.openCount > 0) violation('G17', `${name} was closed and has ${page.openCount} things open`)
        if ([...world.network.links].some(({ owner, isInUse }) => owner === name && isInUse))
          violation('G17', `${name} was closed and has a socket`)
      }
    },
  }
}
