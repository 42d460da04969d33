// The server as an application runs it: sockets and HTTP of Node on one side, the broker on the other.
//
// Rules of this file:
// - Everything real is here: clocks, timers, chance, sockets, promises. What is decided is decided in the broker.
// - A refusal that a browser must understand comes after the upgrade, as a close code. Before it: only a wrong path and
//   a wrong origin, because an HTTP error is to a page indistinguishable from an outage.
// - Whatever is opened here is closed by `close`.

import { randomBytes } from 'node:crypto'
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { SUBPROTOCOL } from 'steadywire/protocol'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Broker, type Connection, createBroker, type Receipt } from './broker.ts'
import { isFault } from './content.ts'
import type { ServerEnvironment } from './environment.ts'
import {
  type AuthorizeQuery,
  hookOf,
  type Hook,
  type PublishQuery,
  reject,
  type RequestQuery,
  type SnapshotAnswer,
  type SnapshotQuery,
  type StateDefinition,
  type StoredQuery,
  type User,
} from './hooks.ts'
import { createOperatorHandler } from './operators.ts'
import { type BrokerOptions, settingsOf } from './options.ts'
import { isAllowedOrigin, parseOrigins } from './origins.ts'
import type { Peer } from './outgoing.ts'
import type { ConnectionDetails } from './session.ts'
import { memoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

/** Who is at the door. */
export interface AuthenticateQuery {
  /** From `hello`, or from the subprotocol `steadywire.auth.<base64url>`. A secret: do not log it. */
  readonly token: string | undefined
  /** The upgrade request, for its cookies and address. */
  readonly request: IncomingMessage
}

/** What {@link createServer} takes. */
export interface ServerOptions extends BrokerOptions {
  /** Keeps the channels' logs; `sqliteStore` of `@steadywire/server/sqlite` keeps them in a file. @defaultValue `memoryStore()` */
  store?: Store | undefined
  /**
   * Answers who this is; identity comes from here alone. `null` closes the connection with 4401: the client gets a new
   * token once. A throw of `reject('forbidden', …)` closes it with 4403: the client stops. Any other throw, and no
   * answer within `hookTimeoutMs`, closes it with 4503: the client tries again.
   *
   * @defaultValue everyone is the user `anonymous`, and `listen` binds to this machine alone unless told a host
   */
  authenticate?: ((query: AuthenticateQuery) => User | null | PromiseLike<User | null>) | undefined
  /**
   * Answers whether a user may read or write a channel, or see who is there and be seen. Only `true` is a yes. A throw counts as no;
   * where nothing else was granted, the channel is denied with `internal`. Asked when a client attaches, not again later, and whenever it asks for history.
   *
   * @defaultValue everyone may everything
   */
  authorize?: ((query: AuthorizeQuery) => boolean | PromiseLike<boolean>) | undefined
  /**
   * Answers the data to store, or throws {@link reject} with a code and a message for the publisher. `undefined` stores
   * the data as it came. It must have no effects: it may be asked about a message that is then not stored.
   *
   * @defaultValue data is stored as it came
   */
  onPublish?: ((query: PublishQuery) => unknown) | undefined
  /**
   * Told of every message once it is stored, whoever published it; here effects belong: a database, an e-mail. Per channel
   * in order, one at a time, at least once: after a crash a message can come again, which `position` tells. It begins with
   * the first message that is stored in a channel while this is given, and goes on after a restart where it stopped, as
   * far as the store keeps its cursor.
   *
   * A throw is reported and the message is told again after 1 s, 2 s, 4 s … up to a minute. There is no deadline: a
   * promise that never settles holds up its channel's messages here, and nothing else.
   *
   * @defaultValue nobody is told
   */
  onStored?: ((query: StoredQuery) => unknown) | undefined
  /**
   * Answers a channel's state, for clients that begin or that have missed too much: `{ data, position? }`, or `null` for
   * a channel that has none. With `position` stored beside the data it is exact; see {@link SnapshotAnswer}. One question
   * per channel is open at a time.
   *
   * A throw, no answer within `hookTimeoutMs`, more than `limits.snapshotBytes`, or a position that the log does not go on
   * from: it is reported, and clients begin with the snapshot before, if the log goes on from that one, or else with the
   * oldest message that is kept.
   *
   * @defaultValue no channel has one
   */
  snapshot?:
    | ((query: SnapshotQuery) => SnapshotAnswer | null | undefined | PromiseLike<SnapshotAnswer | null | undefined>)
    | undefined
  /**
   * Answers how the server folds this channel's messages into its state by itself, so that its snapshots are always exact;
   * `undefined` asks `snapshot`. States are in memory and begin at a channel's first message: keep the whole log of such
   * channels (`historyTtlMs: Infinity`, a large `historyLimit`). Where it no longer reaches back, after a restart or after
   * `idleTimeoutMs` without use, there is no snapshot, and that is reported.
   *
   * @defaultValue no channel is folded
   */
  state?: ((channel: string) => StateDefinition | undefined) | undefined
  /**
   * Answers clients' requests, by name: `{ 'documents.get': async ({ params, user }) => … }`. Any JSON value is an answer; a throw of
   * {@link reject} reaches the client with its code and message, any other as `internal`, and so does no answer within
   * `hookTimeoutMs`. `params` is whatever the client sent: check it. A request may come twice if a client sends it twice.
   *
   * @defaultValue there are none, and clients are told so
   */
  requests?: Readonly<Record<string, (query: RequestQuery) => unknown>> | undefined
  /**
   * The origins of pages that may connect, exactly as browsers send them: `https://app.example`. Others are refused
   * with HTTP 403. Clients that send none are let in.
   *
   * @defaultValue pages of the same host and of this machine
   */
  origins?: readonly string[] | undefined
  /** Opens the operators' endpoints to requests with this bearer token. @defaultValue they do not exist */
  adminToken?: string | undefined
  /** Told what hooks throw. Must not throw itself. @defaultValue `console.error` */
  onError?: ((error: unknown) => void) | undefined
}

export interface ListenOptions {
  /** 0 takes a free one. @defaultValue 8080 */
  port?: number | undefined
  /** Where clients connect. @defaultValue `/realtime` */
  path?: string | undefined
  /** The address to bind to. @defaultValue every one; without `authenticate` `127.0.0.1` */
  host?: string | undefined
}
/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
  /** For `createClient({ url })`, as seen from this machine. */
  readonly url: string
}

