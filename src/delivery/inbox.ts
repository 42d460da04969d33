// How far one channel has come, and what an arriving offset means.
//
// Rules of this file:
// - One place moves the position, and only by one: no handler ever sees a gap, a duplicate or another order.
// - Offsets count within one epoch. A new epoch is a new start, never a comparison.

import type { Position } from '../protocol/frames.ts'

/** What an arriving offset is: the next one, one of the duplicates, or one of the gaps: others are missing before it. */
export type Arrival = 'next' | 'duplicates' | 'gaps'

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
    const { epoch, offset: received } = this.#position ?? { epoch: '', offset: -Infinity }
    if (offset <= received) return 'duplicates'
    if (offset !== received + 1) return 'gaps'
    this.#position = { epoch, offset }
    return 'next'
  }

  /** Whether this is exactly the position. */
  isAt({ epoch, offset }: Position): boolean {
    return this.#position?.epoch === epoch && this.#position.offset === offset
  }
}
