// What happens to networks: cut, silent, slow, late, refusing, and things in the middle that close sockets.

import type { Fault, Strike } from './fault.ts'

/**
 * Every close code with a meaning of its own, some without, and reasons that ask for a wait. Not 1009: a client takes it for the
 * server's word that it has not read the message.
 */
export const CLOSES: readonly (readonly [code: number, reason: string])[] = [
  [1000, ''],
  [1001, 'going away'],
  [1005, ''],
  [1006, ''],
  [1011, 'internal'],
  [1012, ''],
  [1013, ''],
  [3000, 'nobody knows'],
  [4400, 'malformed'],
  [4408, 'no-hello'],
  [4429, 'too-many; retry=3000'],
  [4500, 'internal; retry=500'],
  [4503, 'draining; retry=2000'],
  [4503, 'unavailable; retry=nonsense'],
]
/** Codes after which a client rests until the application says otherwise. */
const FINAL_CLOSES: readonly (readonly [code: number, reason: string])[] = [
  [1002, ''],
  [1003, ''],
  [1007, ''],
  [1008, 'policy'],
  [4401, 'expired'],
  [4403, 'forbidden'],
  [4409, 'replaced'],
]
const DIRECTIONS = ['up', 'down', 'both'] as const

function someLink({ world, random }: Strike) {
  const links = [...world.network.links]
  return links.length > 0 ? random.pick(links) : undefined
}

/** For a while. */
function until(strike: Strike, maxMs: number, end: () => void): void {
  strike.world.clock.schedule(strike.random.between(0, maxMs), end)
}

export const NETWORK: readonly Fault[] = [
  { name: 'cut', rates: [0, 0.02, 0.1], strike: ({ world }) => world.network.cut() },
  { name: 'cut one', rates: [0, 0.05], strike: (strike) => someLink(strike)?.cut() },
  {
    name: 'silence',
    rates: [0, 0.02],
    strike: ({ world, random }) => world.network.silence(random.pick(DIRECTIONS)),
  },
  {
    name: 'silence one',
    rates: [0, 0.05],
    strike: (strike) => someLink(strike)?.silence(strike.random.pick(DIRECTIONS)),
  },
  {
    name: 'release',
    rates: [0.02, 0.1],
    strike({ world, counts }) {
      for (const link of world.network.links)
        if (!link.isInUse && link.isAccepted && link.up.inFlight > 0) counts.add('late bytes of an abandoned socket')
      world.network.release()
    },
  },
  {
    name: 'refuse',
    rates: [0, 0.02],
    strike(strike) {
      const { network } = strike.world
      network.isRefusing = true
      until(strike, 20_000, () => {
        network.isRefusing = false
      })
    },
  },
  {
    name: 'close in the middle',
    rates: [0, 0.05],
    strike(strike) {
      const [code, reason] = strike.random.pick(CLOSES)
      someLink(strike)?.close(code, reason)
    },
  },
  {
    name: 'close for good in the middle',
    rates: [0, 0, 0.01],
    strike(strike) {
      const [code, reason] = strike.random.pick(FINAL_CLOSES)
      someLink(strike)?.close(code, reason)
      until(strike, 10_000, () => strike.client.feed({ type: 'retry' }))
    },
  },
  {
    name: 'slam',
    rates: [0, 0.01],
    strike(strike) {
      const { network } = strike.world
      const [code, reason] = strike.random.pick(CLOSES)
      network.slam = { code, reason }
      until(strike, 10_000, () => {
        network.slam = undefined
      })
    },
  },
  {
    name: 'delay',
    rates: [0, 0.02],
    strike(strike) {
      const { network } = strike.world
      const { maxDelayMs } = network.faults
      network.faults = { ...network.faults, maxDelayMs: strike.random.pick([500, 5_000, 30_000]) }
      until(strike, 10_000, () => {
        network.faults = { ...network.faults, maxDelayMs }
      })
    },
  },
  {
    name: 'narrow',
    rates: [0, 0.02],
    strike(strike) {
      const { network } = strike.world
      const { upBytesPerMs, downBytesPerMs } = network.faults
      const { random } = strike
      network.faults = {
        ...network.faults,
        upBytesPerMs: random.pick([0.1, 1, 20]),
        downBytesPerMs: random.pick([0.1, 1, 20]),
      }
      until(strike, 20_000, () => {
        network.faults = { ...network.faults, upBytesPerMs, downBytesPerMs }
      })
    },
  },
]
