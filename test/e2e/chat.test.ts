// The chat example in real browsers, against the built server, through a network that breaks.
//
// Rules of this file:
// - Both tabs are asked the same question: does the page show what is true of the log?

import type { Browser } from 'puppeteer-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type BrowserName, hasBrowser, launchBrowser, ownComplaints } from '../support/browsers.ts'
import { type ChatPage, type Line, openChat } from '../support/chat-page.ts'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

let browser: Browser
let server: ExamplesServer
let proxy: FaultProxy
let tabs: ChatPage[]

describe.runIf(hasBrowser('chromium'))('chat in Chromium', () => {
  inBrowser('chromium')

  test('two tabs end with the same log after ten cuts, and every message says what became of it', async () => {
    const [one, two] = await twoTabs()
    await talkWhileCutting(one, two, { messages: 200, cuts: 10 })
    await expectSameLog(one, two, 200)
  }, 120_000)

  test('after the server has lost everything both tabs show the reset and go on', async () => {
    const [one, two] = await twoTabs()
    await one.say('before')
    await until(async () => (await textsOf(two)).includes('before'))

    await server.stop()
    await until(async () => (await one.connection()).state === 'reconnecting')
    server = await startExamples(server.port)
    await Promise.all(tabs.map((tab) => tab.hasState('connected')))
    await one.say('after, from one')
    await two.say('after, from two')

    for (const tab of tabs) {
      await until(async () => (await tab.lines()).length === 4)
      const texts = await textsOf(tab)
      expect(texts.slice(0, 2)).toEqual(['before', 'History restarted — the server was reset'])
      expect(new Set(texts.slice(2))).toEqual(new Set(['after, from one', 'after, from two']))
    }
    expect(storedIn(await one.lines())).toEqual(storedIn(await two.lines()))
    expect(tabs.flatMap(ownComplaints)).toEqual([])
  })

  test('what is typed shows as text, line breaks included', async () => {
    const [one, two] = await twoTabs()
    const text = '<img src=x onerror="document.title = 1">\n<b>& so on</b>'
    await two.type(text)
    for (const tab of [one, two]) {
      await until(async () => (await textsOf(tab)).includes(text))
      expect(await tab.page.$$('[role="log"] img, [role="log"] b')).toEqual([])
      expect(await tab.page.title()).toContain('Lobby')
    }
  })

  test('two tabs are two people, and each knows its own messages', async () => {
    const [one, two] = await twoTabs()
    const name = await one.page.$eval('#name', (field) => (field as HTMLInputElement).value)
    await one.say('hello')
    await until(async () => (await one.lines())[0]?.state === 'sent')
    await until(async () => (await two.lines()).length === 1)
    expect(await one.lines()).toMatchObject([{ own: true, who: 'You' }])
    expect(await two.lines()).toMatchObject([{ own: false, who: name, state: 'received' }])
  })

  test('what is written while offline waits, says so, and is sent on return', async () => {
    const [one, two] = await twoTabs()
    await two.page.click('[role="switch"] + span')
    await until(async () => (await two.connection()).state === 'disconnected')
    expect((await two.connection()).words).toMatch(/^Offline/)
    await two.say('later')
    const [waiting] = await two.page.$$eval('[data-state="sending"]', (items) => items.map((item) => item.textContent))
    expect(waiting).toContain('Waits for the connection')

    await two.page.click('[role="switch"] + span')
    await until(async () => (await two.lines())[0]?.state === 'sent')
    await until(async () => (await textsOf(one)).includes('later'))
  })

  test('a lost connection is shown with a countdown and comes back by hand', async () => {
    const [one] = await twoTabs()
    proxy.refuse()
    proxy.cut('rst')
    await until(async () => /^Connection lost — reconnecting in \d+ s$/.test((await one.connection()).words))
    await proxy.pass()
    await one.hasState('connected')
    await until(async () => (await one.connection()).words === 'Connected')
  })

  test('a server on another host is refused in words', async () => {
    const elsewhere = await openChat(browser, server.port, proxy.port)
    await elsewhere.page.goto(`http://127.0.0.1:${server.port}/vanilla-chat/?server=wss://elsewhere.example/realtime`)
    expect(await elsewhere.connection()).toMatchObject({ state: 'failed', words: expect.stringContaining('Stopped: ') })
    await elsewhere.page.close()
  })
})

