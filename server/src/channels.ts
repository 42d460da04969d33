// The channels that this node knows: who listens, and the newest events of each.
//
// Rules of this file:
// - The log is the store's. What is here can be dropped at any time and costs a subscriber at most a fetch.
// - The ring is consecutive and of one epoch. An event that does not continue it empties it.
// - An event is encoded once, however many it goes to, and pushed only to those whose sequence it continues; whether it
//   does is the subscriber's own knowledge.

import type { EncodedFrame, Position } from 'steadywire/protocol'
import type { LogExtent, StoredEvent } from './store/store.ts'
import { encodeEvent } from './wire.ts'

/** Bytes of the events that a channel keeps, at most, but for the newest event. */
const RING_BYTES = 1_048_576

/** An event on its way to everyone. */
export interface RingEvent {
  readonly epoch: string
  readonly offset: number
  readonly frame: EncodedFrame
}

/** What is true now and is not kept: on its way to everyone, or to wait until it has its turn. */
export interface Volatile {
  readonly channel: string
  /** Who has sent it, and is not told; undefined for the server itself. */
  readonly member: string | undefined
  /** Of those with the same text here only the newest counts. */
  readonly slot: string
  readonly frame: EncodedFrame
}

export interface Subscriber {
  push(event: RingEvent): void
  pass(volatile: Volatile): void
}

export class Channel {
  readonly name: string
  readonly #ringCount: number
  readonly #subscribers = new Set<Subscriber>()
  #ring: RingEvent[] = []
  #ringBytes = 0
  /** The monotonic instant since which nobody listens. */
  idleSinceMs = 0

  /** Keeps up to `ringCount` events for those that are about to be level. */
  constructor(name: string, ringCount: number) {
    this.name = name
    this.#ringCount = ringCount
  }

  get isIdle(): boolean {
    return this.#subscribers.size === 0
  }

  /** Nobody listens, and nothing is in hand for those who may. */
  get isEmpty(): boolean {
    return this.isIdle && this.#ring.length === 0
  }

  join(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber)
  }

  leave(subscriber: Subscriber, nowMs: number): void {
    if (this.#subscribers.delete(subscriber)) this.idleSinceMs = nowMs
  }

  /** What is left to push after `position`, in a log that reaches as far as the store just said; `unknown` if the ring
   * does not hold all of it. */
  rest({ offset }: Position, { epoch, top }: LogExtent): readonly RingEvent[] | 'unknown' {
    // The store has begun the log anew, so the ring is of one that is gone.
    if (this.#ring[0] && this.#ring[0].epoch !== epoch) this.#empty()
    const first = this.#ring[0]
    if (first && offset + 1 < first.offset) return 'unknown'
    const rest = first ? this.#ring.slice(offset + 1 - first.offset) : []
    return offset + rest.length >= top ? rest : 'unknown'
  }

  stored(epoch: string, stored: StoredEvent): void {
    const last = this.#ring.at(-1)
    if (last && last.epoch === epoch && stored.offset <= last.offset) return
    if (last && (last.epoch !== epoch || stored.offset !== last.offset + 1)) this.#empty()
    const event = { epoch, offset: stored.offset, frame: encodeEvent(this.name, stored) }
    this.#ring.push(event)
    this.#ringBytes += event.frame.bytes
    while (this.#ring.length > this.#ringCount || (this.#ring.length > 1 && this.#ringBytes > RING_BYTES))
      this.#ringBytes -= this.#ring.shift()?.frame.bytes ?? 0
    for (const subscriber of this.#subscribers) subscriber.push(event)
  }

  pass(volatile: Volatile): void {
    for (const subscriber of this.#subscribers) subscriber.pass(volatile)
  }

  #empty(): void {
    this.#ring = []
    this.#ringBytes = 0
  }
}

export class Channels {
  readonly #channels = new Map<string, Channel>()
  readonly #ringCount: number

  constructor(ringCount: number) {
    this.#ringCount = ringCount
  }

  get size(): number {
    return this.#channels.size
  }

  open(name: string): Channel {
    let channel = this.#channels.get(name)
    if (!channel) this.#channels.set(name, (channel = new Channel(name, this.#ringCount)))
    return channel
  }

  /** Tells those who listen. Without a listener since the channel was last idle for long, nothing is even encoded. */
  stored(name: string, epoch: string, event: StoredEvent): void {
    this.#channels.get(name)?.stored(epoch, event)
  }

  /** Tells those who listen. */
  pass(volatile: Volatile): void {
    this.#channels.get(volatile.channel)?.pass(volatile)
  }

  /** Forgets a channel at once that holds nothing: names cost a client nothing, so they must cost the server nothing. */
  leave(channel: Channel, subscriber: Subscriber, nowMs: number): void {
    channel.leave(subscriber, nowMs)
    if (channel.isEmpty && this.#channels.get(channel.name) === channel) this.#channels.delete(channel.name)
  }

  /** Drops what nobody has listened to for `idleMs`. */
  sweep(nowMs: number, idleMs: number): void {
    for (const [name, channel] of this.#channels)
      if (channel.isIdle && nowMs - channel.idleSinceMs >= idleMs) this.#channels.delete(name)
  }
}
