// Real browsers for the end-to-end tests, by puppeteer-core: one that really hides, freezes and throttles pages.
//
// Rules of this file:
// - Where the browsers are is `scripts/browsers.ts`'s answer. Without one its suites are skipped, which that file announces.
// - What a page writes to the console and throws is collected from its first moment: a test can ask that it be nothing.

import puppeteer, { type Browser, type Page } from 'puppeteer-core'
import { findBrowsers } from '../../scripts/browsers.ts'

export type BrowserName = 'chromium' | 'firefox'

export interface OpenOptions {
  readonly width?: number
  readonly height?: number
  readonly scheme?: 'light' | 'dark'
}

export interface Tab {
  readonly page: Page
  /** Errors and warnings on the console and uncaught exceptions, in order. */
  readonly complaints: string[]
}

// Nothing but the test may use the network, and no first-run page may take the front.
const CHROMIUM_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Whether this machine has the browser. */
export function hasBrowser(name: BrowserName): boolean {
  return pathOf(name) !== ''
}

/** Starts a browser without a window. Close it when done. */
export function launchBrowser(name: BrowserName): Promise<Browser> {
  const executablePath = pathOf(name)
  return name === 'firefox'
    ? puppeteer.launch({ browser: 'firefox', executablePath, headless: true })
    : puppeteer.launch({ executablePath, headless: true, args: CHROMIUM_ARGUMENTS })
}

/** Opens `url` in a tab of its own, in front of the others. */
export async function openTab(browser: Browser, url: string, options: OpenOptions = {}): Promise<Tab> {
  const { width = 1_000, height = 800, scheme } = options
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.setViewport({ width, height, deviceScaleFactor: width < 500 ? 2 : 1 })
  if (scheme) await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await page.goto(url, { waitUntil: 'load' })
  return { page, complaints }
}

/**
 * What the page itself is to blame for. Browsers report every lost or refused WebSocket as an error, and no page can
 * prevent it; those lines are no complaint about the page.
 */
export function ownComplaints(tab: Tab): string[] {
  return tab.complaints.filter(
    (text) =>
      !/^WebSocket connection to 'ws:|can’t establish a connection to the server at ws:|The connection to ws:/.test(
        text,
      ),
  )
}

function pathOf(name: BrowserName): string {
  const { CHROMIUM_PATH, FIREFOX_PATH } = findBrowsers()
  return name === 'chromium' ? CHROMIUM_PATH : FIREFOX_PATH
}
