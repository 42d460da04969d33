// Virtual time: a queue of what is due, and a clock that moves to each due moment in turn.
//
// Rules of this file:
// - Time never jumps over something that is due. Ties run in the order in which they were scheduled.
// - What has been cancelled stays in the queue as a hole and is skipped.

import type { Cancel } from '../env/environment.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  run: (() => void) | undefined
}

export class Clock {
  #nowMs = 0
  #order = 0
  // A binary heap by moment, then by order.
  readonly #heap: Due[] = []

  /** Virtual milliseconds since the world began. */
  now(): number {
    return this.#nowMs
  }

  schedule(delayMs: number, run: () => void): Cancel {
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    this.#push(due)
    return () => {
      due.run = undefined
    }
  }

  /** Runs the next thing that is due until `untilMs`; tells whether there was one. */
  runNext(untilMs = Infinity): boolean {
    for (;;) {
      const due = this.#heap[0]
      if (!due || due.atMs > untilMs) return false
      this.#pop()
      if (!due.run) continue
      this.#nowMs = due.atMs
      due.run()
      return true
    }
  }

  /** Runs everything that becomes due in the next `ms` milliseconds, then stands there. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    while (this.runNext(untilMs));
    this.#nowMs = untilMs
  }

  #push(due: Due): void {
    const heap = this.#heap
    let i = heap.push(due) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (isBefore(heap[parent] as Due, due)) break
      heap[i] = heap[parent] as Due
      i = parent
    }
    heap[i] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Due
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++
      if (isBefore(last, heap[child] as Due)) break
      heap[i] = heap[child] as Due
      i = child
    }
    heap[i] = last
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
