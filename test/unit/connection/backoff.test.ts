// The wait before the next try: attempts × chance, within every bound.

import { describe, expect, test } from 'vitest'
import { backoffDelayMs, type BackoffSettings } from '../../../src/connection/backoff.ts'
import { DEFAULTS } from '../../../src/options.ts'

const { minDelayMs, baseDelayMs, maxDelayMs, factor } = DEFAULTS.backoff
const settings = { minDelayMs, baseDelayMs, maxDelayMs, factor }
const ATTEMPTS = [0, 1, 2, 3, 5, 6, 7, 10, 50, 1_023, 1_024, 2_000]
const ALMOST_ONE = 1 - 2 ** -53
const CHANCES = [0, 0.5, ALMOST_ONE]
const HOUR_MS = 3_600_000

describe.each(ATTEMPTS)('attempt %i', (attempt) => {
  test.each(CHANCES)('waits within its bound at chance %d', (random) => {
    const delayMs = backoffDelayMs(settings, attempt, HOUR_MS, 0, random)
    const boundMs = Math.min(maxDelayMs, baseDelayMs * factor ** attempt)
    expect(delayMs).toBeCloseTo(random * boundMs, 6)
  })

  test.each([
    ['in the first 15 s of an outage', 0, 4_000],
    ['in the first 15 s of an outage', 14_999, 4_000],
    ['in its first minute', 15_000, 10_000],
    ['in its first minute', 59_999, 10_000],
    ['after a minute', 60_000, 30_000],
    ['after an hour', HOUR_MS, 30_000],
  ])('waits no longer %s (%i ms) than %i ms', (_, outageMs, capMs) => {
    expect(backoffDelayMs(settings, attempt, outageMs, 0, ALMOST_ONE)).toBeLessThanOrEqual(capMs)
  })

  test.each<[string, Partial<BackoffSettings>]>([
    ['a factor of 1', { factor: 1 }],
    ['a base of 0', { baseDelayMs: 0 }],
    ['no longest wait', { maxDelayMs: Infinity }],
    ['a longest wait of 0', { maxDelayMs: 0 }],
    ['a huge factor', { factor: 1e300 }],
  ])('is a finite number of milliseconds with %s', (_, change) => {
    const outages = change.maxDelayMs === Infinity ? [0, 30_000] : [0, 30_000, HOUR_MS]
    for (const random of CHANCES)
      for (const outageMs of outages) {
        const delayMs = backoffDelayMs({ ...settings, ...change }, attempt, outageMs, 0, random)
        expect(Number.isFinite(delayMs) && delayMs >= 0).toBe(true)
      }
  })
})

test('the bound grows by the factor from the base', () => {
  const bounds = [0, 1, 2, 3].map((attempt) => backoffDelayMs(settings, attempt, HOUR_MS, 0, 0.5) * 2)
  expect(bounds).toEqual([500, 1_000, 2_000, 4_000])
})

test('the bound reaches the cap of each part of an outage', () => {
  const bounds = [0, 15_000, 60_000].map((outageMs) => backoffDelayMs(settings, 2_000, outageMs, 0, 0.5) * 2)
  expect(bounds).toEqual([4_000, 10_000, 30_000])
})

test('a longest wait below the cap of an outage holds from the start', () => {
  expect(backoffDelayMs({ ...settings, maxDelayMs: 1_000 }, 20, 0, 0, 0.5)).toBe(500)
})

test('a factor of 1 keeps the bound at the base', () => {
  expect(backoffDelayMs({ ...settings, factor: 1 }, 2_000, HOUR_MS, 0, 0.5)).toBe(250)
})

test('a base of 0 leaves the shortest wait alone, also where the growth overflows', () => {
  expect(backoffDelayMs({ ...settings, baseDelayMs: 0, minDelayMs: 70 }, 2_000, HOUR_MS, 0, ALMOST_ONE)).toBe(70)
})

test('the jitter comes on top of the shortest wait', () => {
  expect(backoffDelayMs({ ...settings, minDelayMs: 100 }, 0, 0, 0, 0.5)).toBe(350)
})

test('the jitter comes on top of a floor, which is the larger of the two', () => {
  const floors = [50, 100, 1_000].map((floorMs) => backoffDelayMs({ ...settings, minDelayMs: 100 }, 0, 0, floorMs, 0.5))
  expect(floors).toEqual([350, 350, 1_250])
})

test('a floor above the cap is kept', () => {
  expect(backoffDelayMs(settings, 2_000, 0, 60_000, 0)).toBe(60_000)
})
