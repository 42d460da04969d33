// The application's own code, as the server asks it.
//
// Rules of this file:
// - Inside the cores a hook is `(query, done)`: one that answers at once lets a whole run stay synchronous. What an
//   application writes (a value, a promise, a throw) becomes that once, in `hookOf`.
// - A hook has one answer, and a deadline for it. What comes later is dropped.
// - A hook that throws or is late harms only the frame it was asked for.

import type { Grant, Position } from 'steadywire/protocol'
import type { StoredMessage } from './content.ts'
import type { ServerEnvironment } from './environment.ts'

/** Who is connected, as `authenticate` answered. Whatever else it holds is handed back to the other hooks. */
export interface User {
  /** Names the person or service in `sender.user`, where others see it: 1 to 256 bytes of UTF-8. */
  readonly userId: string
  /** Unix milliseconds after which the connection is closed with 4401. Absent: never. */
  readonly expiresAtMs?: number | undefined
  readonly [claim: string]: unknown
}

/** May this user do this to this channel? */
export interface AuthorizeQuery {
  readonly user: User
  readonly channel: string
  /** `presence`: to be seen by those who read the channel. `history`: to read old messages without being attached. */
  readonly action: Grant | 'presence' | 'history'
}

/** Somebody asks the application something. */
export interface RequestQuery {
  readonly user: User
  readonly name: string
  /** What the client sent: nobody has checked it. */
  readonly params: unknown
}

/** A message that somebody wants stored. */
export interface PublishQuery {
  readonly user: User
  readonly channel: string
  readonly name: string
  readonly data: unknown
}

/** A message that is stored. */
export interface StoredQuery {
  readonly channel: string
  readonly message: StoredMessage
  /** Where it is stored: to be kept with whatever is done about it, so that a repetition can be told. */
  readonly position: Position
  /** The `userId` of who published it; `undefined` if the server itself did. */
  readonly user: string | undefined
}

/** Somebody needs to begin with a channel's state. */
export interface SnapshotQuery {
  readonly channel: string
  /** The channel's newest position when this was asked. */
  readonly top: Position
}
/** A channel's state. */
export interface SnapshotAnswer {
  /** Any JSON value. */
  readonly data: unknown
  /**
   * What the state stands for: it contains every message up to here and none after. Stored beside the data, it makes the
   * snapshot exact. Absent: the server looks whether the channel has moved meanwhile; if it goes on moving, clients are
   * told which messages the snapshot may contain already.
   */
  readonly position?: Position | undefined
}

/** How the server folds a channel's messages into its state. */
export interface StateDefinition<State = unknown> {
  /** The state before the first message: a JSON value. */
  readonly initial: State
  /** The state after one more message: a JSON value. Must be pure: it must not change the state it is given. */
  reduce(state: State, message: StoredMessage): State
}

/** A hook's answer, or what it threw. */
export type HookAnswer<Answer> = { readonly answer: Answer } | { readonly error: unknown }
export type Hook<Query, Answer> = (query: Query, done: (answer: HookAnswer<Answer>) => void) => void

/** What a broker asks of the application. Absent: everything is allowed, and data stays as it came. */
export interface Hooks {
  readonly authorize?: Hook<AuthorizeQuery, boolean>
  /** Answers the data to store; `undefined` leaves it as it came. */
  readonly onPublish?: Hook<PublishQuery, unknown>
  /** Who answers requests of that name; `undefined`: nobody. */
  readonly requests?: (name: string) => Hook<RequestQuery, unknown> | undefined
  /** Told of every message that is stored. What it answers is ignored. */
  readonly onStored?: Hook<StoredQuery, unknown>
  /** Answers a channel's state; `null` or `undefined`: it has none. */
  readonly snapshot?: Hook<SnapshotQuery, SnapshotAnswer | null | undefined>
  /** How a channel's state is folded here; `undefined`: it is not, and `snapshot` is asked. */
  readonly state?: (channel: string) => StateDefinition | undefined
}

/** A refusal that the other side is told of. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(
    /** `forbidden`, `invalid` or another word of the application's own, up to 64 bytes. */
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Tells whether a hook threw a refusal, also one that another copy of this package made. */
export function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && error.name === 'Refusal' && 'code' in error
}

/**
 * A refusal for a hook to throw: `throw reject('invalid', 'A title has at most 80 characters.')`.
 *
 * From `onPublish` the publisher's promise rejects with the message and, if the client knows it, the code (else `invalid`),
 * and nothing is stored. From
 * `authenticate`, `forbidden` closes the connection for good (4403) and any other code asks for a new token (4401).
 *
 * @param code - `forbidden`, `invalid` or a word of your own, up to 64 bytes.
 * @param message - For a person to read, up to 1,000 characters; it must not hold secrets.
 */
export function reject(code: string, message: string): Refusal {
  return new Refusal(code, message.slice(0, 1_000))
}

/** Turns an application's function into a hook. A promise is awaited here and nowhere further in. */
export function hookOf<Query, Answer>(ask: (query: Query) => Answer | PromiseLike<Answer>): Hook<Query, Answer> {
  return (query, done) => {
    const answer = ask(query)
    if (isPromise(answer))
      answer.then(
        (value) => done({ answer: value }),
        (error: unknown) => done({ error }),
      )
    else done({ answer })
  }
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** What a hook's deadline answers with. */
export class HookTimeout extends Error {
  override readonly name = 'HookTimeout'
}

/**
 * Calls `run` and answers exactly once: with what it answers, with what it throws, or after `timeoutMs` with a
 * {@link HookTimeout}. `Infinity` waits as long as it takes.
 */
export function askHook<Answer>(
  environment: ServerEnvironment,
  timeoutMs: number,
  run: (done: (answer: HookAnswer<Answer>) => void) => void,
  done: (answer: HookAnswer<Answer>) => void,
): void {
  let isAnswered = false
  let cancelTimer = () => {}
  const once = (answer: HookAnswer<Answer>) => {
    if (isAnswered) return
    isAnswered = true
    cancelTimer()
    if ('error' in answer && !isRefusal(answer.error)) environment.reportError(answer.error)
    done(answer)
  }
  try {
    run(once)
  } catch (error) {
    once({ error })
  }
  if (!isAnswered && timeoutMs < Infinity)
    cancelTimer = environment.startTimer(timeoutMs, () =>
      once({ error: new HookTimeout(`no answer in ${timeoutMs} ms`) }),
    )
}
