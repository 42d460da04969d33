// The door for servers and tools: `steadywire/protocol`. Explicit named exports, nothing else.

export type {
  AckFrame,
  AttachedFrame,
  BehindFrame,
  ClientFrame,
  ClientPongFrame,
  DeniedFrame,
  DetachedFrame,
  ErrorFrame,
  EventFrame,
  FetchFrame,
  Grant,
  HelloFrame,
  Limits,
  LogEvent,
  NackFrame,
  PageFrame,
  PingFrame,
  PongFrame,
  Position,
  PubFrame,
  ResetFrame,
  Sender,
  ServerFrame,
  SubFrame,
  Top,
  UnsubFrame,
  WelcomeFrame,
} from './frames.ts'
export { batchFrames, type Decoded, decodeMessage, type EncodedFrame, PROTOCOL_VERSION, SUBPROTOCOL } from './codec.ts'
export {
  isChannelName,
  isIdentifier,
  isShallow,
  MAX_BATCH_BYTES,
  MAX_CHANNEL_BYTES,
  MAX_DEPTH,
  MAX_ID_BYTES,
  utf8Bytes,
} from './content.ts'
export {
  CLOSE_ABANDONED,
  CLOSE_BAD_FRAME,
  CLOSE_FORBIDDEN,
  CLOSE_NO_HELLO,
  CLOSE_REPLACED,
  CLOSE_SERVER_ERROR,
  CLOSE_TOO_MANY,
  CLOSE_UNAUTHORIZED,
  CLOSE_UNAVAILABLE,
  closeMeaning,
  type CloseMeaning,
  type ClosePolicy,
  closeReason,
  retryAfterMs,
} from './close-codes.ts'
export type { FrameReader } from './guards.ts'
export { createClientFrameReader } from './read-client-frame.ts'
export { createServerFrameReader } from './read-server-frame.ts'
