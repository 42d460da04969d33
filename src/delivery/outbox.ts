// Which publishes still have to reach the server, and which wait for its word.
//
// Rules of this file:
// - No clock and no socket: callers pass the time and do the sending.
// - A publish gets its sequence when it is first sent, never before, and keeps it. One counter numbers all channels.
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

/** What goes when the outbox is full: the new publish, the oldest, or the oldest of the lowest priority below the new one's. */
export type Overflow = 'reject' | 'drop-oldest' | 'drop-lowest-priority'

export interface OutboxLimits {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly overflow: Overflow
}

/** A publish in the outbox. */
export interface Entry extends Publish {
  /** Size of the encoded frame, as the limits count it. */
  readonly bytes: number
  readonly dueAtMs: number
  /** 0 until it is sent: while it is, the server cannot have it. */
  sequence: number
  sentAtMs: number
  /** The socket that carried it last; 0 if that has forgotten it. */
  socketId: number
  /** The server's record under which it was first sent. */
  recordId: string | undefined
}

export interface Outbox {
  /** Publishes whose promise has not settled, and their encoded bytes. */
  count(): number
  bytes(): number
  /** No earlier than this does anything expire; the exact moment is looked for when this one comes. */
  dueAtMs(): number
  /** When the publish that has waited longest for its answer was sent; `Infinity` if none waits. */
  unansweredSinceMs(): number
  /** Takes a publish in, unless that would pass a limit; answers what had to go for it, none of which was ever sent. */
  offer(publish: Publish, bytes: number, nowMs: number): Entry[] | undefined
  /** What has not settled, in the order of calls. */
  entries(): Iterable<Entry>
  /** What has not settled and `isWanted`, in the order of calls. */
  pick(isWanted: (entry: Entry) => unknown): Entry[]
  /** What is past its deadline. */
  due(nowMs: number): Entry[]
  /** Marks an entry as sent, giving it its sequence, if the window has room for it. */
  take(entry: Entry, window: Window, nowMs: number): boolean
  /** The server's word on a sequence frees its place in the window. Answers what it was about, if that has not settled yet. */
  answer(channel: string, sequence: number): Entry | 'settled' | 'never-sent'
  /** Lets an entry go, if it has not settled: answers it, once. */
  release(entry: Entry): Entry | undefined
  /** What the socket carried, of one channel or of all, will not be answered on it. */
  forgetUnanswered(channel?: string): void
  /** The lowest sequence of the channel that has not settled, or the next one there will be. */
  settledBelow(channel: string): number
  /** Makes an entry one that was never sent. */
  renew(entry: Entry): void
}

export function createOutbox({ maxMessages, maxBytes, overflow }: OutboxLimits): Outbox {
  // In the order of calls: not settled yet.
  const pending = new Set<Entry>()
  // In the order of sending: not answered yet, settled or not.
  const unanswered = new Map<number, Entry>()
  let lastSequence = 0
  let pendingBytes = 0
  let unansweredBytes = 0
  let firstDueAtMs = Infinity

  const pick: Outbox['pick'] = (isWanted) => [...pending].filter(isWanted)

  /** What may go for a new publish, the first to go first. */
  function evictable({ priority }: Publish): Entry[] {
    const unsent = overflow === 'reject' ? [] : pick(({ sequence }) => !sequence)
    if (overflow === 'drop-oldest') return unsent
    return unsent.filter((entry) => entry.priority < priority).sort((a, b) => a.priority - b.priority)
  }

  function release(entry: Entry): Entry | undefined {
    if (!pending.delete(entry)) return undefined
    pendingBytes -= entry.bytes
    return entry
  }

  return {
    count: () => pending.size,
    bytes: () => pendingBytes,
    dueAtMs: () => firstDueAtMs,
    unansweredSinceMs: () => unanswered.values().next().value?.sentAtMs ?? Infinity,
    offer(publish, bytes, nowMs) {
      const evicted: Entry[] = []
      let candidates: Entry[] | undefined
      let freedBytes = 0
      while (pending.size - evicted.length >= maxMessages || pendingBytes - freedBytes + bytes > maxBytes) {
        candidates ??= evictable(publish)
        const entry = candidates[evicted.length]
        if (!entry) return undefined
        evicted.push(entry)
        freedBytes += entry.bytes
      }
      const dueAtMs = nowMs + publish.timeoutMs
      pending.add({ ...publish, bytes, dueAtMs, sequence: 0, sentAtMs: 0, socketId: 0, recordId: undefined })
      pendingBytes += bytes
      firstDueAtMs = Math.min(firstDueAtMs, dueAtMs)
      return evicted
    },
    entries: () => pending,
    pick,
    due(nowMs) {
      if (nowMs < firstDueAtMs) return []
      firstDueAtMs = Infinity
      for (const { dueAtMs } of pending) if (dueAtMs > nowMs) firstDueAtMs = Math.min(firstDueAtMs, dueAtMs)
      return pick(({ dueAtMs }) => dueAtMs <= nowMs)
    },
    take(entry, { window, windowBytes }, nowMs) {
      const bytes = unansweredBytes + entry.bytes
      // One publish may always go, however large it is.
      if (unanswered.size >= window || (unanswered.size > 0 && bytes > windowBytes)) return false
      entry.sequence ||= ++lastSequence
      entry.sentAtMs = nowMs
      unanswered.set(entry.sequence, entry)
      unansweredBytes = bytes
      return true
    },
    answer(channel, sequence) {
      const entry = unanswered.get(sequence)
      if (entry ? entry.channel !== channel : !sequence || sequence > lastSequence) return 'never-sent'
      if (!entry) return 'settled'
      unanswered.delete(sequence)
      unansweredBytes -= entry.bytes
      return release(entry) ?? 'settled'
    },
    release,
    forgetUnanswered(channel) {
      for (const [sequence, entry] of unanswered) {
        if (channel !== undefined && entry.channel !== channel) continue
        unanswered.delete(sequence)
        unansweredBytes -= entry.bytes
        entry.socketId = 0
      }
    },
    settledBelow(channel) {
      for (const entry of pending) if (entry.sequence && entry.channel === channel) return entry.sequence
      return lastSequence + 1
    },
    renew(entry) {
      entry.sequence = entry.socketId = 0
      entry.recordId = undefined
    },
  }
}
