// Since when a channel is known to be complete.
//
// Rules of this file:
// - An answer counts from the moment of its question: whatever was true when the server read it was true then or later.
// - It counts only once the position has reached the top that the answer named.
// - One question waits at a time; a newer one takes its place only after it was reached, so that a busy channel is
//   confirmed by answers it has caught up with rather than by none.

import type { Position } from '../protocol/frames.ts'
import type { Inbox } from './inbox.ts'

/** The moment of a question, on both clocks: elapsed time judges, wall time is shown. */
export interface AskedAt {
  readonly elapsedMs: number
  readonly wallMs: number
}

export class Freshness {
  #syncedAt: AskedAt | null = null
  #top: Position | null = null
  #waiting: { readonly top: Position; readonly askedAt: AskedAt } | null = null

  /** The newest question whose answer has been reached. */
  get syncedAt(): AskedAt | null {
    return this.#syncedAt
  }

  /** A top was named that the position has not reached. */
  get isWaiting(): boolean {
    return this.#waiting !== null
  }

  /** An answer to the question of `askedAt`: it named `top`, or nothing where the top is still the one named before. */
  answered(top: Position | null, askedAt: AskedAt, inbox: Inbox): void {
    this.#top = top ?? this.#top
    if (!this.#top) return
    if (!this.#waiting || inbox.hasReached(this.#top)) this.#waiting = { top: this.#top, askedAt }
    this.moved(inbox)
  }

  /** The position has moved. */
  moved(inbox: Inbox): void {
    if (!this.#waiting || !inbox.hasReached(this.#waiting.top)) return
    this.#syncedAt = this.#waiting.askedAt
    this.#waiting = null
  }

  /** A new start: what was known belongs to the old history. */
  restart(): void {
    this.#syncedAt = null
    this.#top = null
    this.#waiting = null
  }
}
