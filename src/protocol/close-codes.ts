// What a WebSocket close code means to the client: a table.
//
// Rules of this file:
// - Meaning travels in 4xxx codes: WebKit's libsoup builds report 1012 and 1013 as 1006, and a browser cannot tell an
//   HTTP error answer to the upgrade from an outage.
// - A code that is not listed is a lost connection: 1000, 1001, 1005, 1006, 1012 and every unknown one.
// - The application may replace any row.

import type { ErrorCode } from '../errors.ts'

/**
 * What the client does after a close code.
 *
 * - `retry`: reconnect after the backoff.
 * - `retry-slower`: the same, after at least one second.
 * - `reauthorize`: get a new token and reconnect, once; again only after a session that proved stable, else stop.
 * - `replace`: another connection has taken over; stop. `retryNow()` goes on as a new session.
 * - `stop`: the server will not have this client; stop in `failed`. `retryNow()` tries again.
 */
export type ClosePolicy = 'retry' | 'retry-slower' | 'reauthorize' | 'replace' | 'stop'

export interface CloseMeaning {
  readonly policy: ClosePolicy
  readonly code: ErrorCode
}

/** The client abandons a socket that it no longer trusts. */
export const CLOSE_ABANDONED = 4000
export const CLOSE_BAD_FRAME = 4400
export const CLOSE_UNAUTHORIZED = 4401
export const CLOSE_FORBIDDEN = 4403
export const CLOSE_NO_HELLO = 4408
export const CLOSE_REPLACED = 4409
export const CLOSE_TOO_MANY = 4429
export const CLOSE_SERVER_ERROR = 4500
export const CLOSE_UNAVAILABLE = 4503

const MEANINGS: Readonly<Record<number, readonly [ClosePolicy, ErrorCode]>> = {
  1002: ['stop', 'protocol'],
  1003: ['stop', 'protocol'],
  1007: ['stop', 'protocol'],
  1008: ['reauthorize', 'unauthorized'],
  1009: ['retry', 'frame-too-large'],
  1011: ['retry-slower', 'server-error'],
  1013: ['retry-slower', 'server-error'],
  [CLOSE_BAD_FRAME]: ['retry', 'protocol'],
  [CLOSE_UNAUTHORIZED]: ['reauthorize', 'unauthorized'],
  [CLOSE_FORBIDDEN]: ['stop', 'forbidden'],
  [CLOSE_NO_HELLO]: ['retry', 'timeout'],
  [CLOSE_REPLACED]: ['replace', 'replaced'],
  [CLOSE_TOO_MANY]: ['retry', 'rate-limited'],
  [CLOSE_SERVER_ERROR]: ['retry-slower', 'server-error'],
  [CLOSE_UNAVAILABLE]: ['retry', 'server-unavailable'],
}

/** The meaning of `closeCode`, with the application's overrides applied. */
export function closeMeaning(closeCode: number, overrides: Readonly<Record<number, ClosePolicy>> = {}): CloseMeaning {
  const [builtIn, code] = MEANINGS[closeCode] ?? ['retry', 'connection-lost']
  const policy = overrides[closeCode] ?? builtIn
  return { policy, code: policy === 'reauthorize' ? 'unauthorized' : code }
}

/** The wait that a close reason asks for (`code; retry=<ms>`), 0 where it names none. Never more than an hour. */
export function retryAfterMs(reason: string): number {
  const wish = /;\s*retry=(\d{1,7})\b/.exec(reason)
  return Math.min(Number(wish?.[1] ?? 0), 3_600_000)
}

/** `code[; retry=<ms>]` within the 123 bytes that a close frame can carry. */
export function closeReason(code: string, waitMs?: number): string {
  return waitMs === undefined ? code : `${code}; retry=${Math.ceil(waitMs)}`
}
