// Everything that can go wrong, in one table.
//
// Rules of this file:
// - A code names a condition, not a place. It never changes meaning; new conditions get new codes.
// - `message` says what happened, `remedy` the first thing to do about it. Neither ever holds a token, an id or a payload.
// - Misuse throws synchronously; a failed operation rejects its own promise; background trouble is an `error` event.

/**
 * How a publish ended that was not acknowledged.
 *
 * `rejected`: it is in no log and never will be. `unknown`: the server has it once or not at all; it is not sent again.
 */
export type Outcome = 'rejected' | 'unknown'

/** Whether the same call can succeed: `now`, `later` (after a wait, or once something has changed), or `never`. */
export type Retry = 'now' | 'later' | 'never'

interface ErrorText {
  readonly message: string
  readonly remedy: string
  readonly retry: Retry
}

// One row per code: what happened, what to do, whether trying again can help.
const ERRORS = {
  aborted: row('The operation was aborted by its signal.', 'Nothing to do if you aborted it.', 'now'),
  closed: row('The client is closed.', 'Create a new client; a closed one stays closed.', 'never'),
  config: row('An option or argument is not usable.', 'Correct the value that the message names.', 'never'),
  'connection-lost': row('The connection to the server was lost.', 'Wait: the client reconnects by itself.', 'later'),
  'connection-refused': row(
    'The server could not be reached.',
    'Check the address, the network and the page’s Content-Security-Policy; the client keeps trying.',
    'later',
  ),
  disconnected: row('The application disconnected the client.', 'Call connect().', 'later'),
  forbidden: row(
    'The server refused this for the present user.',
    'Ask for access; trying again will not help.',
    'never',
  ),
  'frame-too-large': row(
    'The message is larger than the limit.',
    'Send less, or raise maxFrameBytes and the server’s limit.',
    'never',
  ),
  'gave-up': row('The client has tried maxAttempts times and stopped.', 'Call retryNow() to try again.', 'later'),
  internal: row('Something that cannot happen has happened.', 'Please report it with the message.', 'later'),
  invalid: row('The data is not acceptable.', 'Correct the data; sending the same again will not help.', 'never'),
  'outbox-full': row(
    'The outbox holds as much as it may.',
    'Publish less, or raise outbox.maxMessages or outbox.maxBytes.',
    'later',
  ),
  protocol: row(
    'The two sides do not understand each other.',
    'Check that page and server run matching versions.',
    'never',
  ),
  'rate-limited': row(
    'The server asks for fewer requests or connections.',
    'Slow down; the client waits as the server asked.',
    'later',
  ),
  replaced: row(
    'A newer connection of the same session took over.',
    'Call retryNow() to go on here as a new session.',
    'later',
  ),
  'server-error': row('The server reported trouble of its own.', 'Wait: the client tries again, slowly.', 'later'),
  'server-unavailable': row(
    'The server is not accepting work at the moment.',
    'Wait: the client tries again as the server asked.',
    'later',
  ),
  'stale-base': row(
    'The channel has moved past the position this publish was based on.',
    'Look at the newer messages and decide again.',
    'never',
  ),
  superseded: row(
    'A later publish was stored first, so this one no longer can be.',
    'Publish it again if it is still wanted.',
    'now',
  ),
  timeout: row('There was no answer in time.', 'Try again, or allow more time.', 'later'),
  'too-many': row('The server’s limit for this is reached.', 'Use fewer channels or connections.', 'later'),
  unauthorized: row('The server did not accept the credentials.', 'Sign in again, then call retryNow().', 'later'),
  unsupported: row('The server cannot do this.', 'Use a server or dialect that lists the feature.', 'never'),
} as const satisfies Record<string, ErrorText>

function row(message: string, remedy: string, retry: Retry): ErrorText {
  return { message, remedy, retry }
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
  readonly closeCode?: number
}

/** Extra facts for a {@link RealtimeError}; whatever is left out comes from the table of codes. */
export interface ErrorDetail {
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
  override readonly name = 'RealtimeError'
  /** What to do about it, in one sentence. */
  readonly remedy: string
  /** Whether the same call can succeed now, later or never. */
  readonly retry: Retry
  /** Set on errors of a publish: whether the message is certainly not stored, or may be. */
  readonly outcome?: Outcome
  /** The server's wish, in milliseconds, where it named one. */
  readonly retryAfterMs?: number

  constructor(
    /** Names the condition. */
    readonly code: ErrorCode,
    detail: ErrorDetail = {},
  ) {
    const text = ERRORS[code]
    super(detail.message ?? text.message, 'cause' in detail ? { cause: detail.cause } : undefined)
    this.remedy = text.remedy
    this.retry = text.retry
    if (detail.outcome) this.outcome = detail.outcome
    if (detail.retryAfterMs !== undefined) this.retryAfterMs = detail.retryAfterMs
  }
}

/**
 * Thrown by an application's `getToken` to say that there is no valid sign-in.
 *
 * The client stops in `failed` with the cause `unauthorized`; anything else that `getToken` throws is retried with backoff.
 */
export class UnauthorizedError extends Error {
  override readonly name = 'UnauthorizedError'
}

/** Tells whether `value` is an error of this library, also one from another copy of it. */
export function isRealtimeError(value: unknown): value is RealtimeError {
  return value instanceof Error && value.name === 'RealtimeError' && 'code' in value
}

/** Tells whether `getToken` said that there is no valid sign-in, also with another copy's class. */
export function isUnauthorized(value: unknown): boolean {
  return value instanceof Error && value.name === 'UnauthorizedError'
}

/** The code as this library knows it, or `fallback` for a word that only the peer knows. */
export function knownErrorCode(code: string, fallback: ErrorCode): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : fallback
}

/** The table's words for `code`, as a cause that can be shown. */
export function causeOf(code: ErrorCode, closeCode?: number): Cause {
  const { message, remedy } = ERRORS[code]
  return closeCode === undefined ? { code, message, remedy } : { code, message, remedy, closeCode }
}
