// Where the browsers of this machine are, and what is said when one is missing.
//
// Rules of this file:
// - CHROMIUM_PATH and FIREFOX_PATH decide when they are set, also when they lead nowhere: that is how to test without one.
// - A missing browser is an empty path, and tests skip what needs it. With REQUIRE_BROWSER=1 the path stays, and they fail.

import { existsSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

const BROWSERS = {
  CHROMIUM_PATH: {
    name: 'Chromium',
    debian: 'chromium',
    places: [
      '/usr/bin/chromium',
      '/usr/bin/chromium-browser',
      '/usr/bin/google-chrome',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    ],
  },
  FIREFOX_PATH: {
    name: 'Firefox',
    debian: 'firefox-esr',
    places: [
      '/usr/bin/firefox-esr',
      '/usr/bin/firefox',
      '/Applications/Firefox.app/Contents/MacOS/firefox',
      'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
    ],
  },
}

type BrowserVariable = keyof typeof BROWSERS

/** The path of each browser, as the environment variables that the end-to-end tests read. Empty: skip. */
export function findBrowsers(): Record<BrowserVariable, string> {
  return { CHROMIUM_PATH: pathFor('CHROMIUM_PATH'), FIREFOX_PATH: pathFor('FIREFOX_PATH') }
}

/** A Vitest reporter that says which suites a missing browser has cost, and how to get one. */
export class BrowserReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const variables: BrowserVariable[] = ['CHROMIUM_PATH', 'FIREFOX_PATH']
    const missing = variables.filter((variable) => find(variable) === undefined)
    const suites = modules
      .filter(({ project }) => project.name === 'e2e')
      .filter(({ children }) => [...children.allTests()].some((test) => test.result().state !== 'passed'))
      .map(({ relativeModuleId }) => relativeModuleId)
    if (missing.length === 0 || suites.length === 0) return
    const names = missing.map((variable) => BROWSERS[variable].name).join(' and no ')
    const packages = missing.map((variable) => BROWSERS[variable].debian).join(' ')
    console.log(
      `*** no ${names} found: ${isRequired() ? 'FAILED' : 'SKIPPED'} all or part of ${suites.join(', ')}; ` +
        `apt-get install ${packages}, or set ${missing.join(' and ')} ***`,
    )
  }
}

function pathFor(variable: BrowserVariable): string {
  return find(variable) ?? (isRequired() ? (placesOf(variable)[0] ?? '') : '')
}

function find(variable: BrowserVariable): string | undefined {
  return placesOf(variable).find((path) => existsSync(path))
}

function placesOf(variable: BrowserVariable): readonly string[] {
  const named = process.env[variable]
  return named === undefined ? BROWSERS[variable].places : [named]
}

function isRequired(): boolean {
  return process.env['REQUIRE_BROWSER'] === '1'
}
