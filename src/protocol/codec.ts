// Text of a WebSocket message ↔ frames.
//
// Rules of this file:
// - A message is one frame or an array of frames. Its length is checked before it is parsed.
// - Decoding never throws: what cannot be read is one word.
// - A frame whose type is unknown is left out and counted; one broken frame spoils the message it came in, because
//   everything after it may depend on it.
// - `data` is encoded once, at the call that sent it; later it is text that is put in its place.

import type { ClientFrame, PubFrame } from './frames.ts'
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
export function decodeMessage<Frame>(text: string, maxBytes: number, read: FrameReader<Frame>): Decoded<Frame> | 'malformed' {
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
  for (const value of Array.isArray(parsed) ? parsed : [parsed]) {
    const frame = read(value)
    if (frame === 'malformed') return 'malformed'
    if (frame === 'unknown') unknownCount++
    else frames.push(frame)
  }
  return { frames, unknownCount }
}

/** A publish whose data is JSON text already. */
export interface EncodedPubFrame extends Omit<PubFrame, 'data'> {
  readonly dataText: string
}
/** What a client hands to the codec. */
export type OutgoingFrame = Exclude<ClientFrame, PubFrame> | EncodedPubFrame

/** One frame as JSON text. */
export function encodeFrame(frame: OutgoingFrame): string {
  if (frame.type !== 'pub') return JSON.stringify(frame)
  const { dataText, ...rest } = frame
  return `${JSON.stringify(rest).slice(0, -1)},"data":${dataText}}`
}

/** Gathers encoded frames, in order, into as few messages as the batch size allows. */
export function batchFrames(texts: readonly string[]): string[] {
  const messages: string[] = []
  let batch: string[] = []
  let batchBytes = 0
  const close = () => {
    if (batch.length > 0) messages.push(batch.length === 1 ? (batch[0] as string) : `[${batch.join(',')}]`)
    batch = []
    batchBytes = 0
  }
  for (const text of texts) {
    const bytes = utf8Bytes(text) + 1
    if (batchBytes + bytes > MAX_BATCH_BYTES) close()
    batch.push(text)
    batchBytes += bytes
  }
  close()
  return messages
}
