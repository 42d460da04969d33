// What one seed's run is made of: options of clients and server, the network's and the store's temper, hooks, behaviour.
//
// Rules of this file:
// - Drawn per seed: some runs have none of a kind, some have little else. The corners are drawn as often as the middle.

import type { Faults, Random, StoreFaults, WorldOptions } from 'steadywire/testing'
import { RealtimeError } from '../../src/errors.ts'
import { parseOptions, type Settings } from '../../src/options.ts'
import { drawAuthenticate, drawHooks, type HookParts } from './hooks.ts'
import type { Behaviour } from './sim-client.ts'

export const CHANNELS = ['alpha', 'beta', 'constructor']

/** How the store behaves by itself. */
export type StoreTemper = StoreFaults

/** A link slower than this, in milliseconds, is slow. */
const QUICK_MS = 50
const CLIENTS_MAX = 4

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
  /** What of this may explain an unknown outcome by itself. */
  readonly troubles: readonly string[]
  /** Ends what the application and the server's hooks do badly. */
  heal(): void
}

/** Draws a run. `outside` is the world to come. */
export function drawPlan(swarm: Random, outside: Omit<HookParts, 'isBad'>): Plan {
  let isHealed = false
  const chance = swarm.split('trouble')
  const parts: HookParts = { ...outside, isBad: (probability) => !isHealed && chance.chance(probability) }
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
  const producerLimit = swarm.pick([10_000, 1])
  const idleMs = swarm.pick([1_800_000, 0])
  const producerTtlMs = swarm.pick([86_400_000, 0])
  const publishesPerSecond = swarm.pick([1_000, 1_000, 5])
  const window = swarm.pick([64, 64, 8, 1])
  const isNarrow = faults.upBytesPerMs !== Infinity || faults.downBytesPerMs !== Infinity
  const isPaced = publishesPerSecond < 1_000 || window < 64
  const hooks = swarm.chance(0.4) ? drawHooks(swarm.split('hooks'), parts) : {}
  const world: WorldOptions = {
    faults,
    hooks,
    server: {
      heartbeatMs: swarm.pick([2_000, 25_000]),
      limits: {
        window,
        windowBytes: swarm.pick([262_144, 4_000, 1]),
        pageCount: swarm.pick([256, 256, 7, 1]),
        ringCount: swarm.pick([256, 256, 3, 1]),
        publishesPerSecond,
        publishBurst: swarm.pick([2_000, 1]),
        maxBufferedBytes: swarm.pick([1_048_576, 1_048_576, 2_000]),
      },
    },
    store: {
      historyLimit: swarm.pick([10_000, 10_000, 20]),
      producerTtlMs,
      idleMs,
      producerLimit,
    },
    ...(hasUsers && { authenticate: drawAuthenticate(swarm.split('users'), parts) }),
    // A hook that fails is what is simulated, and so is a log that is trimmed; anything else is a failure of the server.
    reportServerError(error) {
      if (!(error instanceof Error) || !/^no answer in|^simulated|history-evicted|epoch-changed/.test(error.message))
        throw error
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
    clientCount: swarm.between(1, CLIENTS_MAX),
    settings,
    world,
    store,
    behaviour: drawBehaviour(swarm, parts),
    maxLateMs: swarm.pick([0, 0, 1_000]),
    maxDelayMs,
    hasUsers,
    troubles: [
      ...(settings.publish.onUnknown === 'resend' ? ['published again'] : []),
      // A detached record may go at once, or make room for another one.
      ...(producerLimit < CLIENTS_MAX || producerTtlMs === 0 ? ['records go early'] : []),
      ...(idleMs === 0 ? ['logs go early'] : []),
      // Slow from the start: an answer can take longer than a publish waits.
      ...(maxDelayMs > QUICK_MS || isNarrow || isPaced ? ['trouble from the start'] : []),
    ],
    heal() {
      isHealed = true
    },
  }
}

function drawBehaviour(swarm: Random, { later, isBad, count }: HookParts): Behaviour {
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
        if (!isBad(throws)) return
        count('handler throws')
        throw new Error('simulated')
      },
    }),
    startAnew(done) {
      if (!isBad(takesTime)) return false
      later(random.pick([0, 100, 8_000]), done)
      return true
    },
    ...(stalls > 0 && {
      authorize(answer) {
        if (!isBad(stalls)) return answer()
        count('authorize goes wrong')
        if (random.chance(0.3)) return
        if (random.chance(0.5)) return later(random.between(0, 12_000), answer)
        answer(new RealtimeError('connection-refused'))
      },
    }),
  }
}
