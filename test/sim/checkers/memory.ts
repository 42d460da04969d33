// G15: what a client holds stays within its limits, and so does what waits in its socket; what the server holds for a
// connection that reads slowly stays within its own.

import type { World } from 'steadywire/testing'
import type { Settings } from '../../../src/options.ts'
import { type Checker, violation } from './checker.ts'

/** A publish may go while less than this waits in the socket; small questions always may. */
const MAX_UNDRAINED_BYTES = 32_768
const SMALL_FRAMES_BYTES = 16_384
/** What a server may hold for one connection beside the mark: a window, one message, and a page under way. */
const SERVER_ROOM_BYTES = 262_144 + 1_048_576 + 65_536

/** What one page, or one message, may bring beyond the bound of a channel. */
const PAGE_BYTES = 65_536
const CHANNEL_COUNT = 3

export interface MemoryLimits {
  readonly settings: Settings
  /** The largest publish that the applications make, in bytes. */
  readonly maxPublishBytes: number
  readonly maxBufferedBytes: number
}

export function memory(world: World, { settings, maxPublishBytes, maxBufferedBytes }: MemoryLimits): Checker {
  const { outbox, inbox } = settings
  return {
    stepped({ name, session }, { type }) {
      if (type !== 'publish' && type !== 'delivered') return
      const stats = session.getStats()
      if (stats.outbox > outbox.maxMessages) violation('G15', `${name} holds ${stats.outbox} publishes`)
      if (stats.outboxBytes > outbox.maxBytes) violation('G15', `${name} holds ${stats.outboxBytes} bytes`)
      const maxHeld = CHANNEL_COUNT * (inbox.maxHeldBytes + PAGE_BYTES)
      // So that what is no number breaks it too.
      if (!(stats.held <= maxHeld)) violation('G15', `${stats.held} characters wait in ${name} for handlers`)
    },
    looked() {
      for (const link of world.network.links) {
        const upBytes = link.isInUse ? link.up.bufferedBytes : 0
        if (upBytes > MAX_UNDRAINED_BYTES + maxPublishBytes + SMALL_FRAMES_BYTES)
          violation('G15', `${upBytes} bytes wait in the socket of ${link.owner}`)
        const downBytes = link.isAccepted ? link.down.bufferedBytes : 0
        if (downBytes > maxBufferedBytes + SERVER_ROOM_BYTES)
          violation('G15', `the server holds ${downBytes} bytes for ${link.owner}`)
      }
    },
  }
}
