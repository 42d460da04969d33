// All chance of a world, from one seed.
//
// Rules of this file:
// - Split per use: adding a draw in one place does not change what the others draw.
// - Good enough for faults and jitter; never for anything secret.

export interface Random {
  /** [0, 1) */
  next(): number
  /** Whole, from `min` to `max`, both included. */
  between(min: number, max: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
  /** A generator of its own for the use named. */
  split(use: string): Random
}

export function createRandom(seed: number): Random {
  // Mulberry32: 32 bits of state, passes what a simulation asks of it.
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (from) => from[between(0, from.length - 1)] as (typeof from)[number],
    split(use) {
      let hash = seed ^ 0x9e3779b9
      for (let i = 0; i < use.length; i++) hash = Math.imul(hash ^ use.charCodeAt(i), 0x01000193)
      return createRandom(hash)
    },
  }
}
