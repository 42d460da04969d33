// How often each of many may do something: at the end of the tick in which it is asked for, if it has rested, and else as
// soon as it has.
//
// Rules of this file:
// - Whoever asks again while it waits asks for the same: it runs once.
// - All rest equally long, so they are done in the order in which they began: one timer serves everybody, and there is none
//   while nobody rests.

import type { ServerEnvironment } from './environment.ts'

interface Rest {
  readonly endsAtMs: number
  /** Whether it is to run again when it has rested. */
  isAsked: boolean
}

export class Cadence<Item extends object> {
  readonly #environment: ServerEnvironment
  readonly #restMs: number
  readonly #run: (item: Item) => void
  /** Those that run at the end of this tick. */
  #ready = new Set<Item>()
  /** Those that have run lately, the earliest first. */
  readonly #resting = new Map<Item, Rest>()
  #isTimed = false

  constructor(environment: ServerEnvironment, restMs: number, run: (item: Item) => void) {
    this.#environment = environment
    this.#restMs = restMs
    this.#run = run
  }

  ask(item: Item): void {
    const rest = this.#resting.get(item)
    if (rest) {
      rest.isAsked = true
      return
    }
    if (this.#ready.size === 0) this.#environment.soon(() => this.#runReady())
    this.#ready.add(item)
  }

  #runReady(): void {
    const ready = this.#ready
    this.#ready = new Set()
    for (const item of ready) this.#go(item)
  }

  #go(item: Item): void {
    this.#resting.set(item, { endsAtMs: this.#environment.monotonicNow() + this.#restMs, isAsked: false })
    if (!this.#isTimed) this.#wait(this.#restMs)
    this.#run(item)
  }

  #wait(delayMs: number): void {
    this.#isTimed = true
    this.#environment.startTimer(delayMs, () => this.#wake())
  }

  #wake(): void {
    const nowMs = this.#environment.monotonicNow()
    for (const [item, { endsAtMs, isAsked }] of this.#resting) {
      if (endsAtMs > nowMs) return this.#wait(endsAtMs - nowMs)
      this.#resting.delete(item)
      if (isAsked) this.#go(item)
    }
    this.#isTimed = false
  }
}
