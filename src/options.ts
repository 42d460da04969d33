// What an application may choose, what it gets if it does not, and what is refused.
//
// Rules of this file:
// - Groups are objects, units are in names, defaults are in DEFAULTS and nowhere else.
// - A bad value throws `config` when the client is made, naming the option. Options nobody knows are left to the compiler.

import { RealtimeError } from './errors.ts'
import { type ClosePolicy, isClosePolicy } from './protocol/close-codes.ts'

/** Trouble that no promise could tell of. */
export interface ErrorDetails {
  readonly error: RealtimeError
  /** The channel it belongs to, where it belongs to one. */
  readonly channel?: string | undefined
}

/** A figure that has changed. It never names a channel, a user or an id. */
export interface Metric {
  /** As `client.stats()` has it. */
  readonly name: string
  readonly value: number
}

/** How long to wait before trying to connect again. */
export interface BackoffOptions {
  /** The fixed part of every wait, in milliseconds; a longer wish of the server replaces it, a hint of the page cuts it. @defaultValue 0 */
  minDelayMs?: number
  /** The first wait after a stable session is a random time up to this, in milliseconds; times `factor` with every try. @defaultValue 500 */
  baseDelayMs?: number
  /**
   * The longest random wait, in milliseconds. In the first 15 s of an outage it is at most 4 s, until 60 s at most 10 s:
   * after a short outage nobody waits long.
   *
   * @defaultValue 30_000
   */
  maxDelayMs?: number
  /** Growth per try; at least 1. @defaultValue 2 */
  factor?: number
  /** Tries without a stable session before the client stops in `failed`, cause `gave-up`; `retryNow()` goes on. @defaultValue Infinity */
  maxAttempts?: number
  /** A session that lived this long, in milliseconds, ends the outage: the next loss starts again at the first wait. @defaultValue 10_000 */
  stableAfterMs?: number
}

/** How a dead connection is noticed. */
export interface HeartbeatOptions {
  /**
   * How often the client asks the server for a sign of life, in milliseconds; the smaller of this and the server's word.
   *
   * At least 100. `Infinity` never asks, whatever the server says: a dead network is then noticed only by sending, and
   * `fresh` is `null`.
   *
   * @defaultValue 25_000
   */
  intervalMs?: number
  /** How long an answer may take, in milliseconds of awake time, before the socket is given up and opened anew. @defaultValue 10_000 */
  timeoutMs?: number
}

/** How the client dials. */
export interface ConnectOptions {
  /** How long the address, the socket and the welcome may each take, in milliseconds. @defaultValue 10_000 */
  timeoutMs?: number
  /** Dial by itself when a channel is first used. With `false`, call `client.connect()`. @defaultValue true */
  auto?: boolean
  /**
   * Where the token travels: in the first frame, or as the WebSocket subprotocol `steadywire.auth.<base64url>`, for servers and
   * proxies that look at it before they let a connection in. Never in the address.
   *
   * @defaultValue 'hello'
   */
  tokenIn?: 'hello' | 'subprotocol'
}

/**
 * Why a token is needed: it is the `first` one of this client or since `logout()`, the one before is `expiring`, or the server has
 * `refused` that.
 */
export type TokenReason = 'first' | 'expiring' | 'refused'

/** What `getToken` is asked with. */
export interface TokenQuery {
  readonly reason: TokenReason
  /** Aborted when the answer is not waited for any more. */
  readonly signal: AbortSignal
}

/** Defaults of every publish. */
export interface PublishDefaults {
  /**
   * Gives up after this many milliseconds of awake time (sleep does not count), with the code `timeout`. At least 1. `Infinity` waits for as long as the client lives.
   *
   * @defaultValue 60_000
   */
  timeoutMs?: number
  /**
   * What becomes of a sent publish of which nobody can tell any more whether the server stored it: because the server has lost
   * its record of this client (`record-lost`) or the channel's whole history (`epoch-changed`), another connection has taken over
   * (`replaced`), or the server keeps no records at all and the connection is gone (`connection-lost`).
   *
   * `reject` ends it `unknown`. `resend` publishes it once more, with the same `id`: it may then be stored twice, and whoever
   * reads it tells by the `id`. Timeout, abort and close always end it `unknown`.
   *
   * @defaultValue 'reject'
   */
  onUnknown?: 'reject' | 'resend'
}

