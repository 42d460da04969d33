// A tab that is hidden, and perhaps frozen, while its connection dies without a word; then it is looked at again.
//
// Rules of this file:
// - Chromium really hides and freezes the page; the proxy really carries nothing more on the connection that the page has.
// - What the page calls fresh is compared with when the server stored what: nothing stale may ever have been called that.
// - Only away for longer than a channel stays fresh (the long form) could it be called so for too long.

import type { Browser, Page } from 'puppeteer-core'
import { createClient, type Client } from 'steadywire'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser, openTab } from '../support/browsers.ts'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const FRESH_WITHIN_MS = 6_000
/** A heartbeat interval and ten seconds. */
const FRESH_FOR_MS = 35_000
const AWAY_MS = process.env['LONG'] === undefined ? 3_000 : 40_000

/** What the page said of its channel at some moment. */
interface Look {
  readonly atMs: number
  readonly status: string
  readonly fresh: boolean | null
  readonly syncedAtMs: number | null
  readonly offset: number
}

let browser: Browser
let server: ExamplesServer
let proxy: FaultProxy
let publisher: Client
/** When each offset was stored, from 1. */
let storedAtMs: number[]

describe.runIf(hasBrowser('chromium'))('a tab whose connection died while nobody looked', () => {
  beforeEach(async () => {
    server = await startExamples()
    proxy = await startProxy(server.port)
    browser = await launchBrowser('chromium')
    publisher = createClient({ url: `ws://127.0.0.1:${server.port}/realtime` })
    storedAtMs = []
    publisher.channel('room').onAny((message) => void (storedAtMs[message.offset] = message.storedAtMs))
  })
  afterEach(async () => {
    await browser.close()
    await publisher.close()
    proxy.close()
    await server.stop()
  })

  test.each(['hidden', 'hidden and frozen'])('is connected and fresh within 6 s of being visible: %s', async (how) => {
    const { page } = await openTab(browser, `http://127.0.0.1:${server.port}/`)
    const devtools = await page.createCDPSession()
    await page.addScriptTag({ url: '/dist/steadywire.global.js' })
    await page.evaluate(watchRoom, `ws://127.0.0.1:${proxy.port}/realtime`)
    await publisher.channel('room').publish('n', 0)
    await until(async () => (await lastLook(page)).fresh === true && (await lastLook(page)).offset === 1)

    const other = await openTab(browser, 'about:blank')
    await other.page.bringToFront()
    await until(() => page.evaluate(() => document.visibilityState === 'hidden'))
    if (how !== 'hidden') await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    proxy.blackHole('both', { spareNew: true })
    const endsAtMs = performance.now() + AWAY_MS
    while (performance.now() < endsAtMs) {
      await publisher.channel('room').publish('n', storedAtMs.length)
      await new Promise((resume) => setTimeout(resume, AWAY_MS / 20))
    }

    if (how !== 'hidden') await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await page.bringToFront()
    const visibleAtMs = performance.now()
    const isBack = async () => {
      const { status, fresh, offset } = await lastLook(page)
      return status === 'connected' && fresh === true && offset === storedAtMs.length - 1
    }
    await until(isBack, 20_000, async () => JSON.stringify(await lastLook(page)))
    const tookMs = performance.now() - visibleAtMs
    const looks = await page.evaluate(() => (window as unknown as { looks: Look[] }).looks)
    console.log(
      `${how} for ${AWAY_MS} ms: connected and fresh ${Math.round(tookMs)} ms after being visible, ${looks.length} looks`,
    )
    expect(tookMs).toBeLessThanOrEqual(FRESH_WITHIN_MS)
    expect(looks.filter(isWrong)).toEqual([])
  })
})

/** It was called fresh as of an instant before which something was stored that it did not have, or that is too long ago. */
function isWrong({ atMs, fresh, syncedAtMs, offset }: Look): boolean {
  if (fresh !== true) return false
  const next = storedAtMs[offset + 1] ?? Infinity
  // The clocks are one, read in two processes: a few milliseconds are theirs.
  return syncedAtMs === null || next < syncedAtMs - 5 || atMs - syncedAtMs > FRESH_FOR_MS + 5
}

async function lastLook(page: Page): Promise<Look> {
  return await page.evaluate(() => (window as unknown as { look: () => Look }).look())
}

/** Runs in the page: reads the room, and looks at it at every change and twenty times a second. */
function watchRoom(url: string): void {
  const { createClient } = (window as unknown as { Steadywire: typeof import('steadywire') }).Steadywire
  const client = createClient({ url })
  const room = client.channel('room')
  const looks: object[] = []
  const look = () => {
    const { fresh, syncedAtMs, position } = room.state.getSnapshot()
    const { status } = client.state.getSnapshot()
    return { atMs: Date.now(), status, fresh, syncedAtMs, offset: position?.offset ?? 0 }
  }
  const note = () => looks.push(look())
  room.onAny(note)
  room.state.subscribe(note)
  client.state.subscribe(note)
  for (const event of ['visibilitychange', 'resume', 'freeze']) document.addEventListener(event, note, true)
  setInterval(note, 50)
  Object.assign(window, { looks, look })
}