/** How a server is doing, as `/healthz` answers it. */
export interface Health {
  readonly status: 'ok' | 'draining'
  readonly connections: number
  /** Channels that somebody listens to, or did lately. */
  readonly channels: number
  readonly uptimeSeconds: number
  /** How late timers were, at the worst, since this was last asked. */
  readonly eventLoopDelayMs: number
}

/** A running server. All functions are bound. */
export interface Server {
  /**
   * Listens on a port of its own, for clients and for `GET /healthz`.
   *
   * Rejects with the system's error if it cannot, `EADDRINUSE` for one. Throws if it listens already.
   */
  listen(options?: ListenOptions): Promise<Address>
  /** Serves clients on an HTTP server that the application runs; it goes on running when this one closes. */
  attach(httpServer: HttpServer, options?: Pick<ListenOptions, 'path'>): void
  /**
   * Stores a message and sends it to the channel's subscribers. Resolves once it is stored. No hook is asked.
   *
   * @param options.id - Stored once among the channel's last 1,000 so named; a repetition resolves with the first one's
   *   position. Absent: a new id.
   * @throws an Error with `code` `invalid` or `too-large`: nothing was stored. `unavailable`: it may have been.
   */
  publish(channel: string, name: string, data: unknown, options?: { id?: string | undefined }): Promise<Receipt>
  /**
   * Tells everyone who reads the channel now, and keeps nothing: clients that are behind or away never hear of it. A client is
   * sent at most one batch in 33 ms, with the newest of each name and key.
   *
   * @param data - Any JSON value.
   * @param options.key - What the message is about, 1 to 64 bytes. Absent is one more key.
   * @throws an Error with `code` `invalid` or `too-large`: nobody was told.
   */
  sendVolatile(channel: string, name: string, data: unknown, options?: { key?: string | undefined }): void
  health(): Health
  /**
   * Stops without hurting anybody: `/readyz` says no, new sessions are refused with 4503, and every client is asked to connect
   * elsewhere at a random moment of the next `windowMs` (10,000 by default); what it has on its way is settled there. Resolves when
   * all have left, or the window and a second are over, and everything is closed.
   */
  drain(options?: { windowMs?: number | undefined }): Promise<void>
  /** Closes every connection with 4503 and stops listening. Resolves when nothing is left running; once is enough. */
  close(): Promise<void>
}