/** What goes when the outbox is full: the new publish, the oldest, or the oldest of the lowest priority below the new one's. */
export type Overflow = 'reject' | 'drop-oldest' | 'drop-lowest-priority'

/** How much may wait for the server: never-sent and unacknowledged publishes together. */
export interface OutboxOptions {
  /** At most this many publishes. @defaultValue 1_000 */
  maxMessages?: number
  /** At most this many encoded bytes. @defaultValue 1_048_576 */
  maxBytes?: number
  /**
   * What goes when it is full, always with `outbox-full`, outcome `rejected`, and never what was sent already: the new publish
   * (`reject`), the oldest (`drop-oldest`), or the oldest of the lowest `priority`, if that is below the new one's
   * (`drop-lowest-priority`).
   *
   * @defaultValue 'reject'
   */
  overflow?: Overflow
}

/** How much of a channel may wait here, and for how long. */
export interface InboxOptions {
  /** Messages of one channel that arrived before their turn, at most; beyond it what is missing is fetched. @defaultValue 1_024 */
  maxHeld?: number
  /**
   * How much of one channel may wait for its turn or for handlers, as it arrived. Above it further messages are left to the
   * server and fetched when half of it has been handed over. Counted in characters, and without one page that may come on top.
   *
   * @defaultValue 262_144
   */
  maxHeldBytes?: number
  /** How long a missing message may take to come by itself, in milliseconds of awake time, before it is fetched. @defaultValue 2_000 */
  gapTimeoutMs?: number
}

/** How handlers are called. */
export interface DispatchOptions {
  /** After this many milliseconds of handlers the page has its turn; the rest follows right after. @defaultValue 8 */
  sliceMs?: number
}

/** How channels are kept. */
export interface ChannelsOptions {
  /** A channel stays attached this long after its last handler is gone, in milliseconds. @defaultValue 1_000 */
  lingerMs?: number
}

/** What a client is made of: the address, and options in groups that may be given in part. */
export interface ClientOptions {
  /**
   * Where the server is: `ws:` or `wss:`, without a fragment. Never put a token in it: addresses end up in logs. See `getToken`.
   *
   * A function is asked before every try and has `connect.timeoutMs`. If it throws or rejects, that try has failed
   * (`connection-refused`) and the next one follows; if what it answers is no address, the client stops in `failed`, cause `config`.
   */
  url: string | URL | (() => string | URL | Promise<string | URL>)
  /**
   * Answers the token to connect with. Asked before the first try, when the one before is about to expire, and when the server has
   * refused it; one call at a time. In between the same token serves every connection. It is kept in memory alone.
   *
   * A throw of {@link UnauthorizedError} stops the client in `failed`, cause `unauthorized`. Any other failure, and no answer
   * within `connect.timeoutMs`, is tried again after the backoff. Answering anything but a text with something in it stops with
   * cause `config`.
   *
   * @defaultValue no token is sent
   */
  getToken?: (query: TokenQuery) => string | Promise<string>
  backoff?: BackoffOptions
  heartbeat?: HeartbeatOptions
  connect?: ConnectOptions
  publish?: PublishDefaults
  outbox?: OutboxOptions
  inbox?: InboxOptions
  dispatch?: DispatchOptions
  channels?: ChannelsOptions
  /**
   * What to do after a close code, where the built-in table does not fit a server: `{ 4001: 'reauthorize' }`. The cause that is then
   * told is that of the policy. Any other word throws `config`.
   */
  closeCodes?: Readonly<Record<number, ClosePolicy>>
  /** Called with every `error` event, from the start; the same as `client.on('error', …)`. */
  onError?: (detail: ErrorDetails) => void
  /** Called with every `metric` event, from the start: the same as `client.on('metric', …)`. */
  onMetric?: (metric: Metric) => void
  /**
   * The largest publish, in encoded bytes, and the largest message accepted, in characters. At least 65 536.
   *
   * A larger publish rejects `frame-too-large`. A larger message from the server replaces the connection; the third one in a
   * row ends in `failed`, cause `protocol`.
   *
   * @defaultValue 1_048_576
   */
  maxFrameBytes?: number
}

