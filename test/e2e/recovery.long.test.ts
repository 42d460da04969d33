// Cut and dead connections with default options, in real time: the figures that the README states.
//
// Rules of this file:
// - A network that is dead says nothing: what is measured is how long the client takes to say so.

import { createClient } from 'steadywire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser } from '../support/browsers.ts'
import { openChat } from '../support/chat-page.ts'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { figures, measureCuts, percentile } from '../support/live-again.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const NOTICED_WITHIN_MS = 36_000

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

test('half of sixty sessions that had lived ten seconds are live again within 400 ms of a cut', async () => {
  const tookMs = await measureCuts(proxy, { clients: 20, rounds: 3, olderThanMs: 10_500 })
  console.log(`live again after RST, default options: ${figures(tookMs)}`)
  expect(percentile(tookMs, 0.5)).toBeLessThanOrEqual(400)
})

describe('a network that went dead without a word is noticed within 36 s, and left behind when it is back', () => {
  test('in Node', async () => {
    const client = createClient({ url: `ws://127.0.0.1:${proxy.port}/realtime` })
    const channel = client.channel('recovery')
    const release = channel.retain()
    await until(() => channel.state.getSnapshot().status === 'live')

    const tookMs = await noticed(() => client.state.getSnapshot().status !== 'connected')
    console.log(`dead network noticed in Node after ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThanOrEqual(NOTICED_WITHIN_MS)

    await proxy.pass()
    await until(() => channel.state.getSnapshot().status === 'live', 45_000)
    release()
    await client.close()
  })

  test.runIf(hasBrowser('chromium'))('in Chromium', async () => {
    const browser = await launchBrowser('chromium')
    const tab = await openChat(browser, server.port, proxy.port)
    await until(async () => (await tab.connection()).words === 'Connected')

    const tookMs = await noticed(async () => (await tab.connection()).state !== 'connected')
    console.log(`dead network noticed in Chromium after ${Math.round(tookMs)} ms`)
    expect(tookMs).toBeLessThanOrEqual(NOTICED_WITHIN_MS)

    await proxy.pass()
    await until(async () => (await tab.connection()).words === 'Connected', 45_000)
    await browser.close()
  })
})

// Makes the network dead and answers how long that takes to show.
async function noticed(isNoticed: () => boolean | Promise<boolean>): Promise<number> {
  const deadAtMs = performance.now()
  proxy.blackHole()
  await until(isNoticed, 60_000)
  return performance.now() - deadAtMs
}
