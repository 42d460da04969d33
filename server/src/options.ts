// Every number of the server, with its default.
//
// Rules of this file:
// - An option is read once, at creation. A value that cannot be meant throws a RangeError that names it.

/** What one server carries, at most. */
export interface LimitOptions {
  /** Connections at a time. One more is closed with 4429. @defaultValue 10_000 */
  connections?: number | undefined
  /**
   * Sessions of one user at a time. A session that reconnects replaces its own connection. One more takes the place of
   * the user's longest silent session if that has been silent for a heartbeat, else it is closed with 4429.
   * @defaultValue 20; unlimited without `authenticate`, where everyone is the same user
   */
  connectionsPerUser?: number | undefined
  /** Channels one connection may be attached to. One more is denied with `too-many`. @defaultValue 1_000 */
  channelsPerConnection?: number | undefined
  /**
   * Publishes a second of one connection. What comes faster waits its turn and is answered later; it is never refused.
   * Clients are told, and keep to it by themselves. @defaultValue 1_000
   */
  publishesPerSecond?: number | undefined
  /** Publishes at once after a pause, before that pace begins. @defaultValue 2_000 */
  publishBurst?: number | undefined
  /**
   * Volatile messages a second of one connection, and as many at once after a pause. Of what comes faster the newest of each
   * key waits its turn, and the rest is left out. Clients are told. @defaultValue 120
   */
  volatilePerSecond?: number | undefined
  /** Unanswered publishes of one connection; one more closes it with 4400. Clients are told. @defaultValue 64 */
  window?: number | undefined
  /** Bytes of the unanswered publishes of one connection, or one publish; more closes it with 4400. Clients are told. @defaultValue 262_144 */
  windowBytes?: number | undefined
  /** Messages of one page that a client fetches. @defaultValue 256 */
  pageCount?: number | undefined
  /** The newest messages of a channel in use that are held ready for those about to be level; more are read from the store. @defaultValue 256 */
  ringCount?: number | undefined
  /** Bytes of one snapshot, encoded. A larger one is reported and not sent: the reset does without. @defaultValue 1_048_576 */
  snapshotBytes?: number | undefined
  /** Bytes of one WebSocket message from a client. A longer one closes the connection with 1009. @defaultValue 1_048_576 */
  maxMessageBytes?: number | undefined
  /** Unsent bytes of one connection above which messages are no longer pushed to it: it must fetch. @defaultValue 1_048_576 */
  maxBufferedBytes?: number | undefined
}

/** The times and limits of a broker. */
export interface BrokerOptions {
  /**
   * How often clients are asked for a sign of life, in milliseconds; at least 100. A client that has said nothing for
   * twice as long is cut off.
   * @defaultValue 25_000
   */
  heartbeatMs?: number | undefined
  /** How long a new connection may take to say hello, in milliseconds; then it is closed with 4408. @defaultValue 5_000 */
  helloTimeoutMs?: number | undefined
  /** How long a hook may take to answer, in milliseconds. @defaultValue 5_000 */
  hookTimeoutMs?: number | undefined
  /** How long what nobody uses is kept in memory (never a log), in milliseconds. @defaultValue 1_800_000 */
  idleTimeoutMs?: number | undefined
  limits?: LimitOptions | undefined
}

type Complete<T> = { readonly [Name in keyof T]-?: Exclude<T[Name], undefined> }
/** The options as a broker uses them: nothing absent. */
export type Settings = Complete<Omit<BrokerOptions, 'limits'>> & { readonly limits: Complete<LimitOptions> }

/** `options` with the defaults filled in. */
export function settingsOf(options: BrokerOptions, isAnonymous: boolean): Settings {
  const { limits = {} } = options
  return {
    heartbeatMs: announced(100, 'heartbeatMs', options.heartbeatMs, 25_000),
    helloTimeoutMs: atLeast(1, 'helloTimeoutMs', options.helloTimeoutMs, 5_000),
    hookTimeoutMs: atLeast(1, 'hookTimeoutMs', options.hookTimeoutMs, 5_000),
    idleTimeoutMs: atLeast(0, 'idleTimeoutMs', options.idleTimeoutMs, 1_800_000),
    limits: {
      connections: atLeast(1, 'limits.connections', limits.connections, 10_000),
      connectionsPerUser: atLeast(
        1,
        'limits.connectionsPerUser',
        limits.connectionsPerUser,
        isAnonymous ? Infinity : 20,
      ),
      channelsPerConnection: atLeast(1, 'limits.channelsPerConnection', limits.channelsPerConnection, 1_000),
      publishesPerSecond: announced(1, 'limits.publishesPerSecond', limits.publishesPerSecond, 1_000),
      publishBurst: announced(1, 'limits.publishBurst', limits.publishBurst, 2_000),
      volatilePerSecond: announced(1, 'limits.volatilePerSecond', limits.volatilePerSecond, 120),
      window: announced(1, 'limits.window', limits.window, 64),
      windowBytes: announced(1, 'limits.windowBytes', limits.windowBytes, 262_144),
      pageCount: announced(1, 'limits.pageCount', limits.pageCount, 256),
      ringCount: atLeast(1, 'limits.ringCount', limits.ringCount, 256),
      snapshotBytes: announced(1, 'limits.snapshotBytes', limits.snapshotBytes, 1_048_576),
      maxMessageBytes: announced(65_536, 'limits.maxMessageBytes', limits.maxMessageBytes, 1_048_576),
      maxBufferedBytes: atLeast(0, 'limits.maxBufferedBytes', limits.maxBufferedBytes, 1_048_576),
    },
  }
}

/** What `welcome` tells clients has to be a whole number: others cannot be told, or are refused there. */
function announced(min: number, name: string, value: number | undefined, byDefault: number): number {
  const number = atLeast(min, name, value, byDefault)
  if (Number.isSafeInteger(number)) return number
  throw new RangeError(`${name} must be a whole number, not ${String(value)}`)
}

function atLeast(min: number, name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault
  if (typeof value === 'number' && value >= min) return value
  throw new RangeError(`${name} must be a number of at least ${min}, not ${String(value)}`)
}
