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
 * - `reauthorize`: reconnect, once; again only after a session that proved stable, else stop.
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

/** Codes that are more than a lost connection. */
const POLICIES: Readonly<Record<number, ClosePolicy>> = {
  1002: 'stop',
  1003: 'stop',
  1007: 'stop',
  1008: 'reauthorize',
  1011: 'retry-slower',
  1013: 'retry-slower',
  [CLOSE_UNAUTHORIZED]: 'reauthorize',
  [CLOSE_FORBIDDEN]: 'stop',
  [CLOSE_REPLACED]: 'replace',
  [CLOSE_SERVER_ERROR]: 'retry-slower',
}

/** What a policy tells of the cause, also where the application has chosen it. */
const CAUSES: { readonly [P in ClosePolicy]: ErrorCode } = {
  retry: 'connection-lost',
  'retry-slower': 'server-error',
  reauthorize: 'unauthorized',
  replace: 'replaced',
  stop: 'forbidden',
}

/** Whether it is a policy at all: an application may be written without types. */
export function isClosePolicy(policy: string): policy is ClosePolicy {
  return Object.hasOwn(CAUSES, policy)
}

/** Codes that tell more than their policy does. */
const OWN_CAUSES: Readonly<Record<number, ErrorCode>> = {
  1002: 'protocol',
  1003: 'protocol',
  1007: 'protocol',
  1009: 'frame-too-large',
  [CLOSE_BAD_FRAME]: 'protocol',
  [CLOSE_NO_HELLO]: 'timeout',
  [CLOSE_TOO_MANY]: 'rate-limited',
  [CLOSE_UNAVAILABLE]: 'server-unavailable',
}

/** The meaning of `closeCode`, with the application's overrides applied. */
export function closeMeaning(closeCode: number, overrides: Readonly<Record<number, ClosePolicy>> = {}): CloseMeaning {
  const policy = overrides[closeCode] ?? POLICIES[closeCode] ?? 'retry'
  return { policy, code: OWN_CAUSES[closeCode] ?? CAUSES[policy] }
}

/** The wait that a close reason asks for (`code; retry=<ms>`), 0 where it names none. Never more than an hour. */
export function retryAfterMs(reason: string): number {
  const wish = /;\s*retry=(\d{1,7})\b/.exec(reason)
  return Math.min(Number(wish?.[1] ?? 0), 3_600_000)
}

/** `code[; retry=<ms>]`. A close frame carries 123 bytes: codes are short words. */
export function closeReason(code: string, waitMs?: number): string {
  return waitMs === undefined ? code : `${code}; retry=${Math.ceil(waitMs)}`
}
