// What leaves on one connection: gathered during a tick, sent at its end, and bounded.
//
// Rules of this file:
// - Frames keep their order and leave in as few messages as the size of one allows.
// - Above the mark the connection is congested: nothing is pushed and no page is read. What it asked for in few bytes is
//   still answered, so a peer that asks on and on without reading can pass the bound; then it is hopeless.
// - A socket that takes nothing for `STUCK_MS` while bytes wait is stuck.

import { utf8Bytes, batchFrames, type EncodedFrame } from 'steadywire/protocol'
import type { Settings } from './options.ts'

/** What a session needs of its socket. */
export interface Peer {
  /** Sends text. Never throws. */
  send(text: string): void
  /** Starts closing in good order. */
  close(code: number, reason: string): void
  /** Ends the socket at once. */
  terminate(): void
  /** Bytes handed over that have not left yet. */
  bufferedBytes(): number
}

const STUCK_MS = 30_000
const CHECK_MS = 5_000

export class Outgoing {
  readonly #peer: Peer
  readonly #markBytes: number
  readonly #boundBytes: number
  #frames: EncodedFrame[] = []
  #bytes = 0
  #sentBytes = 0
  /** While bytes wait in the socket: how many at the last look, and since when it has taken none. */
  #waiting: { readonly left: number; readonly sinceMs: number; readonly checkAtMs: number } | undefined

  constructor(peer: Peer, { maxBufferedBytes, windowBytes, maxMessageBytes, snapshotBytes }: Settings['limits']) {
    this.#peer = peer
    this.#markBytes = maxBufferedBytes
    this.#boundBytes = maxBufferedBytes + windowBytes + Math.max(maxMessageBytes, snapshotBytes)
  }

  get isCongested(): boolean {
    return this.#bytes + this.#peer.bufferedBytes() > this.#markBytes
  }

  /** When {@link check} has something to look at. */
  get checkAtMs(): number {
    return this.#waiting?.checkAtMs ?? Infinity
  }

  add(frame: EncodedFrame): void {
    this.#frames.push(frame)
    this.#bytes += frame.bytes
  }

  flush(nowMs: number): 'sent' | 'hopeless' {
    const frames = this.#frames
    this.#frames = []
    this.#bytes = 0
    for (const text of batchFrames(frames)) {
      this.#sentBytes += utf8Bytes(text)
      this.#peer.send(text)
    }
    const bytes = this.#peer.bufferedBytes()
    if (bytes > 0) this.#waiting ??= { left: this.#sentBytes - bytes, sinceMs: nowMs, checkAtMs: nowMs + CHECK_MS }
    return bytes > this.#boundBytes ? 'hopeless' : 'sent'
  }

  check(nowMs: number): 'moving' | 'stuck' {
    const before = this.#waiting
    if (!before || nowMs < before.checkAtMs) return 'moving'
    const bytes = this.#peer.bufferedBytes()
    const left = this.#sentBytes - bytes
    const sinceMs = left > before.left ? nowMs : before.sinceMs
    this.#waiting = bytes > 0 ? { left, sinceMs, checkAtMs: nowMs + CHECK_MS } : undefined
    return bytes > 0 && nowMs - sinceMs >= STUCK_MS ? 'stuck' : 'moving'
  }
}
