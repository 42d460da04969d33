// What the application does about messages that are stored: `onStored`, in order, at least once.
//
// Rules of this file:
// - Messages are read from the store when their turn comes, a few at a time. So it does not matter how far behind a channel is.
// - How far a channel has come is a cursor in the store, set before the first message that it has to cover is stored. What was
//   stored and not confirmed when a process ended is told to the next one.
// - A failure is reported and tried again after a growing wait. It holds up its channel, and neither others nor publishing.

import type { Position } from 'steadywire/protocol'
import { messageOf } from './content.ts'
import type { Cancel, ServerEnvironment } from './environment.ts'
import { askHook, type Hooks, isRefusal } from './hooks.ts'
import type { LogExtent, PageAnswer, Store, StoredEvent } from './store/store.ts'

/** How far `onStored` has come in a channel, and what it is doing there. */
interface Follower {
  readonly channel: string
  /** Everything up to here is confirmed; undefined until the store has told. */
  position: Position | undefined
  /** What follows that and has been read already. */
  ahead: readonly StoredEvent[]
  /** Who wants to store something, which has to wait for that. */
  waiting: ((isReady: boolean) => void)[]
  isRunning: boolean
  hasNews: boolean
  failureCount: number
  wasUsed: boolean
}

const CURSOR = 'onStored'
/** Messages of a channel that are read at a time, and characters of their data. */
const AHEAD_COUNT = 16
const AHEAD_LENGTH = 65_536
const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000

export class Effects {
  readonly #environment: ServerEnvironment
  readonly #store: Store
  readonly #onStored: Hooks['onStored']
  readonly #followers = new Map<string, Follower>()
  readonly #timers = new Set<Cancel>()
  #isEnded = false

  constructor(environment: ServerEnvironment, store: Store, onStored: Hooks['onStored']) {
    this.#environment = environment
    this.#store = store
    this.#onStored = onStored
  }

  /** Goes on where the process before has stopped. */
  start(failureCount = 0): void {
    if (!this.#onStored) return
    this.#store.behind(CURSOR, (channels) => {
      if (channels === 'unavailable') return this.#later(failureCount, () => this.start(failureCount + 1))
      for (const channel of channels) this.prepare(channel, () => {})
    })
  }

  /** Calls `done` when something may be stored in the channel, or when that is not to be had. */
  prepare(channel: string, done: (isReady: boolean) => void): void {
    if (!this.#onStored) return done(true)
    const known = this.#followers.get(channel)
    if (known?.position) {
      known.wasUsed = true
      return done(true)
    }
    if (known) return void known.waiting.push(done)
    const follower: Follower = {
      channel,
      position: undefined,
      ahead: [],
      waiting: [done],
      isRunning: false,
      hasNews: false,
      failureCount: 0,
      wasUsed: true,
    }
    this.#followers.set(channel, follower)
    this.#findPosition(channel, (position) => {
      const { waiting } = follower
      follower.position = position
      follower.waiting = []
      if (position) this.#run(follower)
      else this.#followers.delete(channel)
      for (const waiter of waiting) waiter(position !== undefined)
    })
  }

  /** Something was stored in the channel. */
  stored(channel: string): void {
    const follower = this.#followers.get(channel)
    if (follower) this.#run(follower)
    else this.prepare(channel, () => {})
  }

  /** Forgets channels in which nothing was stored since the last call, and nothing is left to tell. */
  sweep(): void {
    for (const [channel, follower] of this.#followers) {
      if (!follower.isRunning && !follower.wasUsed && follower.position) this.#followers.delete(channel)
      follower.wasUsed = false
    }
  }

  /** Nobody is told anything more. */
  end(): void {
    this.#isEnded = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  /** Where the cursor stands. One that was never set is set to the top, before anything is stored beyond it. */
  #findPosition(channel: string, done: (position: Position | undefined) => void): void {
    this.#store.mark({ name: CURSOR, channel }, (known) => {
      if (known) return done(known === 'unavailable' ? undefined : known)
      this.#store.tops([channel], (extents) => {
        const extent = extents === 'unavailable' ? undefined : extents[0]
        if (!extent) return done(undefined)
        const position = { epoch: extent.epoch, offset: extent.top }
        this.#store.mark({ name: CURSOR, channel, position }, (set) =>
          done(set === 'unavailable' ? undefined : position),
        )
      })
    })
  }

  #run(follower: Follower): void {
    follower.hasNews = true
    if (follower.isRunning) return
    follower.isRunning = true
    this.#goOn(follower)
  }

  #goOn(follower: Follower): void {
    // Never within the call of whoever stored it.
    this.#environment.soon(() => this.#read(follower))
  }

  #read(follower: Follower): void {
    const { channel, position, ahead } = follower
    if (this.#isEnded || !position) return
    const [next] = ahead
    if (next) return this.#tell(follower, position.epoch, next)
    follower.hasNews = false
    this.#store.page({ channel, position, count: AHEAD_COUNT, dataLength: AHEAD_LENGTH }, (page) => {
      if (this.#isEnded) return
      if (page === 'unavailable') return this.#retry(follower)
      follower.ahead = page.events
      if (page.events.length > 0) return this.#read(follower)
      if (page.judgement !== 'live') return this.#skip(follower, page)
      follower.isRunning = follower.hasNews
      if (follower.hasNews) this.#goOn(follower)
    })
  }

  #tell(follower: Follower, epoch: string, event: StoredEvent): void {
    const { channel } = follower
    const position = { epoch, offset: event.offset }
    const query = { channel, message: messageOf(event), position, user: event.sender?.user }
    askHook<unknown>(
      this.#environment,
      // No deadline: another call must not begin while this one may still be at work.
      Infinity,
      (done) => this.#onStored?.(query, done),
      (answer) => {
        if (!('error' in answer)) return this.#confirm(follower, position)
        if (isRefusal(answer.error)) this.#environment.reportError(answer.error)
        this.#retry(follower)
      },
    )
  }

  #confirm(follower: Follower, position: Position): void {
    follower.failureCount = 0
    follower.position = position
    follower.ahead = follower.ahead.slice(1)
    // If this is lost the message is told again.
    this.#store.mark({ name: CURSOR, channel: follower.channel, position }, () => {})
    if (follower.ahead.length > 0) this.#read(follower)
    else this.#goOn(follower)
  }

  /** What should come next is no longer there. */
  #skip(follower: Follower, { extent, judgement }: PageAnswer): void {
    const problem = `onStored was not called for every message of ${follower.channel}: ${judgement}`
    this.#environment.reportError(new Error(problem))
    this.#confirm(follower, restartOf(extent, judgement))
  }

  #retry(follower: Follower): void {
    this.#later(follower.failureCount++, () => this.#read(follower))
  }

  #later(failureCount: number, run: () => void): void {
    const delayMs = Math.min(MIN_RETRY_MS * 2 ** failureCount, MAX_RETRY_MS)
    const cancel = this.#environment.startTimer(delayMs, () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
  }
}

function restartOf({ epoch, first, top }: LogExtent, judgement: PageAnswer['judgement']): Position {
  return { epoch, offset: judgement === 'offset-ahead' ? top : first - 1 }
}
