// The public door of the server. Explicit named exports, nothing else.

export {
  type Address,
  type AuthenticateQuery,
  createServer,
  type Health,
  type ListenOptions,
  type Server,
  type ServerOptions,
} from './node.ts'
export type { BrokerOptions, LimitOptions } from './options.ts'
export {
  type AuthorizeQuery,
  type Hook,
  type HookAnswer,
  hookOf,
  type Hooks,
  isRefusal,
  type PublishQuery,
  Refusal,
  reject,
  type RequestQuery,
  type SnapshotAnswer,
  type SnapshotQuery,
  type StateDefinition,
  type StoredQuery,
  type User,
} from './hooks.ts'
export { jwt, type JwtOptions } from './jwt.ts'
export { memoryStore, type MemoryStoreOptions } from './store/memory.ts'
export type { RetentionOptions } from './store/retention.ts'
export {
  type AppendAnswer,
  type AppendOutcome,
  type AppendQuery,
  type AttachAnswer,
  type AttachQuery,
  type ClaimRefusal,
  type DetachQuery,
  type Done,
  judge,
  type Judgement,
  type LogExtent,
  type LostReason,
  type MarkQuery,
  type NewEvent,
  type Origin,
  type PageAnswer,
  type PageQuery,
  type ProducerClaim,
  type ProducerRecord,
  REMEMBERED_IDS,
  type Store,
  type StoredEvent,
} from './store/store.ts'
export {
  Broker,
  type BrokerParts,
  type Connection,
  createBroker,
  type Figures,
  type History,
  type HistoryQuery,
  type Receipt,
  type ServerPublish,
} from './broker.ts'
export type { StoredMessage } from './content.ts'
export type { Peer } from './outgoing.ts'
export type { Authenticate } from './identity.ts'
export type { ConnectionDetails } from './session.ts'
export type { Cancel, ServerEnvironment } from './environment.ts'
