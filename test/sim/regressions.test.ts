// Seeds that have found a bug once, each with a sentence about it.

import { test } from 'vitest'
import { runSeed } from './run.ts'

test.each([
  [57, 'a server that is started twice is one server'],
  [833, 'a channel that nobody reads any longer and somebody reads again begins anew'],
  [40, 'the last message of a lingering channel belongs to nobody'],
])('seed %i: %s', (seed) => {
  runSeed(seed)
})
