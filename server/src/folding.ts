// States that the server folds from the log by itself: exact at every offset, without the application's storage.
//
// Rules of this file:
// - A state begins at the first message of a log and takes in every message after it, in order, or there is none.
// - Folding happens when somebody asks, from where it stopped, one page at a time so that others get their turn.
// - States are in memory. One that was forgotten is folded again from the beginning, if the log still has it.

import type { Position } from 'steadywire/protocol'
import { messageOf } from './content.ts'
import type { ServerEnvironment } from './environment.ts'
import type { SnapshotAnswer, StateDefinition } from './hooks.ts'
import type { Store, StoredEvent } from './store/store.ts'

interface Fold {
  readonly position: Position
  readonly state: unknown
  readonly usedAtMs: number
}

const FOLD_COUNT = 256
const FOLD_LENGTH = 262_144

export class Folds {
  readonly #environment: ServerEnvironment
  readonly #store: Store
  readonly #folds = new Map<string, Fold>()

  constructor(environment: ServerEnvironment, store: Store) {
    this.#environment = environment
    this.#store = store
  }

  /** Answers the channel's state at its newest message, or nothing. */
  fold(
    channel: string,
    definition: StateDefinition,
    { epoch }: Position,
    done: (answer?: SnapshotAnswer) => void,
  ): void {
    const known = this.#folds.get(channel)
    const { position, state } =
      known?.position.epoch === epoch ? known : { position: { epoch, offset: 0 }, state: definition.initial }
    const query = { channel, position, count: FOLD_COUNT, dataLength: FOLD_LENGTH }
    this.#store.page(query, (page) => {
      if (page === 'unavailable') return done()
      if (page.judgement !== 'live' && page.judgement !== 'catching-up') {
        this.#folds.delete(channel)
        this.#report(channel, `the log does not go on from offset ${position.offset}: ${page.judgement}`)
        return done()
      }
      const folded = this.#reduce(channel, definition, state, page.events)
      if (!folded) return done()
      const reached = { epoch, offset: position.offset + page.events.length }
      this.#folds.set(channel, { position: reached, state: folded.state, usedAtMs: this.#environment.monotonicNow() })
      if (page.judgement === 'live') return done({ data: folded.state, position: reached })
      this.#environment.soon(() => this.fold(channel, definition, reached, done))
    })
  }

  sweep(nowMs: number, idleMs: number): void {
    for (const [channel, { usedAtMs }] of this.#folds) if (nowMs - usedAtMs >= idleMs) this.#folds.delete(channel)
  }

  #reduce(
    channel: string,
    { reduce }: StateDefinition,
    before: unknown,
    events: readonly StoredEvent[],
  ): { readonly state: unknown } | undefined {
    let state = before
    for (const event of events) {
      try {
        state = reduce(state, messageOf(event))
      } catch (error) {
        this.#report(channel, `its reducer threw at offset ${event.offset}`, error)
        return undefined
      }
    }
    return { state }
  }

  #report(channel: string, problem: string, cause?: unknown): void {
    this.#environment.reportError(new Error(`The state of ${channel} cannot be folded: ${problem}.`, { cause }))
  }
}
