// Text of a WebSocket message ↔ frames.
//
// Rules of this file:
// - A message is one frame or an array of frames. Its length is checked before it is parsed.
// - Decoding never throws: what cannot be read is one word.
// - A frame whose type is unknown is left out and counted; one broken frame spoils the message it came in, because
//   everything after it may depend on it.
// - `data` is encoded once, at the call that sent it; later it is text that is put in its place.

import type { ClientFrame, HelloFrame, Position, PubFrame, SubFrame } from './frames.ts'
import { MAX_BATCH_BYTES, utf8Bytes } from './content.ts'
import type { FrameReader } from './guards.ts'

export const PROTOCOL_VERSION = 1
/** The WebSocket subprotocol both sides name. */
export const SUBPROTOCOL = 'steadywire.v1'

export interface Decoded<Frame> {
  readonly frames: readonly Frame[]
  /** Frames of types that this version does not know; they were left out. */
  readonly unknownCount: number
}

/** The frames in `text`, or `malformed`. Length first: a parser must not see what is too large to accept. */
export function decodeMessage<Frame>(
  text: string,
  maxBytes: number,
  read: FrameReader<Frame>,
): Decoded<Frame> | 'malformed' {
  // A UTF-16 unit is at least one byte of UTF-8, so this never refuses what the exact count would accept.
  if (text.length > maxBytes) return 'malformed'
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return 'malformed'
  }
  const frames: Frame[] = []
  let unknownCount = 0
  // Not `[parsed].flat()`: that costs as much as reading a small frame.
  for (const value of Array.isArray(parsed) ? (parsed as unknown[]) : [parsed]) {
    const frame = read(value)
    if (frame === 'malformed') return 'malformed'
    if (frame === 'unknown') unknownCount++
    else frames.push(frame)
  }
  return { frames, unknownCount }
}

/** A publish whose data is JSON text already. */
export interface EncodedPubFrame extends Omit<PubFrame, 'data' | 'base'> {
  readonly base: PubFrame['base'] | undefined
  readonly dataText: string
}
/** A `sub` of which some may be left out. */
export interface OutgoingSubFrame extends Omit<SubFrame, 'position' | 'reset'> {
  readonly position: Position | undefined
  readonly reset: boolean | undefined
}
/** A `hello` of which the token may be left out. */
export interface OutgoingHelloFrame extends Omit<HelloFrame, 'token'> {
  readonly token: string | undefined
}
/** What a client hands to the codec. */
export type OutgoingFrame =
  | Exclude<ClientFrame, HelloFrame | PubFrame | SubFrame>
  | OutgoingHelloFrame
  | EncodedPubFrame
  | OutgoingSubFrame

/** A frame as text, with its size: counted once, however many connections it goes to. */
export interface EncodedFrame {
  readonly text: string
  readonly bytes: number
}

/** One outgoing frame as text. */
export function encodeFrame(frame: OutgoingFrame): EncodedFrame {
  let text: string
  if (frame.type === 'pub') {
    const { dataText, ...rest } = frame
    text = `${JSON.stringify(rest).slice(0, -1)},"data":${dataText}}`
  } else text = JSON.stringify(frame)
  return { text, bytes: utf8Bytes(text) }
}

/** Gathers frames, in order, into as few messages as the batch size allows. */
export function batchFrames(frames: readonly EncodedFrame[]): string[] {
  const batches: string[][] = []
  let batch: string[] = []
  let roomBytes = 0
  for (const { text, bytes } of frames) {
    if (bytes + 1 > roomBytes) {
      batches.push((batch = []))
      // Two brackets, and a comma for all but one.
      roomBytes = MAX_BATCH_BYTES - 1
    }
    batch.push(text)
    roomBytes -= bytes + 1
  }
  return batches.map((texts) => (texts.length > 1 ? `[${texts.join()}]` : (texts[0] as string)))
}