type Group<T> = { readonly [Option in keyof T]-?: T[Option] }

/** The options as the client uses them: complete and checked. */
export interface Settings {
  readonly backoff: Group<BackoffOptions>
  readonly heartbeat: Group<HeartbeatOptions>
  readonly connect: Group<ConnectOptions>
  readonly publish: Group<PublishDefaults>
  readonly outbox: Group<OutboxOptions>
  readonly inbox: Group<InboxOptions>
  readonly dispatch: Group<DispatchOptions>
  readonly channels: Group<ChannelsOptions>
  readonly closeCodes: Readonly<Record<number, ClosePolicy>>
  readonly getToken?: ClientOptions['getToken']
  readonly maxFrameBytes: number
}

/** What bounds the outbox. */
export type OutboxLimits = Settings['outbox']

export const DEFAULTS: Settings = {
  backoff: {
    minDelayMs: 0,
    baseDelayMs: 500,
    maxDelayMs: 30_000,
    factor: 2,
    maxAttempts: Infinity,
    stableAfterMs: 10_000,
  },
  heartbeat: { intervalMs: 25_000, timeoutMs: 10_000 },
  connect: { timeoutMs: 10_000, auto: true, tokenIn: 'hello' },
  publish: { timeoutMs: 60_000, onUnknown: 'reject' },
  outbox: { maxMessages: 1_000, maxBytes: 1_048_576, overflow: 'reject' },
  inbox: { maxHeld: 1_024, maxHeldBytes: 262_144, gapTimeoutMs: 2_000 },
  dispatch: { sliceMs: 8 },
  channels: { lingerMs: 1_000 },
  closeCodes: {},
  maxFrameBytes: 1_048_576,
}

/** What an option must be at least, where that is not 0, or which words it may be. */
const RULES: Readonly<Record<string, number | string>> = {
  factor: 1,
  maxAttempts: 1,
  intervalMs: 100,
  timeoutMs: 1,
  maxMessages: 1,
  maxBytes: 1,
  maxHeldBytes: 1,
  // A server gathers frames up to this.
  maxFrameBytes: 65_536,
  onUnknown: 'reject or resend',
  tokenIn: 'hello or subprotocol',
  overflow: 'reject or drop-oldest or drop-lowest-priority',
}

/** Fills in what is missing and refuses what cannot be meant: throws `config`, naming the option. */
export function parseOptions(options: Partial<ClientOptions>): Settings {
  if (!Object.values(options.closeCodes ?? {}).every(isClosePolicy))
    throw new RealtimeError('config', { message: 'Bad closeCodes word' })
  return merge('', DEFAULTS as unknown as Values, options as Values) as unknown as Settings
}

type Values = Readonly<Record<string, unknown>>

function merge(path: string, defaults: Values, given: Values): Values {
  // What has no default, such as single close codes, is taken as it is.
  const merged: Record<string, unknown> = { ...given }
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = given[name] ?? fallback
    const rule = RULES[name] ?? 0
    const type = typeof fallback
    const isGood =
      type === 'number'
        ? // Not `value < rule`: NaN must be refused too.
          (value as number) >= (rule as number)
        : !rule || (rule as string).split(' or ').includes(value as string)
    if (typeof value !== type || !isGood) {
      const wanted = type === 'number' ? `>= ${rule}` : rule || `of type ${type}`
      throw new RealtimeError('config', { message: `${path}${name} must be ${wanted}` })
    }
    merged[name] = type === 'object' ? merge(`${path}${name}.`, fallback as Values, value as Values) : value
  }
  return merged
}
