// How fast one connection may publish: when each publish has its turn.
//
// Rules of this file:
// - A turn comes late, but it comes, in the order of arriving. Nothing is refused for the pace.
// - No timer and no clock: a turn is an instant, and whoever has it waits for it.

import type { Settings } from './options.ts'

export class Pace {
  readonly #intervalMs: number
  readonly #burstMs: number
  /** Until then every publish that the pace allows has been given away. */
  #takenUntilMs = -Infinity

  constructor({ publishesPerSecond, publishBurst }: Settings['limits']) {
    this.#intervalMs = 1_000 / publishesPerSecond
    this.#burstMs = (publishBurst - 1) * this.#intervalMs
  }

  /** The monotonic instant at which a publish that arrives now has its turn. */
  turnAtMs(nowMs: number): number {
    const atMs = Math.max(this.#takenUntilMs, nowMs)
    this.#takenUntilMs = atMs + this.#intervalMs
    return Math.max(atMs - this.#burstMs, nowMs)
  }
}
