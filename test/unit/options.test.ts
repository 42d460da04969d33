// Options: filled in, checked, and refused by name.

import { describe, expect, test } from 'vitest'
import { DEFAULTS, parseOptions } from '../../src/options.ts'

type Given = Parameters<typeof parseOptions>[0]

describe('what is left out', () => {
  test.each<[string, Given]>([
    ['everything', {}],
    ['groups that are empty', { backoff: {}, heartbeat: {}, connect: {}, publish: {}, outbox: {}, channels: {} }],
    ['options that are undefined', { backoff: undefined, maxFrameBytes: undefined } as unknown as Given],
    ['options of a group that are undefined', { backoff: { factor: undefined } } as unknown as Given],
  ])('is filled in: %s', (_, given) => {
    expect(parseOptions(given)).toEqual(DEFAULTS)
  })

  test('is filled in around what is given', () => {
    expect(parseOptions({ backoff: { baseDelayMs: 20 } }).backoff).toEqual({ ...DEFAULTS.backoff, baseDelayMs: 20 })
  })

  test('leaves the defaults as they were', () => {
    const before = structuredClone(DEFAULTS)
    parseOptions({ backoff: { baseDelayMs: 1 }, maxFrameBytes: 70_000, closeCodes: { 4001: 'stop' } })
    expect(DEFAULTS).toEqual(before)
  })
})

describe('what is given', () => {
  test.each<[string, Given]>([
    ['the smallest', { backoff: { factor: 1, maxAttempts: 1 }, heartbeat: { intervalMs: 100, timeoutMs: 1 } }],
    [
      'zeros where they mean something',
      { backoff: { minDelayMs: 0, baseDelayMs: 0, maxDelayMs: 0, stableAfterMs: 0 } },
    ],
    ['no limits', { publish: { timeoutMs: Infinity }, outbox: { maxMessages: Infinity, maxBytes: Infinity } }],
    ['no heartbeat', { heartbeat: { intervalMs: Infinity } }],
    ['a flag that is false', { connect: { auto: false } }],
    ['no lingering', { channels: { lingerMs: 0 } }],
    ['close codes', { closeCodes: { 4001: 'reauthorize' } }],
  ])('is taken as it is: %s', (_, given) => {
    expect(parseOptions(given)).toMatchObject(given)
  })

  test.each<[string, unknown]>([
    ['closeCodes', { closeCodes: { 4001: 'foo' } }],
    ['closeCodes', { closeCodes: { 4001: 'constructor' } }],
    ['backoff.minDelayMs', { backoff: { minDelayMs: -1 } }],
    ['backoff.baseDelayMs', { backoff: { baseDelayMs: NaN } }],
    ['backoff.maxDelayMs', { backoff: { maxDelayMs: '30s' } }],
    ['backoff.factor', { backoff: { factor: 0.5 } }],
    ['backoff.maxAttempts', { backoff: { maxAttempts: 0 } }],
    ['backoff', { backoff: 5 }],
    ['heartbeat.intervalMs', { heartbeat: { intervalMs: 99 } }],
    ['heartbeat.timeoutMs', { heartbeat: { timeoutMs: 0 } }],
    ['connect.timeoutMs', { connect: { timeoutMs: -Infinity } }],
    ['connect.auto', { connect: { auto: 'yes' } }],
    ['publish.timeoutMs', { publish: { timeoutMs: 0 } }],
    ['outbox.maxMessages', { outbox: { maxMessages: 0 } }],
    ['outbox.maxBytes', { outbox: { maxBytes: true } }],
    ['channels.lingerMs', { channels: { lingerMs: -1 } }],
    ['maxFrameBytes', { maxFrameBytes: 65_535 }],
  ])('is refused by name: %s', (name, given) => {
    expect(() => parseOptions(given as Given)).toThrow(
      expect.objectContaining({ code: 'config', message: expect.stringContaining(`${name} `) as unknown }),
    )
  })
})
