// createClient: session, driver, listeners and the browser, wired.
//
// Rules of this file:
// - Promises live here and no deeper: what the application's functions promise becomes an input, a settlement becomes a promise.
// - Options never change under a living client. A new destination is a new client.

import { type Channel, type ChannelHandle, createChannel, type PublishOptions, type Readable } from './channel.ts'
import { createDriver, type DriverPorts } from './driver.ts'
import type { Input, Receipt } from './effects.ts'
import { createEmitter, isolate } from './emitter.ts'
import { createBrowserEnvironment } from './env/browser.ts'
import type { Environment } from './env/environment.ts'
import { isRealtimeError, isUnauthorized, RealtimeError } from './errors.ts'
import { type ClientOptions, type ErrorDetails, parseOptions } from './options.ts'
import { encodeFrame } from './protocol/codec.ts'
import { isChannelName, isIdentifier, isShallow } from './protocol/content.ts'
import { createSession, type Stats } from './session.ts'
import { Settlement } from './settlement.ts'
import type { ClientSnapshot } from './snapshots.ts'

/** What `client.on` can listen to, each with its one detail object. */
export interface ClientEvents {
  /** The status has changed. */
  status: ClientSnapshot
  /** Trouble that no promise could tell of: a refused channel, a server's complaint, a publish whose promise was forgotten. */
  error: ErrorDetails
  /** Every publish has settled. */
  drained: { readonly stats: Stats }
}

/** One destination, one identity. Every function is bound: it can be passed on by itself. */
export interface Client {
  /** Dials. Does nothing while connected, trying, or `failed`; a running wait is not cut. */
  connect(): void
  /** Hangs up and stays down until `connect()`. What waits in the outbox stays there. */
  disconnect(): void
  /** Tries at once: ends a wait, leaves `failed`. */
  retryNow(): void
  /**
   * Ends the client for good. Resolves when every publish has settled and nothing of the client runs any more.
   *
   * @param options.drainMs - Goes on for up to this long while publishes are unsettled. Whatever is left then rejects `closed`. Default 0.
   */
  close(options?: { drainMs?: number }): Promise<void>
  /** The channel of this name: 1 to 256 bytes of UTF-8. The same object for the same name. Attaches nothing by itself. */
  channel(name: string): Channel
  /** Status, cause, and when the next try is due. */
  readonly state: Readable<ClientSnapshot>
  /** Counters since the client was made, and present sizes. */
  stats(): Stats
  /** Calls `listener` with every event of that kind; returns the function that stops it. */
  on<Name extends keyof ClientEvents>(event: Name, listener: (detail: ClientEvents[Name]) => void): () => void
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
  if (typeof options.url !== 'function') checkUrl(options.url)
  const environment = options.environment ?? createBrowserEnvironment()
  const { random, createId, reportError } = environment
  const session = createSession(settings, random, createId)
  const emitter = createEmitter<ClientEvents>(reportError)
  const handles = new Map<string, ChannelHandle>()
  const settlements = new Map<string, (result: Receipt | RealtimeError) => void>()
  const listeners = new Map<string | undefined, Set<() => void>>()
  let errorListeners = 0
  let authorizing = new AbortController()
  let resolveClosed: () => void
  const closed = new Promise<void>((resolve) => {
    resolveClosed = resolve
  })

  const ports: DriverPorts = {
    authorize(attemptId, refused) {
      authorizing = new AbortController()
      const { signal } = authorizing
      const answer = (input: Input) => {
        if (!signal.aborted) driver.feed(input)
      }
      const ask = async () => {
        const [url, token] = await Promise.all([
          typeof options.url === 'function' ? options.url() : options.url,
          options.getToken?.({ reason: refused ? 'refused' : 'connect', signal }),
        ])
        return { url: checkUrl(url), ...(token !== undefined && { token }) }
      }
      ask().then(
        (found) => answer({ type: 'authorized', attemptId, ...found }),
        (error: unknown) => answer({ type: 'denied', attemptId, ...refusal(error) }),
      )
    },
    cancelAuthorize: () => authorizing.abort(),
    settle({ id, result }) {
      settlements.get(id)?.(result)
      settlements.delete(id)
    },
    deliver(effect) {
      switch (effect.type) {
        case 'message':
          return handles.get(effect.channel)?.message(effect.message)
        case 'reset':
          return handles.get(effect.channel)?.reset(effect.reset)
        case 'status':
          return emitter.emit('status', effect.snapshot)
        case 'drained':
          return emitter.emit('drained', { stats: session.getStats() })
        case 'error':
          return complain(effect.error, effect.channel)
        case 'bug':
          return reportError(new RealtimeError('internal', { message: `steadywire: ${effect.description}` }))
        case 'closed':
          return resolveClosed()
      }
    },
    changed(what) {
      for (const name of what) {
        for (const listener of [...(listeners.get(name) ?? [])]) isolate(listener, reportError)
      }
    },
  }
  const driver = createDriver(session, environment, settings.maxFrameBytes, ports)

