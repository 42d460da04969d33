// What a server accepts from a client: one row per frame, one check per field.

import type { ClientFrame } from './frames.ts'
import {
  createReader,
  type FrameReader,
  isCount,
  isFlag,
  isGrants,
  isPresent,
  isText,
  optional,
  positionShape,
  record,
} from './guards.ts'

/** Built by a call, so that importing has no effect and a bundle carries only the direction it reads. */
export function createClientFrameReader(): FrameReader<ClientFrame> {
  const isPosition = record(positionShape())
  return createReader<ClientFrame>({
    hello: { version: isCount, producer: isText, generation: isCount, token: optional(isText) },
    sub: {
      channel: isText,
      request: isCount,
      want: isGrants(),
      position: optional(isPosition),
      reset: optional(isFlag),
      settledBelow: optional(isCount),
    },
    unsub: { channel: isText, request: isCount },
    pub: { channel: isText, sequence: isCount, id: isText, name: isText, data: isPresent, base: optional(isPosition) },
    fetch: { channel: isText, request: isCount, position: isPosition, count: isCount },
    ping: { n: isCount },
    pong: { n: isCount },
    auth: { token: isText },
    req: { id: isText, name: isText, params: isPresent },
    hist: { id: isText, channel: isText, before: optional(isPosition), limit: isCount },
    vol: { channel: isText, name: isText, data: isPresent, key: optional(isText) },
    pres: { id: isText, channel: isText, data: isPresent },
  })
}
