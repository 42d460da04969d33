// The public door: explicit named exports, nothing else.

export type {
  Channel,
  HistoryOptions,
  MessageHandler,
  Presence,
  Priority,
  PublishOptions,
  Readable,
  ResetHandler,
  VolatileHandler,
  VolatileOptions,
} from './channel.ts'
export { type Client, type ClientEvents, createClient, type RequestOptions } from './client.ts'
export type { HistoryPage, Message, Receipt, Reset, VolatileMessage } from './effects.ts'
export {
  type Cause,
  type ErrorCode,
  isRealtimeError,
  type Outcome,
  RealtimeError,
  type Retry,
  UnauthorizedError,
} from './errors.ts'
export type {
  BackoffOptions,
  ChannelsOptions,
  ClientOptions,
  ConnectOptions,
  DispatchOptions,
  ErrorDetails,
  HeartbeatOptions,
  InboxOptions,
  Metric,
  OutboxOptions,
  Overflow,
  PublishDefaults,
  TokenQuery,
  TokenReason,
} from './options.ts'
export type { ClosePolicy } from './protocol/close-codes.ts'
export type { Position, Sender } from './protocol/frames.ts'
export type { Stats } from './session.ts'
export type { ChannelSnapshot, ChannelStatus, ClientSnapshot, Present, Status } from './snapshots.ts'