const DEFAULT_PATH = '/realtime'
const TOKEN_PROTOCOL = 'steadywire.auth.'
/** How long a client may take to answer a close. */
const CLOSE_TIMEOUT_MS = 1_000
const DELAY_RESOLUTION_MS = 20
const DRAIN_WINDOW_MS = 10_000
const MAX_DRAIN_WINDOW_MS = 3_600_000

/**
 * Creates a server that speaks the protocol at level 2.
 *
 * It does nothing until it is told to {@link Server.listen}, but for a timer that does not keep the process alive.
 *
 * @throws RangeError or TypeError that names an option which cannot be meant.
 * @example
 * const server = createServer({ authenticate: ({ token }) => users.get(token) ?? null })
 * await server.listen({ port: 8080 })
 */
export function createServer(options: ServerOptions = {}): Server {
  const { authenticate, authorize, onPublish, onStored, requests, snapshot, state } = options
  const { onError = (error) => console.error(error) } = options
  const { maxMessageBytes } = settingsOf(options, !authenticate).limits
  const allowedOrigins = options.origins && parseOrigins(options.origins)
  const broker = createBroker({
    environment: nodeEnvironment(onError),
    store: options.store ?? memoryStore(),
    hooks: {
      ...(authorize && { authorize: hookOf(authorize) }),
      ...(onPublish && { onPublish: hookOf(onPublish) }),
      ...(onStored && { onStored: hookOf(onStored) }),
      ...(snapshot && { snapshot: hookOf(snapshot) }),
      ...(state && { state }),
      ...(requests && { requests: requestsOf(requests) }),
    },
    options,
    isAnonymous: !authenticate,
  })
  const askWho = authenticate && hookOf(authenticate)
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    // A token among the protocols must not be echoed: it would stand in the page's `socket.protocol`.
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  })
  const startedAtMs = performance.now()
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS })
  delay.enable()
  const undo: (() => void)[] = []
  let listening: HttpServer | undefined
  let closing: Promise<void> | undefined

  const health = (): Health => {
    const { connections, channels } = broker.figures()
    const eventLoopDelayMs = Math.max(0, Math.round(delay.max / 1e6) - DELAY_RESOLUTION_MS)
    delay.reset()
    const uptimeSeconds = Math.round((performance.now() - startedAtMs) / 1_000)
    return { status: broker.isReady ? 'ok' : 'draining', connections, channels, uptimeSeconds, eventLoopDelayMs }
  }

  const close = (): Promise<void> => {
    closing ??= closeAll(broker, sockets, listening).then(() => {
      delay.disable()
      for (const takeBack of undo) takeBack()
    })
    return closing
  }

  const upgrade = (path: string, isOwn: (httpServer: HttpServer) => boolean, httpServer: HttpServer) => {
    const listener = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url?.split('?', 1)[0] !== path) {
        // On a shared server the path may be another listener's.
        if (isOwn(httpServer)) refuseUpgrade(socket, '404 Not Found', `Clients connect at ${path}.`)
        return
      }
      const { origin, host } = request.headers
      if (!isAllowedOrigin(origin, host, allowedOrigins))
        return refuseUpgrade(socket, '403 Forbidden', 'This origin is not allowed to connect.')
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const details: ConnectionDetails = {
          token: tokenAmong(request.headers['sec-websocket-protocol']),
          ...(askWho && { authenticate: (token, done) => askWho({ token, request }, done) }),
        }
        serveSocket(webSocket, broker, details)
      })
    }
    httpServer.on('upgrade', listener)
    undo.push(() => httpServer.off('upgrade', listener))
  }

  return {
    listen({ port = 8080, path = DEFAULT_PATH, host = authenticate ? undefined : '127.0.0.1' } = {}) {
      if (listening) throw new Error('This server listens already; create another one for another port.')
      const httpServer = createHttpServer(
        // Slow requests are cut off before they add up.
        { headersTimeout: 10_000, requestTimeout: 30_000 },
        createOperatorHandler({ broker, adminToken: options.adminToken, maxBodyBytes: maxMessageBytes, health }),
      )
      listening = httpServer
      upgrade(path, () => true, httpServer)
      return new Promise((resolve, fail) => {
        httpServer.once('error', (error) => {
          listening = undefined
          fail(error)
        })
        httpServer.listen(port, host, () => resolve(addressOf(httpServer, path)))
      })
    },
    attach(httpServer, { path = DEFAULT_PATH } = {}) {
      upgrade(path, () => httpServer.listenerCount('upgrade') === 1, httpServer)
    },
    publish(channel, name, data, { id } = {}) {
      return new Promise((resolve, fail) => {
        broker.publish({ channel, name, data, id }, (answer) => {
          if (isFault(answer)) fail(reject(answer.code, answer.message))
          else resolve(answer)
        })
      })
    },
    sendVolatile(channel, name, data, options) {
      const fault = broker.sendVolatile(channel, name, data, options)
      if (fault) throw reject(fault.code, fault.message)
    },
    health,
    async drain({ windowMs = DRAIN_WINDOW_MS } = {}) {
      if (!(windowMs >= 0 && windowMs <= MAX_DRAIN_WINDOW_MS))
        throw new RangeError(`windowMs must be a number from 0 to ${MAX_DRAIN_WINDOW_MS}, not ${String(windowMs)}`)
      await new Promise<void>((resolve) => broker.drain(windowMs, resolve))
      await close()
    },
    close,
  }
}

