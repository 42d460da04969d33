// A node's line to its store, and what can go wrong on it.
//
// Rules of this file:
// - Between a call and its answer lie two moments: when it happens, and when the node hears of it. Time passes before
//   each, and either can be lost: then the answer is `unavailable`.
// - The port's promises hold: one answer or, when the process has died, none; answers about a channel's appends in the order
//   of their offsets.
// - A call that was under way when its process died happens, or does not.

import type { Done, Store } from '../../server/src/store/store.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** How the store answers. Times are one way, in milliseconds; chances are per call. */
export interface StoreFaults {
  minDelayMs: number
  maxDelayMs: number
  /** It does not happen, and the node is told that nobody knows. */
  lostCallChance: number
  /** It happens, and the node is told that nobody knows. */
  lostAnswerChance: number
  /** Nothing is heard of it until {@link StoreLine.release}. */
  silentChance: number
}

export const SOUND_STORE: StoreFaults = {
  minDelayMs: 0,
  maxDelayMs: 0,
  lostCallChance: 0,
  lostAnswerChance: 0,
  silentChance: 0,
}

/** What happened on all lines of a world, for the reader of a run to count. */
export interface StoreTally {
  /** Appends that were stored and whose answer never came, because the process died or the answer was lost. */
  storedUnheard: number
  /** Calls that never happened. */
  lostCalls: number
  /** Answers that were kept back. */
  silentAnswers: number
}

/** The parts of a world that a line needs. */
export interface StoreLineParts {
  readonly clock: Clock
  readonly random: Random
  readonly faults: StoreFaults
  readonly tally: StoreTally
  /** Runs an answer as the node hears it. */
  readonly hear: (answer: () => void) => void
}

interface Answer {
  run: (() => void) | undefined
}

export class StoreLine {
  /** What the node is given for its store. */
  readonly port: Store
  readonly #parts: StoreLineParts
  #isDead = false
  readonly #silent: (() => void)[] = []
  /** Answers about appends, by channel, in the order in which they happened. */
  readonly #appends = new Map<string, Answer[]>()

  constructor(store: Store, parts: StoreLineParts) {
    this.#parts = parts
    this.port = {
      attach: (query, done) => this.#ask(done, (answer) => store.attach(query, answer)),
      append: (query, done) => this.#ask(done, (answer) => store.append(query, answer), query.channel),
      page: (query, done) => this.#ask(done, (answer) => store.page(query, answer)),
      tops: (channels, done) => this.#ask(done, (answer) => store.tops(channels, answer)),
      mark: (query, done) => this.#ask(done, (answer) => store.mark(query, answer)),
      behind: (name, done) => this.#ask(done, (answer) => store.behind(name, answer)),
      detach: (query) => this.#after(() => store.detach(query)),
      trim: (nowMs) => store.trim(nowMs),
    }
  }

  /** Whatever was kept back is heard now. */
  release(): void {
    for (const answer of this.#silent.splice(0)) answer()
  }

  /** The process is gone: it hears nothing any more. */
  die(): void {
    this.#isDead = true
    this.#silent.length = 0
  }

  #ask<T>(done: Done<T>, ask: (answer: Done<T>) => void, appendsTo?: string): void {
    const { faults, random, tally } = this.#parts
    if (this.#isDead) return
    if (random.chance(faults.lostCallChance)) {
      tally.lostCalls++
      return this.#after(() => this.#hear(() => done('unavailable')))
    }
    this.#after(() =>
      ask((answer) => {
        const isLost = random.chance(faults.lostAnswerChance)
        if (appendsTo !== undefined && (isLost || this.#isDead)) tally.storedUnheard++
        if (this.#isDead) return
        const hear = () => this.#hear(() => done(isLost ? 'unavailable' : answer))
        const inTurn = appendsTo === undefined ? hear : this.#inTurn(appendsTo, hear)
        if (!random.chance(faults.silentChance)) return this.#after(inTurn, appendsTo !== undefined)
        tally.silentAnswers++
        this.#silent.push(inTurn)
      }),
    )
  }

  /** Runs `what` after the time that one way takes; at once where it takes none. */
  #after(what: () => void, isStored = false): void {
    const { clock, random, faults, tally } = this.#parts
    if (faults.maxDelayMs === 0) return what()
    clock.schedule(random.between(faults.minDelayMs, faults.maxDelayMs), () => {
      if (!this.#isDead) return what()
      // Its answer, if it has one, finds nobody.
      if (isStored) tally.storedUnheard++
      else if (random.chance(0.5)) what()
      else tally.lostCalls++
    })
  }

  /** Answers about one channel's appends wait for those before them. */
  #inTurn(channel: string, hear: () => void): () => void {
    const waiting = this.#appends.get(channel) ?? []
    this.#appends.set(channel, waiting)
    const own: Answer = { run: undefined }
    waiting.push(own)
    return () => {
      own.run = hear
      for (let first = waiting[0]; first?.run; first = waiting[0]) {
        waiting.shift()
        first.run()
      }
    }
  }

  #hear(answer: () => void): void {
    this.#parts.hear(() => {
      if (!this.#isDead) answer()
    })
  }
}
