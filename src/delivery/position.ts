// What an offset or a position means, seen from where one stands.
//
// Rules of this file:
// - Offsets count within one epoch. Another epoch is a new start, never a comparison.
// - A position moves by one or is set by a new start: no handler ever sees a gap, a duplicate or another order.

import type { Position } from '../protocol/frames.ts'

/** What an arriving offset is: the next one, one of the duplicates, or one of the gaps: others are missing before it. */
export type Arrival = 'next' | 'duplicates' | 'gaps'

/** Judges an arriving offset of the history that `position` is in. Before the first position everything is out of place. */
export function arrivalOf(position: Position | null, offset: number): Arrival {
  if (!position || offset > position.offset + 1) return 'gaps'
  return offset > position.offset ? 'next' : 'duplicates'
}

/** Whether everything up to `top` has come. */
export function hasReached(position: Position | null, top: Position | null): boolean {
  return !!position && position.epoch === top?.epoch && position.offset >= top.offset
}
