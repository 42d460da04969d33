// Which publishes still have to reach the server, and which wait for its word.
//
// Rules of this file:
// - No clock and no socket: callers pass the time and do the sending.
// - A publish gets its sequence when it is first sent, never before. One counter numbers all channels.
// - Order is the order of calls, so within each channel sequences only grow.
// - `count` and `bytes` are what the application's limits bound. A publish that was given up after sending leaves them,
//   but stays unanswered on its socket: the server's window counts it until it is answered there.
// - Mutable, because copying a queue for every message would be quadratic.

import type { Publish } from '../effects.ts'

/** How many publishes, and encoded bytes of them, may be unanswered on one connection. */
export interface Window {
  readonly window: number
  readonly windowBytes: number
}

export interface OutboxLimits {
  readonly maxMessages: number
  readonly maxBytes: number
}

/** A publish in the outbox. */
export interface Entry extends Publish {
  readonly dueAtMs: number
  /** 0 until it is sent: while it is, the server cannot have it. */
  sequence: number
  sentAtMs: number
}

export class Outbox {
  readonly #limits: OutboxLimits
  // In the order of calls: not settled yet.
  readonly #pending = new Map<string, Entry>()
  // In the order of sending: not answered yet, settled or not.
  readonly #unanswered = new Map<number, Entry>()
  #lastSequence = 0
  #unansweredBytes = 0
  /** Encoded bytes of publishes that have not settled. */
  bytes = 0
  /** No earlier than this does anything expire; the exact moment is looked for when this one comes. */
  dueAtMs = Infinity

  constructor(limits: OutboxLimits) {
    this.#limits = limits
  }

  /** Publishes whose promise has not settled. */
  get count(): number {
    return this.#pending.size
  }

  /** When the publish that has waited longest for its answer was sent; `Infinity` if none waits. */
  get unansweredSinceMs(): number {
    return this.#unanswered.values().next().value?.sentAtMs ?? Infinity
  }

  /** Takes a publish in, unless that would pass a limit. */
  offer(publish: Publish, nowMs: number): boolean {
    const bytes = this.bytes + publish.bytes
    if (this.count >= this.#limits.maxMessages || bytes > this.#limits.maxBytes) return false
    const dueAtMs = nowMs + publish.timeoutMs
    this.#pending.set(publish.id, { ...publish, dueAtMs, sequence: 0, sentAtMs: 0 })
    this.bytes = bytes
    this.dueAtMs = Math.min(this.dueAtMs, dueAtMs)
    return true
  }

  /** What has not settled and `isWanted`, in the order of calls. */
  pick(isWanted: (entry: Entry) => boolean): Entry[] {
    return [...this.#pending.values()].filter(isWanted)
  }

  /** Marks an entry as sent, giving it its sequence, if the window has room for it. */
  take(entry: Entry, { window, windowBytes }: Window, nowMs: number): boolean {
    const { size } = this.#unanswered
    const bytes = this.#unansweredBytes + entry.bytes
    if (size >= window || (size > 0 && bytes > windowBytes)) return false
    entry.sequence = ++this.#lastSequence
    entry.sentAtMs = nowMs
    this.#unanswered.set(entry.sequence, entry)
    this.#unansweredBytes = bytes
    return true
  }

  /** The server's word on a sequence frees its place in the window. Answers what it was about, if that has not settled yet. */
  answer(channel: string, sequence: number): Entry | 'settled' | 'never-sent' {
    const entry = this.#unanswered.get(sequence)
    if (entry ? entry.channel !== channel : !sequence || sequence > this.#lastSequence) return 'never-sent'
    if (!entry) return 'settled'
    this.#unanswered.delete(sequence)
    this.#unansweredBytes -= entry.bytes
    return this.release(entry.id) ?? 'settled'
  }

  /** Lets one publish go, if it has not settled. */
  release(id: string): Entry | undefined {
    const entry = this.#pending.get(id)
    if (entry && this.#pending.delete(id)) this.bytes -= entry.bytes
    return entry
  }

  /** What is past its deadline. */
  due(nowMs: number): Entry[] {
    if (nowMs < this.dueAtMs) return []
    const due = this.pick(({ dueAtMs }) => dueAtMs <= nowMs)
    this.dueAtMs = Infinity
    for (const { dueAtMs } of this.#pending.values()) if (dueAtMs > nowMs) this.dueAtMs = Math.min(this.dueAtMs, dueAtMs)
    return due
  }

  /** The socket is gone: what it carried will not be answered. */
  forgetUnanswered(): void {
    this.#unanswered.clear()
    this.#unansweredBytes = 0
  }
}
