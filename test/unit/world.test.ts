// The virtual world as a test of an application uses it.

import { createWorld } from 'steadywire/testing'
import { expect, test } from 'vitest'

test.each([Number.NaN, Infinity, -1, 'x' as unknown as number])('time cannot be advanced by %s', (ms) => {
  const world = createWorld()
  expect(() => world.advance(ms)).toThrow(/^Not a time to advance by/)
  world.advance(20)
  expect(world.clock.now()).toBe(20)
})
