// Which publishes still have to reach the server, and which wait for its word.
//
// Rules of this file:
// - No clock and no socket: callers pass the time and do the sending.
// - A publish gets its sequence when it is first sent, never before, and keeps it. One counter numbers all channels.
// - Order is the order of calls, so within each channel sequences only grow.
// - `unsettled` and its bytes are what the application's limits bound. A publish that was given up after sending leaves them,
//   but stays unanswered on its socket: the server's window counts it until it is answered there.
// - Mutable, because copying a queue for every message would be quadratic. Others read it; only this file writes to it.

import type { Publish } from '../effects.ts'
import type { OutboxLimits } from '../options.ts'

/** How many publishes, and encoded bytes of them, may be unanswered on one connection. */
export interface Window {
  readonly window: number
  readonly windowBytes: number
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
  incarnationId: string | undefined
  /** It has been sent under another sequence, of which nothing is known any more. */
  isDoubtful: boolean
}

export interface Outbox {
  /** Publishes whose promise has not settled, in the order of calls. */
  readonly unsettled: Set<Entry>
  /** Their encoded bytes. */
  unsettledBytes: number
  /** No earlier than this does anything expire; the exact moment is looked for when this one comes. */
  dueAtMs: number
  /** By sequence, in the order of sending: not answered on this socket yet, settled or not. */
  readonly unanswered: Map<number, Entry>
  unansweredBytes: number
  lastSequence: number
}

export function createOutbox(): Outbox {
  return {
    unsettled: new Set(),
    unsettledBytes: 0,
    dueAtMs: Infinity,
    unanswered: new Map(),
    unansweredBytes: 0,
    lastSequence: 0,
  }
}

/** What has not settled and `isWanted`, in the order of calls. */
export function pick(outbox: Outbox, isWanted: (entry: Entry) => unknown): Entry[] {
  return [...outbox.unsettled].filter(isWanted)
}

/** Takes a publish in, unless that would pass a limit; answers what has to go for it, none of which was ever sent. */
export function offer(
  outbox: Outbox,
  publish: Publish,
  bytes: number,
  nowMs: number,
  { maxMessages, maxBytes, overflow }: OutboxLimits,
): Entry[] | undefined {
  const rank = ({ priority }: Publish) => (overflow === 'drop-oldest' ? -1 : priority)
  const isLess = (entry: Entry) => overflow !== 'reject' && isUnsent(entry) && rank(entry) < publish.priority
  const evicted: Entry[] = []
  let evictable: Entry[] | undefined
  let freedBytes = 0
  while (
    outbox.unsettled.size - evicted.length >= maxMessages ||
    outbox.unsettledBytes - freedBytes + bytes > maxBytes
  ) {
    evictable ??= pick(outbox, isLess).sort((a, b) => rank(a) - rank(b))
    const entry = evictable[evicted.length]
    if (!entry) return undefined
    evicted.push(entry)
    freedBytes += entry.bytes
  }
  const dueAtMs = nowMs + publish.timeoutMs
  outbox.unsettled.add({
    ...publish,
    bytes,
    dueAtMs,
    sequence: 0,
    sentAtMs: 0,
    socketId: 0,
    incarnationId: undefined,
    isDoubtful: false,
  })
  outbox.unsettledBytes += bytes
  outbox.dueAtMs = Math.min(outbox.dueAtMs, dueAtMs)
  return evicted
}

/** What is past its deadline. */
export function due(outbox: Outbox, nowMs: number): Entry[] {
  if (nowMs < outbox.dueAtMs) return []
  outbox.dueAtMs = Infinity
  return pick(outbox, ({ dueAtMs }) => {
    if (dueAtMs <= nowMs) return true
    outbox.dueAtMs = Math.min(outbox.dueAtMs, dueAtMs)
  })
}

/** Marks an entry as sent, giving it its sequence the first time, if the window has room for it. */
export function take(outbox: Outbox, entry: Entry, { window, windowBytes }: Window, nowMs: number): boolean {
  const { unanswered } = outbox
  const bytes = outbox.unansweredBytes + entry.bytes
  // One publish may always go, however large it is.
  if (unanswered.size >= window || (unanswered.size > 0 && bytes > windowBytes)) return false
  entry.sequence ||= ++outbox.lastSequence
  entry.sentAtMs = nowMs
  unanswered.set(entry.sequence, entry)
  outbox.unansweredBytes = bytes
  return true
}

/** The server's word on a sequence frees its place in the window. Answers what it was about, if that has not settled yet. */
export function answer(outbox: Outbox, channel: string, sequence: number): Entry | 'settled' | 'never-sent' {
  const entry = outbox.unanswered.get(sequence)
  if (entry ? entry.channel !== channel : !sequence || sequence > outbox.lastSequence) return 'never-sent'
  if (!entry) return 'settled'
  free(outbox, entry)
  return release(outbox, entry) ? entry : 'settled'
}

function free(outbox: Outbox, entry: Entry): void {
  if (outbox.unanswered.delete(entry.sequence)) outbox.unansweredBytes -= entry.bytes
}

/** Lets an entry go; tells whether it had not settled before. */
export function release(outbox: Outbox, entry: Entry): boolean {
  const isPending = outbox.unsettled.delete(entry)
  if (isPending) outbox.unsettledBytes -= entry.bytes
  return isPending
}

/** What the socket carried of a channel will not be answered on it. Tells whether there was any. */
export function forgetUnanswered(outbox: Outbox, channel: string): boolean {
  let isAny = false
  for (const entry of outbox.unanswered.values()) {
    if (entry.channel !== channel) continue
    free(outbox, entry)
    entry.socketId = 0
    isAny = true
  }
  return isAny
}

/** The lowest sequence of the channel that has not settled, or the next one there will be. */
export function settledBelow(outbox: Outbox, channel: string): number {
  for (const entry of outbox.unsettled) if (entry.sequence && entry.channel === channel) return entry.sequence
  return outbox.lastSequence + 1
}

/** Whether the server certainly does not have it. */
export function isUnsent({ sequence, isDoubtful }: Entry): boolean {
  return !sequence && !isDoubtful
}

/** Makes an entry ready to be sent as if it were a new one. */
export function renew(outbox: Outbox, entry: Entry): void {
  free(outbox, entry)
  entry.isDoubtful = true
  entry.sequence = entry.socketId = 0
  entry.incarnationId = undefined
}
