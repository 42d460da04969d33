// createClient: session, driver, listeners and the browser, wired.
//
// Rules of this file:
// - Promises live here and no deeper: what the application's functions promise becomes an input, a settlement becomes a promise.
// - Options never change under a living client. A new destination is a new client.

import {
  type Channel,
  type ChannelHandle,
  createChannel,
  type HistoryOptions,
  type Priority,
  type PublishOptions,
  type Readable,
  type VolatileOptions,
} from './channel.ts'
import { createDriver } from './driver.ts'
import type { HistoryPage, Input, PublishContent, QuestionFrame, Receipt } from './effects.ts'
import { createEmitter } from './emitter.ts'
import { createBrowserEnvironment } from './env/browser.ts'
import type { Environment } from './env/environment.ts'
import { RealtimeError } from './errors.ts'
import { type ClientOptions, type ErrorDetails, type Metric, parseOptions, type TokenReason } from './options.ts'
import { isCount, optional, positionShape, record } from './protocol/guards.ts'
import { isChannelName, isIdentifier, isShallow } from './protocol/content.ts'
import { createSession, type Stats } from './session.ts'
import { Settlement } from './settlement.ts'
import type { ClientSnapshot } from './snapshots.ts'

/** What `client.on` can listen to, each with its one detail object. */
export interface ClientEvents {
  /** The status has changed. */
  status: ClientSnapshot
  /**
   * Trouble that no promise could tell of: a refused channel, a server's complaint, a publish whose promise was forgotten.
   * Where nobody listens it goes to the page's `reportError`.
   */
  error: ErrorDetails
  /** Every publish has settled. */
  drained: ClientSnapshot
  /** A figure of `stats()` has changed: told with every status and every heartbeat, for the application's own monitoring. */
  metric: Metric
}

/** One destination, one identity. Every function is bound: it can be passed on by itself. */
export interface Client {
  /** Dials. Does nothing while connected, trying, or `failed`; a running wait is not cut. */
  connect(): void
  /** Hangs up and stays down until `connect()` or `retryNow()`. What is in the outbox stays there, for as long as its `timeoutMs` lasts. */
  disconnect(): void
  /** Tries at once: ends a wait, leaves `failed`. */
  retryNow(): void
  /**
   * Forgets the person: token, unsettled publishes (those never sent reject `logged-out`, those sent end `unknown`), positions, and
   * every handler of every channel. What was registered must be registered anew. The client is `idle`; with the next `connect()`, or
   * the next use, it asks for a `first` token and is somebody new to the server. Does nothing once the client is closed.
   */
  logout(): void
  /**
   * Ends the client for good. Resolves when every publish has settled and nothing of the client runs any more.
   *
   * @param options.drainMs - Goes on for up to this long while publishes are unsettled. Whatever is left then rejects `closed`.
   *   `Infinity` waits for as long as it takes. Default 0.
   */
  close(options?: { drainMs?: number }): Promise<void>
  /** The channel of this name: 1 to 256 bytes of UTF-8. The same object for the same name. Attaches nothing by itself.
   *  Throws `config` for a name that cannot be one. */
  channel(name: string): Channel
  /**
   * Asks the application behind the server, and resolves with its answer: any JSON value.
   *
   * Sent at most once, when there is a connection. It changes no channel and has no order with publishes.
   *
   * @param name - What is asked: 1 to 64 bytes of UTF-8.
   * @param params - JSON value; encoded now. Left out: `null`.
   * @throws RealtimeError `timeout`, outcome `rejected` if it was never sent, else `unknown`: whether it was done, nobody can tell.
   *   `connection-lost`, outcome `unknown`. `aborted`, `closed`, `logged-out`: outcome as for `timeout`. `unsupported`: this server
   *   answers no requests. `invalid`: name, params or `timeoutMs` cannot be used. Whatever else the server's code and message say.
   */
  request(name: string, params?: unknown, options?: RequestOptions): Promise<unknown>
  /** Status, cause, and when the next try is due. */
  readonly state: Readable<ClientSnapshot>
  /** Counters since the client was made, and present sizes. */
  stats(): Stats
  /** Calls `listener` with every event of that kind; returns the function that stops it. */
  on<Name extends keyof ClientEvents>(event: Name, listener: (detail: ClientEvents[Name]) => void): () => void
}

/** How one request goes. */
export interface RequestOptions {
  /** Gives up after this many milliseconds of awake time, counted from the call. @defaultValue 10_000 */
  timeoutMs?: number
  /** Gives up when it is aborted. */
  signal?: AbortSignal | undefined
}

/** For tests: what the client runs on instead of the browser. */
export interface ClientInternals {
  readonly environment?: Environment
}

