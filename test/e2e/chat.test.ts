// The chat example in real browsers, against the built server, through a network that breaks.
//
// Rules of this file:
// - Both tabs are asked the same question: does the page show what is true of the log? A witness whose connection is never
//   cut knows what is true.

import type { Browser } from 'puppeteer-core'
import { type Client, createClient } from 'steadywire'
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
let witness: Client
let log: Stored[]

interface Stored {
  readonly id: string
  readonly text: string
}

describe.runIf(hasBrowser('chromium'))('chat in Chromium', () => {
  inBrowser('chromium')

  test('two tabs end with the same log after ten cuts, and every message is sent, once', async () => {
    const [one, two] = await twoTabs()
    await talkWhileCutting(one, two, { messages: 200, cuts: 10 })
    await expectSameLog(one, two, 200)
  }, 120_000)

  test('a message whose receipt was lost with the connection waits for it, and is sent once', async () => {
    const [one, two] = await twoTabs()
    // The first message asks for the right to write, and waits for the answer.
    await one.say('first')
    await until(async () => (await one.lines())[0]?.state === 'sent')
    proxy.blackHole('down')
    await one.say('stored, but who knows')
    await until(() => log.length === 2)
    proxy.cut('rst')
    await until(async () => (await one.connection()).state === 'reconnecting')
    expect((await one.lines())[1]?.state).toBe('sending')
    await proxy.pass()
    await areBack()
    for (const tab of tabs) await until(async () => storedIn(await tab.lines()).length === 2)
    const { id, text } = log[1] as Stored
    expect((await one.lines())[1]).toMatchObject({ id, text, state: 'sent', own: true })
    expect((await two.lines())[1]).toMatchObject({ id, text, state: 'received', own: false })
  })

  test('after the server has lost everything both tabs show the reset and go on', async () => {
    const [one, two] = await twoTabs()
    await one.say('before')
    await until(async () => (await textsOf(two)).includes('before'))

    await server.stop()
    for (const tab of tabs) await until(async () => (await tab.connection()).state === 'reconnecting')
    server = await startExamples(server.port)
    await Promise.all(tabs.map(isConnected))
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
    await isConnected(one)
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
    log = []
    witness = createClient({ url: `ws://127.0.0.1:${server.port}/realtime` })
    const room = witness.channel('chat:lobby')
    room.onAny(({ id, data }) => log.push({ id, text: (data as { text: string }).text }))
    await until(() => room.state.getSnapshot().status === 'live')
  })
  afterEach(async () => {
    await Promise.all([...tabs.map((tab) => tab.page.close()), witness.close()])
    proxy.close()
    await server.stop()
  })
}

async function twoTabs(): Promise<[ChatPage, ChatPage]> {
  const one = await openChat(browser, server.port, proxy.port)
  const two = await openChat(browser, server.port, proxy.port)
  tabs = [one, two]
  await Promise.all(tabs.map(isConnected))
  return [one, two]
}

// Connected and in the room: after a reset, what is said before that is not delivered.
async function isConnected(tab: ChatPage): Promise<void> {
  await tab.hasState('connected')
  await until(async () => (await tab.connection()).words === 'Connected')
}

// Both write all the time, also while they are cut off; the next cut comes when both are back.
async function talkWhileCutting(
  one: ChatPage,
  two: ChatPage,
  { messages, cuts }: { messages: number; cuts: number },
): Promise<void> {
  // Long enough that a cut finds messages under way.
  proxy.shape({ latencyMs: 20 })
  const everyNth = messages / cuts
  for (let n = 1; n <= messages; n++) {
    const isCut = n % everyNth === Math.floor(everyNth / 2)
    if (isCut) await areBack()
    await Promise.all([one.say(`one ${n}`), two.say(`two ${n}`)])
    if (isCut) expect(proxy.cut(proxy.counters.cut % 4 === 0 ? 'fin' : 'rst')).toBe(2)
  }
  await areBack()
  expect(proxy.counters.cut).toBe(2 * cuts)
}

// A covered tab may be a second behind with what it shows, so the proxy is asked first whether both have dialled again.
async function areBack(): Promise<void> {
  await until(async () => {
    await Promise.all(tabs.map((tab) => tab.press('Retry now')))
    return proxy.counters.accepted === proxy.counters.cut + 2
  }, 20_000)
  await Promise.all(tabs.map(isConnected))
}

async function expectSameLog(one: ChatPage, two: ChatPage, messages: number): Promise<void> {
  const unsettled = async () => {
    const shown = [await one.lines(), await two.lines()]
    const sending = shown.flat().filter(({ state }) => state === 'sending').length
    const missing = shown.map((lines) => log.length - storedIn(lines).length)
    return { sending, missing, isUnsettled: sending > 0 || missing.some((count) => count !== 0) }
  }
  await until(
    async () => !(await unsettled()).isUnsettled,
    30_000,
    async () => JSON.stringify(await unsettled()),
  )

  const shown = [await one.lines(), await two.lines()]
  for (const lines of shown) {
    expect(storedIn(lines)).toEqual(log)
    const own = lines.filter(({ own }) => own)
    expect(own.length).toBe(messages)
    expect(new Set(own.map(({ text }) => text)).size).toBe(own.length)
    expect(own.filter(({ state }) => state !== 'sent')).toEqual([])
  }
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length)
  expect(new Set(log.map(({ text }) => text)).size).toBe(log.length)

  console.log(`chat: ${log.length} messages, each stored and shown once`)
  expect([one, two].flatMap(ownComplaints)).toEqual([])
}

function storedIn(lines: readonly Line[]): Stored[] {
  return lines.flatMap(({ id, text }) => (id === undefined ? [] : [{ id, text }]))
}

async function textsOf(tab: ChatPage): Promise<string[]> {
  return (await tab.lines()).map(({ text }) => text)
}
