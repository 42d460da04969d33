// Where the browsers of this machine are.
//
// Rules of this file:
// - CHROMIUM_PATH and FIREFOX_PATH decide when they are set, also when they name nothing: that is how to test without one.
// - A missing browser skips its suites and says so; REQUIRE_BROWSER=1 turns that into a failure.

import { existsSync } from 'node:fs'

const USUAL_PLACES = {
  CHROMIUM_PATH: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  ],
  FIREFOX_PATH: [
    '/usr/bin/firefox-esr',
    '/usr/bin/firefox',
    '/Applications/Firefox.app/Contents/MacOS/firefox',
    'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
  ],
}

type BrowserVariable = keyof typeof USUAL_PLACES

/** The path of each browser, as the environment variables that tests read. Empty: there is none. */
export function findBrowsers(): Record<BrowserVariable, string> {
  return { CHROMIUM_PATH: find('CHROMIUM_PATH'), FIREFOX_PATH: find('FIREFOX_PATH') }
}

/** Vitest calls this once before the end-to-end tests. */
export function setup(): void {
  const browsers = findBrowsers()
  const missing = [
    ...(browsers.CHROMIUM_PATH ? [] : ['Chromium (apt-get install chromium, or set CHROMIUM_PATH)']),
    ...(browsers.FIREFOX_PATH ? [] : ['Firefox (apt-get install firefox-esr, or set FIREFOX_PATH)']),
  ]
  if (missing.length === 0) return
  const line = `*** not found: ${missing.join(' and ')}: the suites of test/e2e that need it are SKIPPED ***`
  if (process.env['REQUIRE_BROWSER'] === '1') throw new Error(`${line} REQUIRE_BROWSER=1 makes this a failure.`)
  console.warn(line)
}

function find(variable: BrowserVariable): string {
  const named = process.env[variable]
  return (named === undefined ? USUAL_PLACES[variable] : [named]).find((path) => existsSync(path)) ?? ''
}
