// A simulated page: the platform that one client runs on, and what can happen to it.
//
// Rules of this file:
// - A page is one thread. While it is frozen, asleep or busy nothing of it runs, its application included.
// - Everything that the client asked for and has not got or given back is counted: a closed client leaves nothing.

import type { Cancel, Environment, Hint } from '../env/environment.ts'
import type { Clock } from './clock.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'
import { Thread } from './thread.ts'

/** Where every wall clock begins: Unix milliseconds. */
export const WALL_BEGAN_MS = 1_750_000_000_000
const FRAME_MS = 16
const HIDDEN_FRAME_MS = 250
/** No timer is sooner, or one could be armed again and again without time passing. */
const MIN_TIMER_MS = 0.01

/** A simulated page: its environment, and what a test may do to it. */
export interface Page {
  readonly environment: Environment
  /** Says to the client what a browser might. */
  hint(hint: Hint): void
  /** Runs what the application does, once the page can run. */
  run(act: () => void): void
  /** Whether it can run now: it is neither frozen nor busy. */
  readonly canRun: boolean
  /** From inside a handler: it takes this long. */
  spend(ms: number): void
  /** Nothing runs until {@link thaw} has been called as often, and then all at once. */
  freeze(): void
  thaw(): void
  /** The machine sleeps for `ms`, unless it does already. The monotonic clock stops meanwhile on some platforms. */
  sleep(ms: number, monotonic: 'runs' | 'stops'): void
  /** Sets the wall clock forward, or back. */
  jumpWallClock(ms: number): void
  /** Timers are late by up to this, in milliseconds. */
  maxLateMs: number
  /** Timers fire only at multiples of this, in milliseconds, as in hidden pages. */
  timerGrainMs: number
  /** Whether the page is drawn less often. */
  isHidden: boolean
  /** What was reported instead of thrown. */
  readonly errors: unknown[]
  /** Timers, tasks and listeners that the client has open. */
  readonly openCount: number
}

export function createPage(name: string, clock: Clock, network: Network, chance: Random, createId: () => string): Page {
  const thread = new Thread(clock)
  const listeners = new Set<(hint: Hint) => void>()
  const dialler = { name, aheadMs: () => thread.now() - clock.now() }
  let openCount = 0
  let wallAheadMs = 0
  let monotonicBehindMs = 0
  let isAsleep = false

  function later(delayMs: number, run: () => void): Cancel {
    let isOpen = true
    const end = (): boolean => {
      const wasOpen = isOpen
      if (isOpen) openCount--
      isOpen = false
      return wasOpen
    }
    openCount++
    const cancel = thread.schedule(delayMs, () => end() && run())
    return () => {
      if (end()) cancel()
    }
  }

  function timerDelayMs(delayMs: number): number {
    const lateMs = Math.max(delayMs, MIN_TIMER_MS) + chance.between(0, page.maxLateMs)
    const { timerGrainMs } = page
    if (timerGrainMs === 0) return lateMs
    return Math.ceil((thread.now() + lateMs) / timerGrainMs) * timerGrainMs - thread.now()
  }

  const page = {
    maxLateMs: 0,
    timerGrainMs: 0,
    isHidden: false,
    errors: [] as unknown[],
    get canRun() {
      return thread.isFree
    },
    get openCount() {
      return openCount + listeners.size
    },
    hint(hint) {
      thread.enter(() => {
        for (const listener of [...listeners]) listener(hint)
      })
    },
    run: (act) => thread.enter(act),
    spend: (ms) => thread.spend(ms),
    freeze: () => thread.freeze(),
    thaw: () => thread.thaw(),
    sleep(ms, monotonic) {
      if (isAsleep) return
      isAsleep = true
      thread.freeze()
      clock.schedule(ms, () => {
        isAsleep = false
        if (monotonic === 'stops') monotonicBehindMs += ms
        thread.thaw()
      })
    },
    jumpWallClock(ms) {
      wallAheadMs += ms
    },
    environment: {
      monotonicNow: () => thread.now() - monotonicBehindMs,
      wallNow: () => WALL_BEGAN_MS + thread.now() + wallAheadMs,
      soon: (run) => void later(0, run),
      defer: (run) => void later(0, run),
      frame: (run) => later(page.isHidden ? HIDDEN_FRAME_MS : FRAME_MS, run),
      startTimer: (delayMs, wake) => later(timerDelayMs(delayMs), wake),
      random: () => chance.next(),
      createId,
      openSocket: (_request, handlers) =>
        network.openSocket(
          {
            opened: () => thread.enter(() => handlers.opened()),
            received: (data) => thread.enter(() => handlers.received(data)),
            ended: (closeCode, reason) => thread.enter(() => handlers.ended(closeCode, reason)),
          },
          dialler,
        ),
      onHint(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      reportError: (error) => page.errors.push(error),
    },
  } satisfies Page as Page
  return page
}
