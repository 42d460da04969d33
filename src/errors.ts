// Everything that can go wrong, in one table.
//
// Rules of this file:
// - A code names a condition, not a place. It never changes meaning; new conditions get new codes.
// - `message` says what happened, `remedy` the first thing to do about it. Neither ever holds a token, an id or a payload.
// - Misuse throws synchronously; a failed operation rejects its own promise; background trouble is an `error` event.

/**
 * How a publish ended that was not acknowledged.
 *
 * `rejected`: it is in no log and never will be. `unknown`: the server has it once or not at all. It is not sent again, unless
 * `publish.onUnknown` is `resend`; then it may be there twice.
 */
export type Outcome = 'rejected' | 'unknown'

/** Whether the same call can succeed: `now`, `later` (after a wait, or once something has changed), or `never`. */
export type Retry = 'now' | 'later' | 'never'

type ErrorText = readonly [remedy: string, retry?: Retry]

// One row per code: what to do, and whether trying again can help, where that is not `later`. What happened is the code itself, read as words: every
// page carries this table, so nothing is in it twice.
const ERRORS = {
  aborted: ['Try again.', 'now'],
  closed: ['Create a new client.', 'never'],
  config: ['Correct it.', 'never'],
  'connection-lost': ['Wait.'],
  'connection-refused': ['Check address.'],
  'epoch-changed': ['Look for it.', 'never'],
  forbidden: ['Ask for access.', 'never'],
  'frame-too-large': ['Send less.', 'never'],
  'gave-up': ['Call retryNow().'],
  'logged-out': ['Sign in.', 'never'],
  internal: ['Report it.'],
  invalid: ['Correct it.', 'never'],
  'history-lost': ['Look again.', 'never'],
  'outbox-full': ['Send less.'],
  protocol: ['Update it.', 'never'],
  'rate-limited': ['Slow down.'],
  'record-lost': ['Look for it.', 'never'],
  replaced: ['Call retryNow().'],
  'server-error': ['Wait.'],
  'server-unavailable': ['Wait.'],
  'stale-base': ['Look again.', 'never'],
  superseded: ['Try again.', 'now'],
  timeout: ['Try again.'],
  'too-many': ['Use fewer.'],
  unsupported: ['Update it.', 'never'],
  unauthorized: ['Sign in, call retryNow().'],
} as const satisfies Record<string, ErrorText>

/** A code as words: `outbox-full` is "Outbox full". */
function words(code: string): string {
  return (code[0] as string).toUpperCase() + code.slice(1).replaceAll('-', ' ')
}

/** Names a condition; the same in every release. The table in `docs/errors.md` lists each with what to do. */
export type ErrorCode = keyof typeof ERRORS

/** What happened, in words a person can be shown, and what to do about it. */
export interface Cause {
  readonly code: ErrorCode
  /** What happened. Holds no token, id or payload. */
  readonly message: string
  /** The first thing to do about it. */
  readonly remedy: string
  /** The WebSocket close code, where one arrived. 1006 means that the browser knows nothing more. */
  readonly closeCode?: number | undefined
}

/** Extra facts for a {@link RealtimeError}; whatever is left out comes from the table of codes. */
export interface ErrorFields {
  readonly message?: string | undefined
  readonly outcome?: Outcome | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/**
 * The one error class of this library.
 *
 * Compare `code`, never `message`. Guard with {@link isRealtimeError}: `instanceof` fails when two copies of a package are loaded.
 */
export class RealtimeError extends Error {
  /** Names the condition. */
  declare readonly code: ErrorCode
  /** What to do about it, in one sentence. */
  declare readonly remedy: string
  /** Whether the same call can succeed now, later or never. */
  declare readonly retry: Retry
  /** Set on errors of a publish: whether the message is certainly not stored, or may be. */
  declare readonly outcome?: Outcome
  /** The server's wish, in milliseconds, where it named one. */
  declare readonly retryAfterMs?: number

  constructor(code: ErrorCode, { message = words(code), ...detail }: ErrorFields = {}) {
    super(message)
    const [remedy, retry = 'later']: ErrorText = ERRORS[code]
    // To send again what may be there already would double it.
    Object.assign(this, {
      name: 'RealtimeError',
      code,
      remedy: detail.outcome === 'unknown' ? 'Look for it.' : remedy,
      retry,
      ...detail,
    })
  }
}

/**
 * For `getToken` to throw where there is no token to be had: signed out, or refused for good. The client stops in `failed`, cause
 * `unauthorized`, and asks no more until `retryNow()`. Whatever else `getToken` throws is taken for a hiccup and tried again.
 */
export class UnauthorizedError extends RealtimeError {
  constructor(message?: string) {
    super('unauthorized', { message })
  }
}

/** Tells whether `value` is an error of this library, also one from another copy of it. */
export function isRealtimeError(value: unknown): value is RealtimeError {
  return value instanceof Error && value.name === 'RealtimeError'
}

/** The code as this library knows it, or `fallback` for a word that only the peer knows. */
export function knownErrorCode(code: string, fallback: ErrorCode): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : fallback
}

/** A cause that can be shown. */
export function causeOf(code: ErrorCode, closeCode?: number, message = words(code)): Cause {
  return { code, message, remedy: ERRORS[code][0], closeCode }
}
