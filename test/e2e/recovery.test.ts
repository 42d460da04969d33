// How fast a session is back after its connection was cut: the built client in Node, over real sockets.
//
// Rules of this file:
// - Only what makes a session count as stable is shortened. The full form, with default options, is `recovery.long.test.ts`.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { figures, measureCuts, percentile } from '../support/live-again.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'

let server: ExamplesServer
let proxy: FaultProxy

beforeEach(async () => {
  server = await startExamples()
  proxy = await startProxy(server.port)
})

afterEach(async () => {
  proxy.close()
  await server.stop()
})

test('half of sixty cut sessions are live again within 400 ms', async () => {
  const tookMs = await measureCuts(proxy, {
    clients: 20,
    rounds: 3,
    olderThanMs: 200,
    options: { backoff: { stableAfterMs: 100 } },
  })
  console.log(`live again after RST, stableAfterMs 100: ${figures(tookMs)}`)
  expect(percentile(tookMs, 0.5)).toBeLessThanOrEqual(400)
})
