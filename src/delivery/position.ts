// What an offset or a position means, seen from where one stands.
//
// Rules of this file:
// - Offsets count within one epoch. Another epoch is a new start, never a comparison.
// - A position moves by one or is set by a new start: no handler ever sees a gap, a duplicate or another order.

import type { Position } from '../protocol/frames.ts'

/** How far ahead of `position` an offset of the same history is: 1 is the next, less has come before, more leaves a gap. */
export function distanceTo(position: Position | null, offset: number): number {
  return position ? offset - position.offset : Infinity
}

/** Whether everything up to `top` has come. */
export function hasReached(position: Position | null, top: Position | null): boolean {
  return !!position && position.epoch === top?.epoch && position.offset >= top.offset
}
