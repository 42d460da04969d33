// What one seed's run is made of: options of clients and server, the network's and the store's temper, hooks, behaviour.
//
// Rules of this file:
// - Drawn per seed: some runs have none of a kind, some have little else. The corners are drawn as often as the middle.

import { type Hooks, reject } from '@steadywire/server'
import type { Faults, Random, StoreFaults, WorldOptions } from 'steadywire/testing'
import { RealtimeError } from '../../src/errors.ts'
import { parseOptions, type Settings } from '../../src/options.ts'
import type { Behaviour } from './sim-client.ts'

export const CHANNELS = ['alpha', 'beta', 'constructor']

/** How the store behaves by itself. */
export type StoreTemper = StoreFaults

export interface Plan {
  readonly clientCount: number
  readonly settings: Settings
  readonly world: WorldOptions
  readonly store: StoreTemper
  readonly behaviour: Behaviour
  /** Timers of pages are late by up to this. */
  readonly maxLateMs: number
  /** How long a message takes, at most, when nothing is wrong. */
  readonly maxDelayMs: number
  /** Whether the pages are of several users. */
  readonly hasUsers: boolean
  /** Ends what the application and the server's hooks do badly. */
  heal(): void
}

/** Whoever is asked a question here answers at once, later, or never. */
type Later = (delayMs: number, run: () => void) => void

/** Draws a run. `later` runs something on the virtual clock of the world to come. */
export function drawPlan(swarm: Random, later: Later): Plan {
  let isHealed = false
  const isBad = (chance: number): boolean => !isHealed && swarm.chance(chance)
  const hasUsers = swarm.chance(0.3)
  const settings = parseOptions({
    heartbeat: { intervalMs: swarm.pick([1_000, 5_000, 25_000]), timeoutMs: swarm.pick([2_000, 10_000]) },
    backoff: {
      baseDelayMs: swarm.pick([50, 500]),
      maxDelayMs: swarm.pick([2_000, 30_000]),
      stableAfterMs: swarm.pick([1_000, 10_000]),
    },
    outbox: {
      ...swarm.pick([
        { maxMessages: 50, maxBytes: 20_000 },
        { maxMessages: 2, maxBytes: 4_000 },
        { maxMessages: 1_000, maxBytes: 1_000_000 },
      ]),
      overflow: swarm.pick(['reject', 'drop-oldest', 'drop-lowest-priority'] as const),
    },
    publish: {
      timeoutMs: swarm.pick([5_000, 60_000, Infinity]),
      onUnknown: swarm.pick(['reject', 'reject', 'reject', 'resend'] as const),
    },
    inbox: {
      maxHeld: swarm.pick([1_024, 3, 0]),
      maxHeldBytes: swarm.pick([262_144, 1_000, 1]),
      gapTimeoutMs: swarm.pick([2_000, 20]),
    },
    dispatch: { sliceMs: swarm.pick([8, 0]) },
    channels: { lingerMs: swarm.pick([1_000, 0, 10_000]) },
  })
  const maxDelayMs = swarm.pick([5, 50, 1_000])
  const faults: Partial<Faults> = {
    minDelayMs: 1,
    maxDelayMs,
    refuseChance: swarm.pick([0, 0, 0.3]),
    maxDialMs: swarm.pick([0, 100, 15_000]),
    lateChance: swarm.pick([0, 0.5]),
    upBytesPerMs: swarm.pick([Infinity, Infinity, 5]),
    downBytesPerMs: swarm.pick([Infinity, Infinity, 5]),
    kernelBytes: swarm.pick([0, 16_384]),
  }
  const hooks = swarm.chance(0.3) ? drawHooks(swarm.split('hooks'), later, isBad) : {}
  const world: WorldOptions = {
    faults,
    hooks,
    server: {
      heartbeatMs: swarm.pick([2_000, 25_000]),
      limits: {
        window: swarm.pick([64, 64, 8, 1]),
        windowBytes: swarm.pick([262_144, 4_000, 1]),
        pageCount: swarm.pick([256, 256, 7, 1]),
        ringCount: swarm.pick([256, 256, 3, 1]),
        publishesPerSecond: swarm.pick([1_000, 1_000, 5]),
        publishBurst: swarm.pick([2_000, 1]),
        maxBufferedBytes: swarm.pick([1_048_576, 1_048_576, 2_000]),
      },
    },
    store: {
      historyLimit: swarm.pick([10_000, 10_000, 20]),
      producerTtlMs: swarm.pick([86_400_000, 0]),
      producerLimit: swarm.pick([10_000, 1]),
    },
    ...(hasUsers && { authenticate: drawAuthenticate(swarm.split('users'), later, isBad) }),
    // A hook that fails is what is simulated; anything else is a failure of the server.
    reportServerError(error) {
      if (!(error instanceof Error) || !/^(no answer in|simulated)/.test(error.message)) throw error
    },
  }
  const store: StoreTemper = {
    minDelayMs: 0,
    maxDelayMs: swarm.pick([0, 0, 3, 200]),
    lostCallChance: 0,
    lostAnswerChance: 0,
    silentChance: 0,
  }
  return {
    clientCount: swarm.between(1, 4),
    settings,
    world,
    store,
    behaviour: drawBehaviour(swarm, later, isBad),
    maxLateMs: swarm.pick([0, 0, 1_000]),
    maxDelayMs,
    hasUsers,
    heal() {
      isHealed = true
    },
  }
}

