// What stands for a channel's past: its state, asked of the application or folded from the log.
//
// Rules of this file:
// - A snapshot contains everything up to its position, and the log goes on from there; any other is not used.
// - One question per channel is open at a time, however many wait for it. Its answer serves them and those who come
//   later, as long as one page leads from it to the top.
// - What fails, is late, too large or too deep is reported and left out: a reset without a snapshot is complete as well.

import { type Position, utf8Bytes } from 'steadywire/protocol'
import { dataTextOf, isFault } from './content.ts'
import type { ServerEnvironment } from './environment.ts'
import { Folds } from './folding.ts'
import { askHook, type Hooks, type SnapshotAnswer } from './hooks.ts'
import type { Settings } from './options.ts'
import { type Done, judge, type LogExtent, type Store } from './store/store.ts'

export interface Snapshot {
  readonly position: Position
  readonly dataText: string
  /** Where it was not known what the snapshot contains: messages after its position and up to here may be in it. */
  readonly overlapTo?: number
}

/** Where a reader can begin: how far the log reaches, and a snapshot if there is one. */
export interface Start {
  readonly extent: LogExtent
  readonly snapshot?: Snapshot
}

interface Kept {
  readonly snapshot: Snapshot
  wasUsed: boolean
}

/** Channels whose snapshot is being asked for at a time, at most. */
const MAX_OPEN = 1_000
/** How often the application is asked before its snapshot is taken although the channel did not stand still. */
const MAX_TRIES = 2
/** Characters of snapshots that are kept for the next who asks. */
const MAX_KEPT_LENGTH = 16_777_216

export class Snapshots {
  readonly #environment: ServerEnvironment
  readonly #store: Store
  readonly #hooks: Hooks
  readonly #settings: Settings
  readonly #folds: Folds
  readonly #waiting = new Map<string, Done<Start>[]>()
  // The oldest first.
  readonly #kept = new Map<string, Kept>()
  #keptLength = 0

  constructor(environment: ServerEnvironment, store: Store, hooks: Hooks, settings: Settings) {
    this.#environment = environment
    this.#store = store
    this.#hooks = hooks
    this.#settings = settings
    this.#folds = new Folds(environment, store)
  }

