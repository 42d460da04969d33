// The way into the log: what clients publish, and what the server itself does.
//
// Rules of this file:
// - What the store has taken is told to everyone it concerns before whoever published it hears of it.

import type { Channels } from './channels.ts'
import type { Effects } from './effects.ts'
import type { ServerEnvironment } from './environment.ts'
import type { AppendOutcome, Done, NewEvent, Store } from './store/store.ts'

/** What became of an event, in the epoch that the log is in. */
export interface Appended {
  readonly epoch: string
  readonly outcome: AppendOutcome
}

export class Log {
  readonly #environment: ServerEnvironment
  readonly #store: Store
  readonly #channels: Channels
  readonly #effects: Effects

  constructor(environment: ServerEnvironment, store: Store, channels: Channels, effects: Effects) {
    this.#environment = environment
    this.#store = store
    this.#channels = channels
    this.#effects = effects
  }

  append(channel: string, event: NewEvent, done: Done<Appended>): void {
    this.#effects.prepare(channel, (isReady) => {
      if (!isReady) return done('unavailable')
      this.#store.append({ channel, nowMs: this.#environment.wallNow(), events: [event] }, (answer) => {
        const outcome = answer === 'unavailable' ? undefined : answer.outcomes[0]
        if (answer === 'unavailable' || !outcome) return done('unavailable')
        if (outcome.type === 'stored') {
          this.#channels.stored(channel, answer.epoch, outcome.event)
          this.#effects.stored(channel)
        }
        done({ epoch: answer.epoch, outcome })
      })
    })
  }
}
