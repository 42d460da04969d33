// Which publishes still have to reach the server, and which wait for its word.
//
// Rules of this file:
// - No clock and no socket: callers pass the time and do the sending.
// - A publish is in exactly one of: waiting, sent. It gets its sequence when it is first sent, never before.
// - Order within a channel is the order of calls; channels take turns.
// - `count` and `bytes` are what the application's limits bound. A publish that was given up after sending leaves them,
//   but stays unanswered on its socket: the server's window counts it until it is answered there.
// - Mutable, because copying a queue for every message would be quadratic.

import type { PublishRequest } from '../effects.ts'

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
  readonly publish: PublishRequest
  readonly dueAtMs: number
  sequence: number
  sentAtMs: number
  state: 'waiting' | 'sent' | 'given-up'
}

interface Lane {
  readonly waiting: Entry[]
  readonly unanswered: Map<number, Entry>
  lastSequence: number
}

/** A publish that has left the outbox without an answer. */
export interface Released {
  readonly publish: PublishRequest
  /** Whether the server may have it. */
  readonly wasSent: boolean
}

/** What an answer referred to: the publish, or why there is none. */
export type Answered = PublishRequest | 'given-up' | 'answered-before' | 'never-sent'

export class Outbox {
  readonly #limits: OutboxLimits
  readonly #lanes = new Map<string, Lane>()
  readonly #byId = new Map<string, Entry>()
  readonly #waitingChannels = new Set<string>()
  #bytes = 0
  #unansweredCount = 0
  #unansweredBytes = 0
  // Never later than the earliest deadline; finding the exact one is put off until this moment comes.
  #dueAtMs = Infinity

  constructor(limits: OutboxLimits) {
    this.#limits = limits
  }

  /** Publishes whose promise has not settled. */
  get count(): number {
    return this.#byId.size
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
    // Within a lane the first one is the oldest.
    const oldest = [...this.#lanes.values()].map((lane) => lane.unanswered.values().next().value?.sentAtMs ?? Infinity)
    return Math.min(Infinity, ...oldest)
  }

  /** Publishes of one channel whose promise has not settled. */
  pendingCount(channel: string): number {
    const lane = this.#lanes.get(channel)
    if (!lane) return 0
    let count = lane.waiting.length
    for (const entry of lane.unanswered.values()) if (entry.state === 'sent') count++
    return count
  }

  hasWaiting(channel: string): boolean {
    return this.#waitingChannels.has(channel)
  }

  /** Channels with publishes that were never sent. */
  waitingChannels(): string[] {
    return [...this.#waitingChannels]
  }

  /** The next publish of a channel to send, whether or not the window has room for it. */
  next(channel: string): PublishRequest | undefined {
    return this.#lanes.get(channel)?.waiting[0]?.publish
  }

  /** Takes a publish in, unless that would pass a limit. */
  offer(publish: PublishRequest, nowMs: number): boolean {
    if (this.count >= this.#limits.maxMessages || this.#bytes + publish.bytes > this.#limits.maxBytes) return false
    const entry: Entry = { publish, dueAtMs: nowMs + publish.timeoutMs, sequence: 0, sentAtMs: 0, state: 'waiting' }
    this.#lane(publish.channel).waiting.push(entry)
    this.#waitingChannels.add(publish.channel)
    this.#byId.set(publish.id, entry)
    this.#bytes += publish.bytes
    this.#dueAtMs = Math.min(this.#dueAtMs, entry.dueAtMs)
    return true
  }

  /** The next publish of a channel to send, with its sequence, if the window has room for it. */
  take(
    channel: string,
    { window, windowBytes }: Window,
    nowMs: number,
  ): { publish: PublishRequest; sequence: number } | undefined {
    const lane = this.#lanes.get(channel)
    const entry = lane?.waiting[0]
    if (!lane || !entry || this.#unansweredCount >= window) return undefined
    const { publish } = entry
    if (this.#unansweredCount > 0 && this.#unansweredBytes + publish.bytes > windowBytes) return undefined
    const sequence = lane.lastSequence + 1
    const lowest = lane.unanswered.keys().next().value ?? sequence
    if (sequence >= lowest + window) return undefined
    this.#dropWaiting(lane, entry)
    lane.lastSequence = sequence
    entry.sequence = sequence
    entry.sentAtMs = nowMs
    entry.state = 'sent'
    lane.unanswered.set(sequence, entry)
    this.#unansweredCount++
    this.#unansweredBytes += publish.bytes
    return { publish, sequence }
  }

  /** The server's word on a sequence: frees its place in the window and names the publish. */
  answer(channel: string, sequence: number): Answered {
    const lane = this.#lanes.get(channel)
    const entry = lane?.unanswered.get(sequence)
    if (!lane || !entry) return lane && sequence <= lane.lastSequence && sequence > 0 ? 'answered-before' : 'never-sent'
    this.#dropUnanswered(lane, entry)
    if (entry.state === 'given-up') return 'given-up'
    this.#forget(entry)
    return entry.publish
  }

  /** Gives one publish up. */
  release(id: string): Released | undefined {
    const entry = this.#byId.get(id)
    return entry && this.#release(entry)
  }

  /** Gives up what is past its deadline. */
  expire(nowMs: number): Released[] {
    if (nowMs < this.#dueAtMs) return []
    const due = [...this.#byId.values()].filter((entry) => entry.dueAtMs <= nowMs)
    const released = due.map((entry) => this.#release(entry))
    this.#dueAtMs = Math.min(Infinity, ...[...this.#byId.values()].map((entry) => entry.dueAtMs))
    return released
  }

  /** Gives up a channel's publishes that were never sent, in order. */
  releaseWaiting(channel: string): Released[] {
    return [...(this.#lanes.get(channel)?.waiting ?? [])].map((entry) => this.#release(entry))
  }

  /** The socket is gone, and what it carried can no longer be answered: hands that back, in order of sending per channel. */
  releaseUnanswered(): Released[] {
    const released: Released[] = []
    for (const lane of this.#lanes.values()) {
      for (const entry of lane.unanswered.values()) {
        if (entry.state === 'sent') released.push(this.#release(entry))
        this.#dropUnanswered(lane, entry)
      }
    }
    return released
  }

  /** Gives up everything. */
  releaseAll(): Released[] {
    return [...this.#byId.values()].map((entry) => this.#release(entry))
  }

  #release(entry: Entry): Released {
    const wasSent = entry.state === 'sent'
    if (wasSent) entry.state = 'given-up'
    else this.#dropWaiting(this.#lane(entry.publish.channel), entry)
    this.#forget(entry)
    return { publish: entry.publish, wasSent }
  }

  #forget({ publish }: Entry): void {
    this.#byId.delete(publish.id)
    this.#bytes -= publish.bytes
  }

  #dropWaiting({ waiting }: Lane, entry: Entry): void {
    waiting.splice(waiting.indexOf(entry), 1)
    if (waiting.length === 0) this.#waitingChannels.delete(entry.publish.channel)
  }

  #dropUnanswered(lane: Lane, entry: Entry): void {
    lane.unanswered.delete(entry.sequence)
    this.#unansweredCount--
    this.#unansweredBytes -= entry.publish.bytes
  }

  #lane(channel: string): Lane {
    let lane = this.#lanes.get(channel)
    if (!lane) this.#lanes.set(channel, (lane = { waiting: [], unanswered: new Map(), lastSequence: 0 }))
    return lane
  }
}
