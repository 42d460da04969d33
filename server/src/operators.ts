// What operators ask over HTTP: health for everyone, channels for whoever holds the admin token.
//
// Rules of this file:
// - Without an admin token the channels' endpoints do not exist: 404, like any other path.
// - Every answer is JSON; one that is not 2xx is `{ "error": { "code", "message" } }` and says what to do.
// - A body is read up to a bound and no further. Tokens are compared in constant time.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Broker } from './broker.ts'
import { isFault } from './content.ts'

export interface OperatorParts {
  readonly broker: Broker
  readonly adminToken: string | undefined
  readonly maxBodyBytes: number
  /** What `/healthz` answers. */
  health(): object
}

interface Answer {
  readonly status: number
  readonly body: object
  readonly headers?: Readonly<Record<string, string>>
}
type Send = (answer: Answer) => void

const MAX_HISTORY_COUNT = 1_000
/** A publish that an operator sends has its envelope in the headers and the path; this is room for the rest. */
const BODY_MARGIN_BYTES = 1_024

/** Answers HTTP requests. */
export function createOperatorHandler(
  parts: OperatorParts,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    route(parts, request, ({ status, body, headers }) => {
      const text = JSON.stringify(body)
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        ...headers,
      })
      response.end(request.method === 'HEAD' ? undefined : text)
    })
  }
}

function route(parts: OperatorParts, request: IncomingMessage, send: Send): void {
  const base = 'http://localhost'
  const target = request.url ?? '/'
  if (!URL.canParse(target, base)) return send(failure(400, 'bad-path', 'The path cannot be read.'))
  const url = new URL(target, base)
  if (url.pathname === '/healthz') {
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(wrongMethod('GET'))
    return send({ status: 200, body: parts.health() })
  }
  if (url.pathname === '/readyz') {
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(wrongMethod('GET'))
    return send(
      parts.broker.isReady ? { status: 200, body: { status: 'ready' } } : { status: 503, body: { status: 'draining' } },
    )
  }
  const [, rawChannel, what] = /^\/channels\/([^/]*)\/(history|messages)$/.exec(url.pathname) ?? []
  if (rawChannel === undefined || parts.adminToken === undefined)
    return send(failure(404, 'not-found', 'There is nothing here.'))
  if (!isAuthorized(request, parts.adminToken))
    return send({
      ...failure(401, 'unauthorized', 'Send the admin token: "Authorization: Bearer …".'),
      headers: { 'www-authenticate': 'Bearer' },
    })
  const channel = decoded(rawChannel)
  if (channel === undefined)
    return send(failure(400, 'invalid', 'The channel in the path is not encoded as encodeURIComponent does it.'))
  if (what === 'history')
    return request.method === 'GET' ? history(parts, channel, url.searchParams, send) : send(wrongMethod('GET'))
  return request.method === 'POST' ? publish(parts, channel, request, send) : send(wrongMethod('POST'))
}

function history({ broker }: OperatorParts, channel: string, query: URLSearchParams, send: Send): void {
  const after = count(query.get('after') ?? '0')
  const limit = count(query.get('limit') ?? '100')
  if (after === undefined) return send(failure(400, 'invalid', '"after" is an offset: 0 or a whole number above.'))
  if (limit === undefined || limit < 1 || limit > MAX_HISTORY_COUNT)
    return send(failure(400, 'invalid', `"limit" is a whole number from 1 to ${MAX_HISTORY_COUNT}.`))
  broker.history({ channel, after, limit }, (answer) =>
    send(isFault(answer) ? faulty(answer) : { status: 200, body: answer }),
  )
}

function publish({ broker, maxBodyBytes }: OperatorParts, channel: string, request: IncomingMessage, send: Send): void {
  readBody(request, maxBodyBytes + BODY_MARGIN_BYTES, (text) => {
    if (text === undefined) {
      // What is still coming is not read, so the connection cannot be used again.
      const tooLarge = failure(413, 'too-large', `The body has ${maxBodyBytes} bytes at most.`)
      return send({ ...tooLarge, headers: { connection: 'close' } })
    }
    const body = parsed(text)
    if (
      typeof body !== 'object' ||
      body === null ||
      !('name' in body) ||
      typeof body.name !== 'string' ||
      !('data' in body)
    )
      return send(failure(400, 'invalid', 'The body is JSON: { "name": text, "data": any JSON value }.'))
    const id = request.headers['idempotency-key']
    const message = { channel, name: body.name, data: body.data, ...(typeof id === 'string' && { id }) }
    broker.publish(message, (answer) => send(isFault(answer) ? faulty(answer) : { status: 200, body: answer }))
  })
}

/** Calls `done` once: with the whole body, or with nothing if it is longer than `maxBytes`. */
function readBody(request: IncomingMessage, maxBytes: number, done: (text: string | undefined) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
    else {
      request.pause()
      request.removeAllListeners('data').removeAllListeners('end')
      done(undefined)
    }
  })
  request.on('end', () => done(Buffer.concat(chunks).toString()))
  // A request cut off in the middle has nobody left to answer.
  request.on('error', () => {})
}

function isAuthorized(request: IncomingMessage, adminToken: string): boolean {
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  // Digests are of one length, so comparing them tells nothing of the token's.
  return given !== undefined && timingSafeEqual(digest(given), digest(adminToken))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function count(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

function faulty({ code, message }: { code: string; message: string }): Answer {
  return failure(code === 'too-large' ? 413 : code === 'unavailable' ? 503 : 400, code, message)
}

function wrongMethod(allow: string): Answer {
  return { ...failure(405, 'method', `Use ${allow}.`), headers: { allow } }
}

function failure(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } }
}
