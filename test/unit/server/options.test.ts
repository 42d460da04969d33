// The numbers of the server: defaults, and what cannot be meant.

import { createServer } from '@steadywire/server'
import { expect, test } from 'vitest'
import { settingsOf } from '../../../server/src/options.ts'

test('nothing said is the defaults', () => {
  expect(settingsOf({}, false)).toEqual({
    heartbeatMs: 25_000,
    helloTimeoutMs: 5_000,
    hookTimeoutMs: 5_000,
    idleTimeoutMs: 1_800_000,
    limits: {
      connections: 10_000,
      connectionsPerUser: 20,
      channelsPerConnection: 1_000,
      publishesPerSecond: 1_000,
      publishBurst: 2_000,
      volatilePerSecond: 120,
      window: 64,
      windowBytes: 262_144,
      pageCount: 256,
      ringCount: 256,
      snapshotBytes: 1_048_576,
      maxMessageBytes: 1_048_576,
      maxBufferedBytes: 1_048_576,
    },
  })
})

test('an undefined option is one that was not said', () => {
  expect(settingsOf({ heartbeatMs: undefined, limits: { connections: undefined } }, false)).toEqual(
    settingsOf({}, false),
  )
})

test('a limit of connections per user that was said holds for anonymous users too', () => {
  expect(settingsOf({ limits: { connectionsPerUser: 3 } }, true).limits.connectionsPerUser).toBe(3)
  expect(settingsOf({}, true).limits.connectionsPerUser).toBe(Infinity)
})

test.each([
  [{ heartbeatMs: 99 }, 'heartbeatMs must be a number of at least 100, not 99'],
  [{ heartbeatMs: NaN }, 'heartbeatMs'],
  [{ helloTimeoutMs: 0 }, 'helloTimeoutMs'],
  [{ idleTimeoutMs: -1 }, 'idleTimeoutMs'],
  [{ limits: { connections: 0 } }, 'limits.connections'],
  [{ limits: { maxMessageBytes: 10 } }, 'limits.maxMessageBytes'],
  [{ limits: { window: 0 } }, 'limits.window must be a number of at least 1, not 0'],
  [{ limits: { pageCount: 1.5 } }, 'limits.pageCount must be a whole number'],
  [{ limits: { publishBurst: '5' as unknown as number } }, 'limits.publishBurst'],
])('%j is refused by name', (options, message) => {
  expect(() => createServer(options)).toThrow(message)
})

test('an origin that is none is refused by name', () => {
  expect(() => createServer({ origins: ['app.example'] })).toThrow('"app.example" is not an origin')
})
