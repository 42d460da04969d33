// How long to wait before the next try.
//
// Rules of this file:
// - Full jitter: the wait is a random share of the bound, so that clients that fell together do not rise together.
// - The bound follows the outage: 4 s in its first 15 s, 10 s until 60 s. After an outage of up to 10 s nobody waits more
//   than 4 s from the server's return; with a flat cap of 30 s every second client would wait longer.
// - `attempt` counts the tries since the last stable session, from 0.

/** The shortest wait after a close code that tells of trouble in the server, in milliseconds. */
export const SLOW_DELAY_MS = 1_000
/** A hint that cuts a wait leaves a random part of this, in milliseconds: a hint reaches many clients at once. */
export const HINT_JITTER_MS = 500

export interface BackoffSettings {
  readonly minDelayMs: number
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly factor: number
}

/** The wait in milliseconds: `max(minDelayMs, floorMs) + random × min(cap, baseDelayMs × factorⁿ)`. */
export function backoffDelayMs(
  { minDelayMs, baseDelayMs, maxDelayMs, factor }: BackoffSettings,
  attempt: number,
  outageMs: number,
  floorMs: number,
  random: number,
): number {
  const cap = outageMs < 15_000 ? 4_000 : outageMs < 60_000 ? 10_000 : Infinity
  // factorⁿ overflows to Infinity, which `min` takes; 0 × Infinity would be NaN, so a base of 0 stays out of it.
  const grown = baseDelayMs && baseDelayMs * factor ** attempt
  return Math.max(minDelayMs, floorMs) + random * Math.min(cap, maxDelayMs, grown)
}