describe.runIf(hasBrowser('firefox'))('chat in Firefox', () => {
  inBrowser('firefox')

  test('two tabs end with the same log after two cuts, and every message says what became of it', async () => {
    const [one, two] = await twoTabs()
    await talkWhileCutting(one, two, { messages: 20, cuts: 2 })
    await expectSameLog(one, two, 20)
  })
})

function inBrowser(name: BrowserName): void {
  beforeAll(async () => {
    browser = await launchBrowser(name)
  })
  afterAll(() => browser.close())

  beforeEach(async () => {
    server = await startExamples()
    proxy = await startProxy(server.port)
    tabs = []
  })
  afterEach(async () => {
    await Promise.all(tabs.map((tab) => tab.page.close()))
    proxy.close()
    await server.stop()
  })
}

async function twoTabs(): Promise<[ChatPage, ChatPage]> {
  const one = await openChat(browser, server.port, proxy.port)
  const two = await openChat(browser, server.port, proxy.port)
  tabs = [one, two]
  for (const tab of tabs) await until(async () => (await tab.connection()).words === 'Connected', 10_000)
  return [one, two]
}

// Both write all the time; a cut comes only when both are connected, so that each one costs both a connection.
async function talkWhileCutting(
  one: ChatPage,
  two: ChatPage,
  { messages, cuts }: { messages: number; cuts: number },
): Promise<void> {
  // Long enough that a cut finds messages under way.
  proxy.shape({ latencyMs: 20 })
  const everyNth = messages / cuts
  for (let n = 1; n <= messages; n++) {
    await Promise.all([one.say(`one ${n}`), two.say(`two ${n}`)])
    if (n % everyNth === Math.floor(everyNth / 2)) {
      expect(proxy.cut(n % (2 * everyNth) < everyNth ? 'fin' : 'rst')).toBe(2)
      await one.say(`one, in the middle of cut ${n}`)
      await Promise.all(tabs.map((tab) => tab.hasState('connected')))
    }
  }
  expect(proxy.counters.cut).toBe(2 * cuts)
}

async function expectSameLog(one: ChatPage, two: ChatPage, messages: number): Promise<void> {
  const settled = async () => {
    const [first, second] = [await one.lines(), await two.lines()]
    const isSending = [...first, ...second].some(({ state }) => state === 'sending')
    return !isSending && JSON.stringify(storedIn(first)) === JSON.stringify(storedIn(second))
  }
  await until(settled, 30_000)

  const all = [await one.lines(), await two.lines()]
  const ids = storedIn(all[0] ?? []).map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const lines of all) {
    const own = lines.filter(({ own }) => own)
    expect(own.length).toBeGreaterThanOrEqual(messages)
    expect(new Set(own.map(({ text }) => text)).size).toBe(own.length)
    for (const { id, state } of own) expect(id === undefined ? ['unknown', 'refused'] : ['sent']).toContain(state)
  }
  const fates = all.flat().filter(({ own }) => own)
  const count = (wanted: string) => fates.filter(({ state }) => state === wanted).length
  console.log(`chat: ${count('sent')} stored, ${count('unknown')} unknown, ${count('refused')} refused`)
  // The cuts may cost certainty, never what both tabs agree on.
  expect(count('sent')).toBeGreaterThan(fates.length / 2)
  expect([one, two].flatMap(ownComplaints)).toEqual([])
}

function storedIn(lines: readonly Line[]): { id: string; text: string }[] {
  return lines.flatMap(({ id, text }) => (id === undefined ? [] : [{ id, text }]))
}

async function textsOf(tab: ChatPage): Promise<string[]> {
  return (await tab.lines()).map(({ text }) => text)
}
