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

/** The meaning of `closeCode`, with the application's overrides applied. */
export function closeMeaning(closeCode: number, overrides: Readonly<Record<number, ClosePolicy>> = {}): CloseMeaning {
  const meaning = builtIn(closeCode)
  const policy = overrides[closeCode]
  return policy ? { ...meaning, policy } : meaning
}

function builtIn(closeCode: number): CloseMeaning {
  switch (closeCode) {
    case CLOSE_BAD_FRAME:
      return { policy: 'retry', code: 'protocol' }
    case CLOSE_UNAUTHORIZED:
    case 1008:
      return { policy: 'reauthorize', code: 'unauthorized' }
    case CLOSE_FORBIDDEN:
      return { policy: 'stop', code: 'forbidden' }
    case 1002:
    case 1003:
    case 1007:
      return { policy: 'stop', code: 'protocol' }
    case 1009:
      return { policy: 'retry', code: 'frame-too-large' }
    case CLOSE_NO_HELLO:
      return { policy: 'retry', code: 'timeout' }
    case CLOSE_REPLACED:
      return { policy: 'replace', code: 'replaced' }
    case CLOSE_TOO_MANY:
      return { policy: 'retry', code: 'rate-limited' }
    case CLOSE_UNAVAILABLE:
      return { policy: 'retry', code: 'server-unavailable' }
    case CLOSE_SERVER_ERROR:
    case 1011:
    case 1013:
      return { policy: 'retry-slower', code: 'server-error' }
    default:
      return { policy: 'retry', code: 'connection-lost' }
  }
}

/** The wait that a close reason asks for (`code; retry=<ms>`), 0 where it names none. Never more than an hour. */
export function retryAfterMs(reason: string): number {
  const wish = /;\s*retry=(\d{1,7})\b/.exec(reason)
  return wish ? Math.min(Number(wish[1]), 3_600_000) : 0
}

/** `code[; retry=<ms>]` within the 123 bytes that a close frame can carry. */
export function closeReason(code: string, waitMs?: number): string {
  return waitMs === undefined ? code : `${code}; retry=${Math.ceil(waitMs)}`
}
