// Which publishes still have to reach the server, and which wait for its word.
//
// Rules of this file:
// - No clock and no socket: callers pass the time and do the sending.
// - A publish is waiting, sent, or given up after it was sent. It gets its sequence when it is first sent, never before.
// - Order is the order of calls. One counter numbers all channels: within each of them sequences only grow.
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

interface Entry {
  readonly publish: Publish
  readonly dueAtMs: number
  /** 0 until it is sent. */
  sequence: number
  sentAtMs: number
}

/** A publish that has left the outbox without an answer. */
export interface Released {
  readonly publish: Publish
  /** Whether the server may have it. */
  readonly wasSent: boolean
}

export class Outbox {
  readonly #limits: OutboxLimits
  // In the order of calls: not settled yet.
  readonly #pending = new Map<string, Entry>()
  // In the order of sending: not answered yet, settled or not.
  readonly #unanswered = new Map<number, Entry>()
  #lastSequence = 0
  #bytes = 0
  #unansweredBytes = 0
  // Never later than the earliest deadline; finding the exact one is put off until this moment comes.
  #dueAtMs = Infinity

  constructor(limits: OutboxLimits) {
    this.#limits = limits
  }

  /** Publishes whose promise has not settled. */
  get count(): number {
    return this.#pending.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** No earlier than this does anything expire. */
  get dueAtMs(): number {
    return this.#dueAtMs
  }

  /** When the publish that has waited longest for its answer was sent; `Infinity` if none waits. */
  get unansweredSinceMs(): number {
    return this.#unanswered.values().next().value?.sentAtMs ?? Infinity
  }

  /** Takes a publish in, unless that would pass a limit. */
  offer(publish: Publish, nowMs: number): boolean {
    if (this.count >= this.#limits.maxMessages || this.#bytes + publish.bytes > this.#limits.maxBytes) return false
    const dueAtMs = nowMs + publish.timeoutMs
    this.#pending.set(publish.id, { publish, dueAtMs, sequence: 0, sentAtMs: 0 })
    this.#bytes += publish.bytes
    this.#dueAtMs = Math.min(this.#dueAtMs, dueAtMs)
    return true
  }

  /** The publishes that wait to be sent on channels that `isOpen`, in order. */
  *waiting(isOpen: (channel: string) => boolean): Generator<Publish, undefined> {
    for (const { sequence, publish } of this.#pending.values()) {
      if (sequence === 0 && isOpen(publish.channel)) yield publish
    }
  }

  /** Marks a waiting publish as sent and answers its sequence, if the window has room for it. */
  take(id: string, { window, windowBytes }: Window, nowMs: number): number | undefined {
    const entry = this.#pending.get(id)
    const { size } = this.#unanswered
    const bytes = this.#unansweredBytes + (entry?.publish.bytes ?? 0)
    if (!entry || size >= window || (size > 0 && bytes > windowBytes)) return undefined
    entry.sequence = ++this.#lastSequence
    entry.sentAtMs = nowMs
    this.#unanswered.set(entry.sequence, entry)
    this.#unansweredBytes = bytes
    return entry.sequence
  }

  /** The server's word on a sequence frees its place in the window. Answers the publish, if it had not settled yet. */
  answer(channel: string, sequence: number): Publish | 'settled' | 'never-sent' {
    const entry = this.#unanswered.get(sequence)
    if (!entry) return sequence > 0 && sequence <= this.#lastSequence ? 'settled' : 'never-sent'
    const { publish } = entry
    if (publish.channel !== channel) return 'never-sent'
    this.#unanswered.delete(sequence)
    this.#unansweredBytes -= publish.bytes
    return this.release(publish.id) ? publish : 'settled'
  }

  /** Gives one publish up. */
  release(id: string): Released | undefined {
    const entry = this.#pending.get(id)
    if (!entry) return undefined
    this.#pending.delete(id)
    this.#bytes -= entry.publish.bytes
    return { publish: entry.publish, wasSent: entry.sequence > 0 }
  }

  /** Gives up what `isWanted` picks, in order. */
  releaseAll(isWanted: (publish: Publish, wasSent: boolean, dueAtMs: number) => boolean = () => true): Released[] {
    const picked = [...this.#pending.values()].filter((one) => isWanted(one.publish, one.sequence > 0, one.dueAtMs))
    return picked.map(({ publish }) => this.release(publish.id) as Released)
  }

  /** Gives up what is past its deadline. */
  expire(nowMs: number): Released[] {
    if (nowMs < this.#dueAtMs) return []
    const released = this.releaseAll((_publish, _wasSent, dueAtMs) => dueAtMs <= nowMs)
    this.#dueAtMs = Infinity
    for (const { dueAtMs } of this.#pending.values()) this.#dueAtMs = Math.min(this.#dueAtMs, dueAtMs)
    return released
  }

  /** The socket is gone, and what it carried can no longer be answered: hands that back, in order of sending. */
  releaseUnanswered(): Released[] {
    this.#unanswered.clear()
    this.#unansweredBytes = 0
    return this.releaseAll((_publish, wasSent) => wasSent)
  }
}
