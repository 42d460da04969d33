// Who a connection acts for: asked once, renewed while it is open, and over when the token expires.
//
// Rules of this file:
// - Identity comes from `authenticate` alone. Nobody becomes somebody else on the way.
// - One question at a time; of the tokens that come meanwhile only the newest is looked at.
// - What cannot be decided about the next token leaves the one before as it was.

import {
  CLOSE_BAD_FRAME,
  CLOSE_FORBIDDEN,
  CLOSE_SERVER_ERROR,
  CLOSE_UNAUTHORIZED,
  CLOSE_UNAVAILABLE,
  closeReason,
  MAX_CHANNEL_BYTES,
  type ServerFrame,
} from 'steadywire/protocol'
import { isStorableName } from './content.ts'
import type { Context } from './context.ts'
import { tokenDueInMs, tokenFault } from './greeting.ts'
import { askHook, type HookAnswer, isRefusal, type User } from './hooks.ts'

/** Asks the application who this is. */
export type Authenticate = (token: string | undefined, done: (answer: HookAnswer<User | null>) => void) => void

/** What an identity needs of its connection. */
export interface IdentityLine {
  readonly isOver: boolean
  say(frame: ServerFrame): void
  close(code: number, reason: string): void
  /** The token has been renewed. */
  renewed(): void
}

/** A token is not asked for more often than this, in milliseconds. */
const MIN_TOKEN_PAUSE_MS = 1_000
const ANONYMOUS: User = { userId: 'anonymous' }

export class Identity {
  readonly #context: Context
  readonly #authenticate: Authenticate | undefined
  readonly #line: IdentityLine
  #user: User = ANONYMOUS
  #expiresAtMs = Infinity
  /** When the next token is asked for. */
  #tokenDueAtMs = Infinity
  /** A token that has come while another one is looked at. */
  #nextToken: string | undefined
  #isRenewing = false

  constructor(context: Context, authenticate: Authenticate | undefined, line: IdentityLine) {
    this.#context = context
    this.#authenticate = authenticate
    this.#line = line
  }

  get user(): User {
    return this.#user
  }

  get isAsked(): boolean {
    return this.#authenticate !== undefined
  }

  /** When {@link sweep} has something to do next. */
  get dueAtMs(): number {
    return Math.min(this.#tokenDueAtMs, this.#expiresAtMs)
  }

  get expiresInMs(): number {
    return this.#expiresAtMs - this.#context.environment.monotonicNow()
  }

  /** Calls `entered` once it is known who this is; where that is nobody, the connection is closed. */
  ask(token: string | undefined, entered: () => void): void {
    if (!this.#authenticate) return entered()
    this.#question(this.#authenticate, token, (answer) => {
      const user = this.#line.isOver ? undefined : this.#judged(answer)
      if (!user) return
      this.#user = user
      entered()
    })
  }

  renew(token: string): void {
    const fault = tokenFault(token)
    if (fault) return this.#line.close(CLOSE_BAD_FRAME, closeReason(fault))
    // Whoever asks nobody who they are has nothing to renew.
    if (!this.#authenticate) return
    if (this.#isRenewing) {
      this.#nextToken = token
      return
    }
    this.#isRenewing = true
    this.#question(this.#authenticate, token, (answer) => this.#renewed(answer))
  }

  /** Closes the connection of a token that is over, and asks for the next one before that: again while none comes. */
  sweep(nowMs: number): void {
    if (nowMs >= this.#expiresAtMs) return this.#line.close(CLOSE_UNAUTHORIZED, closeReason('expired'))
    if (nowMs < this.#tokenDueAtMs) return
    const withinMs = this.#expiresAtMs - nowMs
    this.#tokenDueAtMs = withinMs > MIN_TOKEN_PAUSE_MS ? nowMs + Math.max(withinMs / 2, MIN_TOKEN_PAUSE_MS) : Infinity
    this.#line.say({ type: 'authreq', withinMs })
  }

  #question(
    authenticate: Authenticate,
    token: string | undefined,
    done: (answer: HookAnswer<User | null>) => void,
  ): void {
    const { environment, settings } = this.#context
    askHook<User | null>(environment, settings.hookTimeoutMs, (answered) => authenticate(token, answered), done)
  }

  #renewed(answer: HookAnswer<User | null>): void {
    if (this.#line.isOver) return
    this.#isRenewing = false
    // A failure is no refusal: what was shown before holds until it expires, and is asked for again.
    if (!('error' in answer) || isRefusal(answer.error)) {
      const user = this.#judged(answer)
      if (!user) return
      if (user.userId !== this.#user.userId) return this.#line.close(CLOSE_FORBIDDEN, closeReason('other-user'))
      this.#user = user
      this.#line.renewed()
    }
    const next = this.#nextToken
    this.#nextToken = undefined
    if (next !== undefined) this.renew(next)
  }

  /** Who that is, whose time has begun; if nobody, the connection is closed. */
  #judged(answer: HookAnswer<User | null>): User | undefined {
    const { environment } = this.#context
    const refuse = (code: number, word: string): undefined => {
      this.#line.close(code, closeReason(word))
      return undefined
    }
    if ('error' in answer) {
      if (!isRefusal(answer.error)) return refuse(CLOSE_UNAVAILABLE, 'authentication')
      if (answer.error.code === 'forbidden') return refuse(CLOSE_FORBIDDEN, 'forbidden')
      return refuse(CLOSE_UNAUTHORIZED, 'unauthorized')
    }
    const user = answer.answer
    if (!user) return refuse(CLOSE_UNAUTHORIZED, 'unauthorized')
    const { userId, expiresAtMs } = user
    if (typeof userId !== 'string' || !isStorableName(userId)) {
      environment.reportError(new Error(`authenticate answered a userId that is not 1 to ${MAX_CHANNEL_BYTES} bytes`))
      return refuse(CLOSE_SERVER_ERROR, 'authentication')
    }
    const expiresInMs = expiresAtMs === undefined ? Infinity : expiresAtMs - environment.wallNow()
    // Written so that NaN is expired.
    if (!(expiresInMs > 0)) return refuse(CLOSE_UNAUTHORIZED, 'expired')
    const nowMs = environment.monotonicNow()
    this.#expiresAtMs = nowMs + expiresInMs
    this.#tokenDueAtMs = nowMs + tokenDueInMs(expiresInMs)
    return user
  }
}
