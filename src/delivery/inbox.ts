// How far one channel has come, and what an arriving offset means.
//
// Rules of this file:
// - One place moves the position, and only by one: no handler ever sees a gap, a duplicate or another order.
// - Offsets count within one epoch. A new epoch is a new start, never a comparison.

import type { Position } from '../protocol/frames.ts'

/** What an arriving offset is: the next one, one of the duplicates, or one of the gaps: others are missing before it. */
export type Arrival = 'next' | 'duplicates' | 'gaps'

export interface Inbox {
  /** The newest position that was received, or `null` before the first attachment. */
  position(): Position | null
  /** Starts, or starts anew, right after `position`. */
  start(position: Position): void
  /** Nobody keeps up with the channel any longer. */
  forget(): void
  /** Judges `offset` and, if it is the next one, moves on to it. */
  accept(offset: number): Arrival
  /** Whether this is exactly the position. */
  isAt(position: Position): boolean
}

export function createInbox(): Inbox {
  let received: Position | null = null
  return {
    position: () => received,
    start({ epoch, offset }) {
      received = { epoch, offset }
    },
    forget() {
      received = null
    },
    accept(offset) {
      // Before the first position everything is out of place.
      if (!received || offset > received.offset + 1) return 'gaps'
      if (offset <= received.offset) return 'duplicates'
      received = { epoch: received.epoch, offset }
      return 'next'
    },
    isAt: ({ epoch, offset }) => received?.epoch === epoch && received.offset === offset,
  }
}
