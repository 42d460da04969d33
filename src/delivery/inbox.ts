// How far one channel has come, and what an arriving offset means.
//
// Rules of this file:
// - One place moves the position, and only by one: no handler ever sees a gap, a duplicate or another order.
// - Offsets count within one epoch. A new epoch is a new start, never a comparison.

import type { Position } from '../protocol/frames.ts'

/** What an arriving offset means: the next one, one that was seen before, or one with others missing before it. */
export type Arrival = 'next' | 'duplicate' | 'gap'

export class Inbox {
  #position: Position | null = null

  /** The newest position that was received, or `null` before the first attachment. */
  get position(): Position | null {
    return this.#position
  }

  /** Starts, or starts anew, right after `position`. */
  start({ epoch, offset }: Position): void {
    this.#position = { epoch, offset }
  }

  /** Nobody keeps up with the channel any longer. */
  forget(): void {
    this.#position = null
  }

  /** Judges `offset` and, if it is the next one, moves on to it. */
  accept(offset: number): Arrival {
    const position = this.#position
    // Before the first position everything is out of place.
    if (!position) return 'gap'
    if (offset <= position.offset) return 'duplicate'
    if (offset > position.offset + 1) return 'gap'
    this.#position = { epoch: position.epoch, offset }
    return 'next'
  }

  /** Whether the position has come as far as `top`, in the same epoch. */
  hasReached(top: Position): boolean {
    return this.#position?.epoch === top.epoch && this.#position.offset >= top.offset
  }
}
