// How fast one connection may send: when each thing that it sends has its turn.
//
// Rules of this file:
// - A turn comes late, but it comes, in the order of arriving. Nothing is refused for the pace.
// - No timer and no clock: a turn is an instant, and whoever has it waits for it.

export class Pace {
  readonly #intervalMs: number
  readonly #burstMs: number
  /** Until then every turn that the pace allows has been given away. */
  #takenUntilMs = -Infinity

  /** Gives `perSecond` turns a second, and `burst` at once after a pause. */
  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = (burst - 1) * this.#intervalMs
  }

  /** The monotonic instant at which what arrives now has its turn. */
  turnAtMs(nowMs: number): number {
    const atMs = Math.max(this.#takenUntilMs, nowMs)
    this.#takenUntilMs = atMs + this.#intervalMs
    return Math.max(atMs - this.#burstMs, nowMs)
  }
}
