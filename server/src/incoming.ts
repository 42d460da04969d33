// What is kept of a frame that a client has sent.
//
// Rules of this file:
// - Frames are kept while hooks and stores are asked, some as long as an attachment lives. So only the fields that mean
//   something are taken over: whatever else a peer puts into a frame costs it nothing and must cost the server nothing.
// - No epoch of this server is longer than an id. What is longer is cut to one that is not its own either.

import { type ClientFrame, createClientFrameReader, MAX_ID_BYTES, type Position } from 'steadywire/protocol'

export const readFrame = createClientFrameReader()

/** The frame without fields that this version does not know. */
export function knownOf(frame: ClientFrame): ClientFrame {
  switch (frame.type) {
    case 'hello': {
      const { type, version, producer, generation, token } = frame
      return { type, version, producer, generation, ...(token !== undefined && { token }) }
    }
    case 'sub': {
      const { type, channel, request, want, position, reset, settledBelow } = frame
      return {
        type,
        channel,
        request,
        want: (['read', 'write'] as const).filter((grant) => want.includes(grant)),
        ...(position && { position: knownPosition(position) }),
        ...(reset !== undefined && { reset }),
        ...(settledBelow !== undefined && { settledBelow }),
      }
    }
    case 'unsub':
      return { type: frame.type, channel: frame.channel, request: frame.request }
    case 'pub': {
      const { type, channel, sequence, id, name, data, base } = frame
      return { type, channel, sequence, id, name, data, ...(base && { base: knownPosition(base) }) }
    }
    case 'fetch': {
      const { type, channel, request, position, count } = frame
      return { type, channel, request, position: knownPosition(position), count }
    }
    case 'req':
      return { type: frame.type, id: frame.id, name: frame.name, params: frame.params }
    case 'hist': {
      const { type, id, channel, before, limit } = frame
      return { type, id, channel, limit, ...(before && { before: knownPosition(before) }) }
    }
    case 'vol': {
      const { type, channel, name, data, key } = frame
      return { type, channel, name, data, ...(key !== undefined && { key }) }
    }
    case 'pres':
      return { type: frame.type, id: frame.id, channel: frame.channel, data: frame.data }
    case 'auth':
      return { type: frame.type, token: frame.token }
    case 'ping':
    case 'pong':
      return { type: frame.type, n: frame.n }
  }
}

function knownPosition({ epoch, offset }: Position): Position {
  return { epoch: epoch.slice(0, MAX_ID_BYTES + 1), offset }
}