function requestsOf(requests: Readonly<Record<string, (query: RequestQuery) => unknown>>) {
  // A Map: `constructor` is a name that a client may send.
  const hooks = new Map(Object.entries(requests).map(([name, answer]) => [name, hookOf(answer)]))
  return (name: string): Hook<RequestQuery, unknown> | undefined => hooks.get(name)
}

function serveSocket(socket: WebSocket, broker: Broker, details: ConnectionDetails): void {
  const peer: Peer = {
    send: (text) =>
      socket.send(text, () => {
        if (socket.bufferedAmount === 0) connection.drained()
      }),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    bufferedBytes: () => socket.bufferedAmount,
  }
  // ws closes with the right code (1002, 1007, 1009) and `close` follows; without a listener the process would end.
  socket.on('error', () => {})
  const connection: Connection = broker.accept(peer, details)
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) return connection.received(data.toString())
    connection.ended()
    socket.close(1003, 'text-only')
  })
  socket.on('close', (code) => connection.ended(code))
}

async function closeAll(broker: Broker, sockets: WebSocketServer, httpServer: HttpServer | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => (httpServer ? httpServer.close(() => resolve()) : resolve()))
  broker.close()
  sockets.close()
  const left = [...sockets.clients]
  let cutOff: NodeJS.Timeout | undefined
  const answered = Promise.all(left.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  const late = new Promise((resolve) => {
    cutOff = setTimeout(resolve, CLOSE_TIMEOUT_MS)
  })
  await Promise.race([answered, late])
  clearTimeout(cutOff)
  for (const socket of left) socket.terminate()
  httpServer?.closeAllConnections()
  await closed
}

function refuseUpgrade(socket: Duplex, status: string, message: string): void {
  // The peer may be gone already.
  socket.on('error', () => {})
  // Nobody else times this socket any more: it goes when the answer has left, whether or not the peer hangs up.
  socket.once('finish', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${message.length}\r\n\r\n${message}`,
  )
}

/** For servers that cannot read `hello`'s token in time, browsers can send one with the upgrade here and nowhere else. */
function tokenAmong(protocols: string | undefined): string | undefined {
  const offered = protocols?.split(',').map((protocol) => protocol.trim())
  const coded = offered?.find((protocol) => protocol.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length)
  return coded === undefined ? undefined : Buffer.from(coded, 'base64url').toString()
}

function addressOf(httpServer: HttpServer, path: string): Address {
  const { address, port, family } = httpServer.address() as AddressInfo
  const isEverywhere = address === '::' || address === '0.0.0.0'
  const seenAs = isEverywhere ? 'localhost' : family === 'IPv6' ? `[${address}]` : address
  return { host: address, port, url: `ws://${seenAs}:${port}${path}` }
}

function nodeEnvironment(reportError: (error: unknown) => void): ServerEnvironment {
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    startTimer(delayMs, wake) {
      // A delay beyond 2³¹ − 1 would fire at once; everything here looks again anyway.
      const timer = setTimeout(wake, Math.min(delayMs, 2 ** 31 - 1))
      timer.unref()
      return () => clearTimeout(timer)
    },
    // After all sockets that have something to read have been read, so that one flush serves them all.
    soon(run) {
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    },
    createId: () => randomBytes(16).toString('base64url'),
    reportError,
  }
}
