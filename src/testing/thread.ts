// One thread of a simulated machine: it does one thing at a time, and nothing while it is frozen.
//
// Rules of this file:
// - What comes for it while it is busy or frozen waits, and then runs at once, in the order in which it came.
// - While it is busy its own time is ahead of the world's: what it reads, starts and sends happens then.

import type { Cancel } from '../env/environment.ts'
import type { Clock } from './clock.ts'

export class Thread {
  readonly #clock: Clock
  #waiting: (() => void)[] = []
  #freezes = 0
  #busyUntilMs = 0
  #isRunning = false
  #wakesAtMs = -1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Virtual milliseconds, as this thread lives them. */
  now(): number {
    return Math.max(this.#clock.now(), this.#busyUntilMs)
  }

  /** Whether what comes now runs now. */
  get isFree(): boolean {
    return this.#freezes === 0 && this.#busyUntilMs <= this.#clock.now()
  }

  /** Runs `task` now, or when it is its turn. What a task enters belongs to it. */
  enter(task: () => void): void {
    if (this.#isRunning) return task()
    if (this.#waiting.length === 0 && this.isFree) return this.#run(task)
    this.#waiting.push(task)
    this.#wake()
  }

  schedule(delayMs: number, run: () => void): Cancel {
    let isCancelled = false
    const task = (): void => {
      if (!isCancelled) run()
    }
    const cancel = this.#clock.schedule(this.now() - this.#clock.now() + delayMs, () => this.enter(task))
    return () => {
      isCancelled = true
      cancel()
    }
  }

  /** What runs now takes this long. */
  spend(ms: number): void {
    this.#busyUntilMs = this.now() + ms
  }

  /** Nothing runs until {@link thaw} has been called as often. */
  freeze(): void {
    this.#freezes++
  }

  thaw(): void {
    this.#freezes--
    this.#drain()
  }

  #run(task: () => void): void {
    this.#isRunning = true
    try {
      task()
    } finally {
      this.#isRunning = false
    }
  }

  #drain(): void {
    while (this.isFree) {
      const task = this.#waiting.shift()
      if (!task) return
      this.#run(task)
    }
    this.#wake()
  }

  /** Goes on by itself once it is no longer busy. */
  #wake(): void {
    if (this.#freezes > 0 || this.#waiting.length === 0 || this.#wakesAtMs === this.#busyUntilMs) return
    this.#wakesAtMs = this.#busyUntilMs
    this.#clock.schedule(this.#busyUntilMs - this.#clock.now(), () => this.#drain())
  }
}