/**
 * Makes a client for one server. Nothing is dialled until `connect()`, or until a channel is first used.
 *
 * @throws RealtimeError `config`: an option is not usable; the message names it.
 *
 * @example
 * const client = createClient({ url: 'wss://app.example/realtime' })
 * client.channel('chat:lobby').on('message', (data) => console.log(data))
 */
export function createClient(options: ClientOptions & ClientInternals): Client {
  const settings = parseOptions(options)
  const { url, getToken, onError, onMetric } = options
  if (typeof url !== 'function') checkUrl(url)
  const environment = options.environment ?? createBrowserEnvironment()
  const { random, createId, reportError } = environment
  const session = createSession(settings, random, createId)
  const events = createEmitter<ClientEvents>(reportError)
  // By channel; the connection's own under a name that no channel has.
  const changes = createEmitter<Record<string, void>>(reportError)
  const handles = new Map<string, ChannelHandle>()
  const closed = new Promise<void>((resolve) => events.on('status', ({ status }) => status === 'closed' && resolve()))
  void closed.then(dropToken)
  let asking:
    | { readonly lateAtMs: number; readonly asker: AbortController; readonly token: Promise<string> }
    | undefined
  let measured: Readonly<Record<string, number>> = {}
  const settlements = new Map<string, (result: unknown) => void>()

  const driver = createDriver(session, environment, settings, {
    authorize({ attemptId, dials, reason }) {
      const answer = (found: string | URL, token: string) =>
        driver.feed({ type: 'authorized', attemptId, url: dials ? checkUrl(found) : '', token })
      const isAsked = dials && typeof url === 'function'
      if (!isAsked && !reason) return answer(url as string, '')
      const ask = async () =>
        answer(...(await Promise.all([isAsked ? url() : (url as string), reason ? askToken(reason) : ''])))
      ask().catch((error: unknown) => driver.feed({ type: 'denied', attemptId, error }))
    },
    settle({ id, result }) {
      settlements.get(id)?.(result)
      settlements.delete(id)
    },
    deliver: (delivery, resume) => handles.get(delivery.channel)?.deliver(delivery, resume) ?? false,
    refreshed: ({ channel, error }) => handles.get(channel)?.refreshed(error),
    emit({ event, detail }) {
      if (event === 'metric') measure()
      else if (event === 'error') complain(detail)
      else events.emit(event, detail)
    },
    changed: (channel) => changes.emit(channel),
  })

  /** One question at a time: who asks meanwhile shares the answer, unless that is late. */
  function askToken(reason: TokenReason): Promise<string> {
    const nowMs = environment.monotonicNow()
    if (asking && nowMs < asking.lateAtMs) return asking.token
    dropToken()
    const asker = new AbortController()
    const ask = async () => {
      const token: unknown = await getToken?.({ reason, signal: asker.signal })
      if (token && typeof token === 'string') return token
      throw new RealtimeError('config', { message: 'Bad token' })
    }
    const mine = { lateAtMs: nowMs + settings.connect.timeoutMs, asker, token: ask() }
    asking = mine
    const done = () => {
      if (asking === mine) asking = undefined
    }
    mine.token.then(done, done)
    return mine.token
  }

  /** The answer is not waited for any more. */
  function dropToken(): void {
    asking?.asker.abort()
    asking = undefined
  }

  /** Trouble without a promise. Where nobody listens it is reported: nothing is swallowed. */
  function complain(detail: ErrorDetails): void {
    if (!events.emit('error', detail)) reportError(detail.error)
  }

  /** Tells of the figures that have changed. */
  function measure(): void {
    const figures = session.getStats() as unknown as Readonly<Record<string, number>>
    for (const [name, value] of Object.entries(figures))
      if (value !== measured[name]) events.emit('metric', { name, value })
    measured = figures
  }

  function feed(input: Input): void {
    driver.feed(input, true)
  }

  function dial(type: 'connect' | 'retry'): void {
    // A page rendered on a server has no sockets: the client stays idle there.
    if (environment.openSocket) feed({ type })
  }

  /** Dials on first use, unless the application wants to say when. */
  function use(input: Input): void {
    feed(input)
    if (settings.connect.auto && session.getSnapshot().status === 'idle') dial('connect')
  }

  function publish(channel: string, name: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    const { base, priority = 'normal' } = options
    const dataText = encode(data)
    const rank = PRIORITIES.indexOf(priority)
    const isGood = dataText && isIdentifier(name) && rank >= 0 && isBase(base)
    const publish = { type: 'publish', channel, name, dataText, base, priority: rank } as const
    return settling<Receipt>(isGood, { timeoutMs: settings.publish.timeoutMs, ...options }, publish, channel)
  }

  function request(name: string, params?: unknown, options: RequestOptions = {}): Promise<unknown> {
    const text = encode(params)
    return ask(text && isIdentifier(name), options, { type: 'req', name, params: text && JSON.parse(text) })
  }

  function history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    const { before, limit = 50 } = options
    const isGood = isCount(limit) && limit && isBase(before)
    return ask(isGood, options, { type: 'hist', channel, ...(before && { before }), limit }, channel)
  }

  function present(channel: string, data: unknown): Promise<void> {
    const text = encode(data)
    const isGood = text && text !== 'null'
    return ask(isGood, {}, { type: 'pres', channel, data: isGood && JSON.parse(text) }, channel)
  }

  function ask<T>(isGood: unknown, patience: RequestOptions, frame: QuestionFrame, channel?: string): Promise<T> {
    return settling(isGood, patience, { type: 'ask', frame }, channel)
  }

  function sendVolatile(
    channel: string,
    name: string,
    data: unknown,
    { key, everyMs = 33 }: VolatileOptions = {},
  ): void {
    const text = encode(data)
    if (!text || !isIdentifier(name) || !isIdentifier(key ?? name) || !(everyMs >= 0))
      throw new RealtimeError('invalid')
    const frame = { type: 'vol', channel, name, data: JSON.parse(text), ...(key && { key }) } as const
    use({ type: 'volatile', frame, everyMs })
  }

  /** The promise of what `input` is about. It ends with the signal, and is heard of where nobody waits for it. */
  function settling<T>(
    isGood: unknown,
    { timeoutMs = QUESTION_TIMEOUT_MS, signal }: RequestOptions,
    input: ({ readonly type: 'publish' } & PublishContent) | { readonly type: 'ask'; readonly frame: QuestionFrame },
    channel: string | undefined,
  ): Promise<T> {
    const id = createId()
    const abort = () => feed({ type: 'abort', id })
    const settlement = new Settlement<T>((resolve, reject) => {
      settlements.set(id, (result) => {
        signal?.removeEventListener('abort', abort)
        if (!(result instanceof RealtimeError)) return resolve(result as T)
        reject(result)
        // Whoever awaits it has done so by then.
        environment.defer(() => settlement.isAwaited || complain({ error: result, channel }))
      })
    })
    // A forgotten rejection is told by an `error` event; for the platform it is handled.
    settlement.catch(() => {})
    settlement.isAwaited = false
    signal?.addEventListener('abort', abort)
    const refusal = isGood && timeoutMs >= 0 ? signal?.aborted && 'aborted' : 'invalid'
    const take = refusal ? feed : use
    take({ ...input, id, timeoutMs, refusal })
    return settlement
  }

  function readable<T>(name: string, getSnapshot: () => T): Readable<T> {
    return { getSnapshot, subscribe: (listener) => changes.on(name, listener) }
  }

  function channel(name: string): Channel {
    let handle = handles.get(name)
    if (!handle) {
      if (!isChannelName(name)) throw new RealtimeError('config', { message: 'Bad name' })
      handle = createChannel(name, {
        reportError,
        state: readable(name, () => session.getChannelSnapshot(name, driver.elapsedMs())),
        use,
        feed,
        publish,
        history,
        sendVolatile,
        present,
        getRoster: session.getRoster,
      })
      handles.set(name, handle)
    }
    return handle.channel
  }

  if (onError) events.on('error', onError)
  if (onMetric) events.on('metric', onMetric)

  return {
    connect: () => dial('connect'),
    disconnect: () => feed({ type: 'disconnect' }),
    retryNow: () => dial('retry'),
    logout() {
      dropToken()
      for (const handle of handles.values()) handle.wipe()
      feed({ type: 'logout' })
    },
    close({ drainMs = 0 } = {}) {
      feed({ type: 'close', drainMs: drainMs || 0 })
      return closed
    },
    channel,
    request,
    state: readable('', session.getSnapshot),
    stats: session.getStats,
    on: events.on,
  }
}

/** How long a request or a page of history may take, in milliseconds. */
const QUESTION_TIMEOUT_MS = 10_000
const isBase = optional(record(positionShape()))
const PRIORITIES: readonly Priority[] = ['low', 'normal', 'high']

function checkUrl(url: string | URL): string {
  try {
    const { protocol, hash } = new URL(url)
    // Browsers refuse a fragment.
    if (/^wss?:$/.test(protocol) && !hash) return String(url)
  } catch {
    // No address at all: the same to whoever gave it.
  }
  throw new RealtimeError('config', { message: 'Bad url: ws: or wss:, no #' })
}

/** The data as JSON text; empty for what JSON cannot say, or what nests too deep. */
function encode(data: unknown = null): string {
  try {
    // What counts is what is sent, and `toJSON` may have made that.
    const text = JSON.stringify(data)
    return isShallow(JSON.parse(text)) ? text : ''
  } catch {
    return ''
  }
}