function drawHooks(random: Random, later: Later, isBad: (chance: number) => boolean): Hooks {
  const badness = random.pick([0.02, 0.2])
  const slowMs = random.pick([0, 50, 10_000])
  const answer = (run: () => void): void => {
    if (isBad(badness)) return random.chance(0.5) ? undefined : later(random.between(0, slowMs), run)
    if (slowMs > 0 && !isBad(0)) return later(random.between(0, Math.min(slowMs, 100)), run)
    run()
  }
  return {
    authorize: (_query, done) =>
      answer(() => {
        if (isBad(badness)) done({ error: random.chance(0.5) ? new Error('simulated') : reject('forbidden', 'no') })
        else done({ answer: !isBad(badness) })
      }),
    onPublish: (_query, done) =>
      answer(() => {
        if (isBad(badness)) done({ error: random.chance(0.5) ? new Error('simulated') : reject('invalid', 'no') })
        else done({ answer: random.chance(0.3) ? { changed: true } : undefined })
      }),
  }
}

/** Two tabs of one user, and others. */
function drawAuthenticate(
  random: Random,
  later: Later,
  isBad: (chance: number) => boolean,
): NonNullable<WorldOptions['authenticate']> {
  const badness = random.pick([0, 0.05])
  return (page, _token, done) => {
    const userId = page === 'c0' || page === 'c1' ? 'ann' : page
    if (isBad(badness)) return random.chance(0.5) ? undefined : done({ error: new Error('simulated') })
    later(random.pick([0, 20]), () => done({ answer: { userId } }))
  }
}

function drawBehaviour(swarm: Random, later: Later, isBad: (chance: number) => boolean): Behaviour {
  const random = swarm.split('behaviour')
  const throws = swarm.pick([0, 0, 0.1])
  const spends = swarm.pick([0, 0, 0.05])
  const callsBack = swarm.pick([0, 0, 0.05])
  const takesTime = swarm.pick([0, 0.2])
  const stalls = swarm.pick([0, 0, 0.1])
  return {
    ...(throws + spends + callsBack > 0 && {
      handle(client, channel) {
        if (isBad(spends)) client.page.spend(random.pick([1, 20, 400]))
        if (isBad(callsBack)) client.publish(random.pick(CHANNELS), { back: true })
        if (isBad(callsBack / 4)) client.unsubscribe(channel)
        if (isBad(throws)) throw new Error('simulated')
      },
    }),
    startAnew(done) {
      if (!isBad(takesTime)) return false
      later(random.pick([0, 100, 8_000]), done)
      return true
    },
    ...(stalls > 0 && {
      authorize(answer) {
        if (isBad(stalls / 2)) return
        if (isBad(stalls)) return later(random.between(0, 12_000), answer)
        if (isBad(stalls / 2)) return answer(new RealtimeError('connection-refused'))
        answer()
      },
    }),
  }
}
