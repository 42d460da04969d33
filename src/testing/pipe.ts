// One direction of a link: what is sent arrives in order, each message after its own delay.
//
// Rules of this file:
// - Bytes leave at the pace of the link and wait in the sender's platform until then; what its kernel takes in does not
//   show there.
// - A silent pipe carries nothing and keeps everything. A cut one has lost a suffix, and what is sent after that.

import type { Cancel } from '../env/environment.ts'
import type { Clock } from './clock.ts'

/** How a pipe carries, asked anew for every message. */
export interface PipeFacts {
  delayMs(): number
  bytesPerMs(): number
  kernelBytes(): number
}

interface Carried {
  readonly bytes: number
  readonly arrive: () => void
  leavesAtMs: number
  bytesPerMs: number
  cancel: Cancel | undefined
}

export class Pipe {
  readonly #clock: Clock
  readonly #facts: PipeFacts
  #queue: Carried[] = []
  #leavesAtMs = 0
  #arrivesAtMs = 0
  #isSilent = false
  #isCut = false

  constructor(clock: Clock, facts: PipeFacts) {
    this.#clock = clock
    this.#facts = facts
  }

  get isCut(): boolean {
    return this.#isCut
  }

  /** Messages on their way. */
  get inFlight(): number {
    return this.#queue.length
  }

  /** Bytes that wait in the sender's platform. */
  get bufferedBytes(): number {
    const nowMs = this.#clock.now()
    let bytes = 0
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const one = this.#queue[i] as Carried
      if (one.leavesAtMs <= nowMs) break
      bytes += Math.min(one.bytes, (one.leavesAtMs - nowMs) * one.bytesPerMs)
    }
    return Math.max(0, Math.ceil(bytes) - this.#facts.kernelBytes())
  }

  /** Sends, from a sender whose own time is `aheadMs` ahead. */
  send(bytes: number, arrive: () => void, aheadMs = 0): void {
    if (this.#isCut) return
    const one: Carried = { bytes, arrive, leavesAtMs: Infinity, bytesPerMs: Infinity, cancel: undefined }
    this.#queue.push(one)
    if (!this.#isSilent) this.#carry(one, aheadMs)
  }

  silence(): void {
    if (this.#isSilent) return
    this.#isSilent = true
    const nowMs = this.#clock.now()
    for (const one of this.#queue) {
      one.cancel?.()
      if (one.leavesAtMs > nowMs) one.leavesAtMs = Infinity
    }
  }

  /** Whatever silence kept goes on its way. */
  release(): void {
    if (!this.#isSilent) return
    this.#isSilent = false
    for (const one of this.#queue) this.#carry(one, 0)
  }

  /** Keeps the first `keepCount` messages, or none if it is silent; `end` may follow them, and nothing else. */
  cut(keepCount: number, end?: () => void): void {
    for (const one of this.#queue.splice(this.#isSilent ? 0 : keepCount)) one.cancel?.()
    if (end) this.send(0, end)
    this.#isCut = true
  }

  #carry(one: Carried, aheadMs: number): void {
    const nowMs = this.#clock.now()
    one.bytesPerMs = this.#facts.bytesPerMs()
    this.#leavesAtMs = one.leavesAtMs = Math.max(this.#leavesAtMs, nowMs + aheadMs) + one.bytes / one.bytesPerMs
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, this.#leavesAtMs + this.#facts.delayMs())
    one.cancel = this.#clock.schedule(this.#arrivesAtMs - nowMs, () => {
      this.#queue.shift()
      one.arrive()
    })
  }
}
