// What the application on the server answers: at once, late, never, badly, and what it keeps of what it was told.
//
// Rules of this file:
// - Hooks are drawn per run and are as bad as they may be: an answer depends on nothing but chance.
// - States and snapshots say what they stand for, so that a checker can tell whether that is true.

import type { Hooks, SnapshotAnswer } from '@steadywire/server'
import type { Random, WorldOptions } from 'steadywire/testing'
// Not through the door: with that comes all that touches a platform.
import { reject } from '../../server/src/hooks.ts'
import type { Position } from '../../src/protocol/frames.ts'

/** A snapshot's data: it contains every message up to here. */
export interface Taken {
  readonly taken: Position
}
/** A folded state: so many messages, the last of them this one. */
export interface Folded {
  readonly folded: number
  readonly id: string
}

/** What hooks need of the run they are in. */
export interface HookParts {
  /** Runs something on the virtual clock. */
  later(delayMs: number, run: () => void): void
  /** Where a channel really is. */
  topOf(channel: string): Position | undefined
  /** The server's application was told of a stored message. */
  told(channel: string, position: Position, id: string): void
  count(name: string): void
  /** Draws whether something goes wrong; nothing does once the run heals. */
  isBad(chance: number): boolean
}

/** More than the server waits for a hook, in milliseconds. */
const TOO_LATE_MS = 10_000

export function drawHooks(random: Random, parts: HookParts): Hooks {
  const { later, topOf, told, count, isBad } = parts
  const badness = random.pick([0.02, 0.2])
  const slowMs = random.pick([0, 50])
  const failed = () => ({ error: new Error('simulated') })

  /** At once, later, too late, or never. */
  function answer(run: () => void): void {
    if (isBad(badness / 2)) return
    if (!isBad(badness / 2) && slowMs === 0) return run()
    count('hook answers late')
    later(random.between(0, isBad(badness) ? TOO_LATE_MS : slowMs), run)
  }

  const asks: Hooks = {
    authorize: (_query, done) =>
      answer(() => {
        if (isBad(badness)) done(random.chance(0.5) ? failed() : { error: reject('forbidden', 'no') })
        else done({ answer: !isBad(badness) })
      }),
    onPublish: (_query, done) =>
      answer(() => {
        if (isBad(badness)) done(random.chance(0.5) ? failed() : { error: reject('invalid', 'no') })
        else done({ answer: random.chance(0.3) ? { changed: true } : undefined })
      }),
  }
  const tells: Hooks = {
    onStored: ({ channel, position, message }, done) => {
      told(channel, position, message.id)
      answer(() => done(isBad(badness) ? failed() : { answer: undefined }))
    },
  }
  const isExact = random.chance(0.5)
  const snapshots: Hooks = {
    snapshot: ({ channel, top }, done) =>
      answer(() => {
        count('snapshot late')
        const taken = topOf(channel) ?? { epoch: top.epoch, offset: 0 }
        const data: Taken = { taken }
        const found: SnapshotAnswer = isExact ? { data, position: taken } : { data }
        if (isBad(badness)) done(random.chance(0.5) ? failed() : { answer: null })
        // It is on its way while the channel goes on.
        else later(random.pick([0, 30, 500]), () => done({ answer: found }))
      }),
  }
  const states: Hooks = {
    state: (channel) =>
      channel === 'alpha'
        ? {
            initial: { folded: 0, id: '' },
            reduce: (state, { id }): Folded => ({ folded: (state as Folded).folded + 1, id }),
          }
        : undefined,
  }
  return {
    ...(random.chance(0.5) && asks),
    ...(random.chance(0.5) && tells),
    ...(random.chance(0.5) && snapshots),
    ...(random.chance(0.3) && states),
  }
}

/** Two tabs of one user, and others. */
export function drawAuthenticate(
  random: Random,
  { later, isBad }: HookParts,
): NonNullable<WorldOptions['authenticate']> {
  const badness = random.pick([0, 0.05])
  return (page, _token, done) => {
    const userId = page === 'c0' || page === 'c1' ? 'ann' : page
    if (isBad(badness)) return random.chance(0.5) ? undefined : done({ error: new Error('simulated') })
    later(random.pick([0, 20]), () => done({ answer: { userId } }))
  }
}