  /** Whether any channel can have one. */
  get areOffered(): boolean {
    return Boolean(this.#hooks.snapshot ?? this.#hooks.state)
  }

  ask(channel: string, done: Done<Start>): void {
    this.#read(channel, (extent) => {
      if (extent === 'unavailable' || !this.areOffered) return done(extent === 'unavailable' ? extent : { extent })
      const kept = this.#kept.get(channel)
      if (kept && isNear(kept.snapshot, extent, this.#settings.limits.pageCount)) {
        kept.wasUsed = true
        return done({ extent, snapshot: kept.snapshot })
      }
      const waiting = this.#waiting.get(channel)
      if (waiting) return void waiting.push(done)
      // Names cost a client nothing: whoever asks about ever new ones gets starts without a snapshot.
      if (this.#waiting.size >= MAX_OPEN) return done({ extent, ...this.#older(channel, extent) })
      this.#waiting.set(channel, [done])
      this.#make(channel, extent, MAX_TRIES, (start) => {
        const asked = this.#waiting.get(channel) ?? []
        this.#waiting.delete(channel)
        if (start !== 'unavailable') this.#keep(channel, start.snapshot)
        const [first, ...others] = asked
        first?.(start)
        if (others.length > 0) this.#again(channel, others)
      })
    })
  }

  /** Drops what nobody has used since the last call, and folded states that nobody has used for `idleMs`. */
  sweep(nowMs: number, idleMs: number): void {
    for (const [channel, kept] of this.#kept) {
      if (!kept.wasUsed) this.#keep(channel, undefined)
      kept.wasUsed = false
    }
    this.#folds.sweep(nowMs, idleMs)
  }

  #make(channel: string, before: LogExtent, triesLeft: number, done: Done<Start>): void {
    const top = { epoch: before.epoch, offset: before.top }
    this.#askFor(channel, top, (answer) => {
      // Read afterwards: what the application has seen meanwhile is in the log.
      this.#read(channel, (extent) => {
        if (extent === 'unavailable') return done(extent)
        if (answer === 'failed') return done({ extent, ...this.#older(channel, extent) })
        if (!answer) return done({ extent })
        const isStill = extent.epoch === top.epoch && extent.top === top.offset
        if (!answer.position && !isStill && triesLeft > 1) return this.#make(channel, extent, triesLeft - 1, done)
        const { epoch, offset } = answer.position ?? top
        const position = { epoch, offset }
        const dataText = this.#textOf(channel, answer.data)
        if (dataText === undefined || !this.#continues(channel, position, extent))
          return done({ extent, ...this.#older(channel, extent) })
        const overlapTo = answer.position || isStill ? undefined : extent.top
        done({ extent, snapshot: { position, dataText, ...(overlapTo !== undefined && { overlapTo }) } })
      })
    })
  }

  #askFor(channel: string, top: Position, done: (answer: SnapshotAnswer | null | undefined | 'failed') => void): void {
    const { snapshot, state } = this.#hooks
    askHook<SnapshotAnswer | null | undefined>(
      this.#environment,
      this.#settings.hookTimeoutMs,
      (answered) => {
        const definition = state?.(channel)
        if (definition) this.#folds.fold(channel, definition, top, (answer) => answered({ answer }))
        else if (snapshot) snapshot({ channel, top }, answered)
        else answered({ answer: undefined })
      },
      (answer) => done('error' in answer ? 'failed' : answer.answer),
    )
  }

  /** Answers those who came later: what they are told of the top must be younger than their question. */
  #again(channel: string, asked: readonly Done<Start>[]): void {
    this.#read(channel, (extent) => {
      const start = extent === 'unavailable' ? extent : { extent, ...this.#older(channel, extent) }
      for (const answer of asked) answer(start)
    })
  }

  /** The snapshot before, which is as true as ever, if the log still goes on from it. */
  #older(channel: string, extent: LogExtent): Pick<Start, 'snapshot'> {
    const kept = this.#kept.get(channel)
    return kept && isNear(kept.snapshot, extent, Infinity) ? { snapshot: kept.snapshot } : {}
  }

  #textOf(channel: string, data: unknown): string | undefined {
    const text = dataTextOf(data)
    const { snapshotBytes } = this.#settings.limits
    const problem = isFault(text)
      ? text.message
      : utf8Bytes(text) > snapshotBytes && `A snapshot has ${snapshotBytes} bytes at most.`
    if (!problem) return text as string
    this.#environment.reportError(new Error(`The snapshot of ${channel} is not used. ${problem}`))
    return undefined
  }

  #continues(channel: string, position: Position, extent: LogExtent): boolean {
    const judgement = isCount(position.offset) ? judge(position, extent) : 'not an offset'
    if (judgement === 'live' || judgement === 'catching-up') return true
    const problem = `Its position leads nowhere in the log: ${judgement}.`
    this.#environment.reportError(new Error(`The snapshot of ${channel} is not used. ${problem}`))
    return false
  }

  #keep(channel: string, snapshot: Snapshot | undefined): void {
    this.#keptLength -= this.#kept.get(channel)?.snapshot.dataText.length ?? 0
    this.#kept.delete(channel)
    if (!snapshot) return
    this.#kept.set(channel, { snapshot, wasUsed: true })
    this.#keptLength += snapshot.dataText.length
    for (const oldest of this.#kept.keys()) {
      if (this.#keptLength <= MAX_KEPT_LENGTH) return
      this.#keep(oldest, undefined)
    }
  }

  #read(channel: string, done: Done<LogExtent>): void {
    this.#store.tops([channel], (extents) => done((extents !== 'unavailable' && extents[0]) || 'unavailable'))
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isNear({ position }: Snapshot, extent: LogExtent, count: number): boolean {
  const judgement = judge(position, extent)
  return judgement === 'live' || (judgement === 'catching-up' && extent.top - position.offset <= count)
}