  /** Trouble without a promise. Where nobody listens it is reported: nothing is swallowed. */
  function complain(error: RealtimeError, channel?: string): void {
    if (errorListeners === 0) reportError(error)
    else emitter.emit('error', { error, ...(channel !== undefined && { channel }) })
  }

  function feed(input: Input): void {
    driver.feed(input, true)
  }

  /** Dials on first use, unless the application wants to say when. */
  function use(input: Input): void {
    feed(input)
    if (settings.connect.auto && session.getSnapshot().status === 'idle') dial('connect')
  }

  function dial(type: 'connect' | 'retry'): void {
    // A page rendered on a server has no sockets: the client stays idle there.
    if (environment.openSocket) feed({ type })
  }

  function publish(channel: string, name: string, data: unknown, given: PublishOptions): Promise<Receipt> {
    const id = createId()
    const { signal, base, timeoutMs = settings.publish.timeoutMs } = given
    const settlement = new Settlement<Receipt>((resolve, reject) => {
      const stop = () => signal?.removeEventListener('abort', abort)
      const abort = () => feed({ type: 'abort', id })
      settlements.set(id, (result) => {
        stop()
        if (!(result instanceof RealtimeError)) return resolve(result)
        reject(result)
        // Whoever awaits it has done so by then.
        environment.defer(() => settlement.isAwaited || complain(result, channel))
      })
      signal?.addEventListener('abort', abort)
    })
    settlement.ignore()
    const refuse = (code: 'invalid' | 'aborted', message?: string) =>
      ports.settle({ type: 'settle', id, result: new RealtimeError(code, { outcome: 'rejected', message }) })
    const dataText = encode(data)
    if (signal?.aborted) refuse('aborted')
    else if (!isIdentifier(name)) refuse('invalid', 'A message name is 1 to 64 bytes long.')
    else if (dataText === undefined)
      refuse('invalid', 'The data is not JSON: a cycle, a BigInt, or deeper than 64 levels.')
    else {
      const { bytes } = encodeFrame({
        type: 'pub',
        channel,
        sequence: Number.MAX_SAFE_INTEGER,
        id,
        name,
        dataText,
        ...(base && { base }),
      })
      use({ type: 'publish', publish: { channel, id, name, dataText, bytes, timeoutMs, ...(base && { base }) } })
    }
    return settlement
  }

  function readable<T>(what: string | undefined, getSnapshot: () => T): Readable<T> {
    return {
      getSnapshot,
      subscribe(listener) {
        let set = listeners.get(what)
        if (!set) listeners.set(what, (set = new Set()))
        // An entry of its own, so that the same function can listen twice.
        const entry = () => listener()
        set.add(entry)
        return () => set.delete(entry)
      },
    }
  }

  function channel(name: string): Channel {
    let handle = handles.get(name)
    if (!handle) {
      if (typeof name !== 'string' || !isChannelName(name)) {
        throw new RealtimeError('config', { message: 'A channel name is 1 to 256 bytes long.' })
      }
      handle = createChannel(name, {
        subscribe: (channel) => use({ type: 'subscribe', channel }),
        unsubscribe: (channel) => feed({ type: 'unsubscribe', channel }),
        publish,
        state: (channel) => readable(channel, () => session.getChannelSnapshot(channel)),
        call: (run) => isolate(run, reportError),
      })
      handles.set(name, handle)
    }
    return handle.channel
  }

  function on<Name extends keyof ClientEvents>(
    event: Name,
    listener: (detail: ClientEvents[Name]) => void,
  ): () => void {
    const stop = emitter.on(event, listener)
    if (event !== 'error') return stop
    errorListeners++
    return () => {
      stop()
      errorListeners--
    }
  }

  if (options.onError) on('error', options.onError)

  return {
    connect: () => dial('connect'),
    disconnect: () => feed({ type: 'disconnect' }),
    retryNow: () => dial('retry'),
    close({ drainMs = 0 } = {}) {
      feed({ type: 'close', drainMs })
      return closed
    },
    channel,
    state: readable(undefined, session.getSnapshot),
    stats: session.getStats,
    on,
  }
}

function checkUrl(url: string | URL): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new RealtimeError('config', { message: 'The url is not an address.' })
  }
  if (!/^wss?:$/.test(parsed.protocol))
    throw new RealtimeError('config', { message: 'The url must begin with ws: or wss:.' })
  // Browsers refuse a fragment.
  parsed.hash = ''
  return parsed.href
}

/** What a failed question for address or token means: only a plain refusal or a bad address is final. */
function refusal(error: unknown): Pick<Extract<Input, { type: 'denied' }>, 'code' | 'message'> {
  if (isUnauthorized(error)) return { code: 'unauthorized' }
  return isRealtimeError(error) && error.code === 'config'
    ? { code: 'config', message: error.message }
    : { code: 'connection-refused' }
}

function encode(data: unknown): string | undefined {
  try {
    const text = JSON.stringify(data ?? null)
    return isShallow(data) ? text : undefined
  } catch {
    return undefined
  }
}
