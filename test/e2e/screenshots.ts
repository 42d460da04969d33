// Pictures of the examples, for eyes to judge: `npx node test/e2e/screenshots.ts FOLDER`, after `npm run build`.
//
// Rules of this file:
// - Every state is brought about on the real page by the real server and the network; none is painted.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { launchBrowser, openTab, type OpenOptions, type Tab } from '../support/browsers.ts'
import { type ChatPage, openChat } from '../support/chat-page.ts'
import { startExamples } from '../support/examples-server.ts'
import { startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const LOOKS: Readonly<Record<string, OpenOptions>> = {
  light: { scheme: 'light', width: 1_000, height: 800 },
  dark: { scheme: 'dark', width: 1_000, height: 800 },
  'phone-light': { scheme: 'light', width: 360, height: 740 },
  'phone-dark': { scheme: 'dark', width: 360, height: 740 },
}

const LONG_WORD = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'

const folder = process.argv[2] ?? ''
if (!folder) throw new Error('Name a folder: npx node test/e2e/screenshots.ts FOLDER')
await mkdir(folder, { recursive: true })

const browser = await launchBrowser('chromium')
for (const [look, options] of Object.entries(LOOKS)) await pictureAll(look, options)
await browser.close()

async function pictureAll(look: string, options: OpenOptions): Promise<void> {
  let server = await startExamples()
  const proxy = await startProxy(server.port)
  const picture = async ({ page }: Tab, name: string) => {
    await page.bringToFront()
    await page.screenshot({ path: join(folder, `${name}-${look}.png`) as `${string}.png` })
  }
  const visit = () => openChat(browser, server.port, proxy.port, options)

  await picture(await openTab(browser, `http://127.0.0.1:${server.port}/`, options), 'front')

  proxy.blackHole()
  const early = await visit()
  await says(early, /^Connecting…/)
  await picture(early, 'connecting')
  await early.page.close()

  await proxy.pass()
  proxy.refuse()
  const refused = await visit()
  await says(refused, /^Could not connect — next try in/)
  await picture(refused, 'could-not-connect')
  await refused.page.close()

  await proxy.pass()
  const one = await visit()
  const two = await visit()
  for (const tab of [one, two]) await says(tab, /^Connected$/)
  await picture(one, 'empty')

  await one.say('Morning! Has anyone tried pulling the cable while sending?')
  await one.say('It should say what became of each message.')
  await hasLines(two, 2)
  await two.say('Ten times in a row:\n\n  • every acknowledged one is there once\n  • the others say so')
  await hasLines(one, 3)
  await one.say(`<b>Nothing</b> here is HTML, and ${LONG_WORD} wraps.`)
  await hasLines(two, 4)
  await picture(one, 'talk-one')
  await picture(two, 'talk-two')

  // Silence while a message is under way: nobody can know whether it arrived.
  proxy.blackHole()
  await one.say('On its way when the line went dead')
  proxy.refuse()
  proxy.cut('rst')
  await says(one, /^Connection lost — reconnecting in/)
  await one.say('Written while there was no connection')
  await picture(one, 'lost')

  await server.stop()
  server = await startExamples(server.port)
  await proxy.pass()
  for (const tab of [one, two]) {
    await tab.hasState('connected')
    await says(tab, /^Connected$/)
  }
  await two.say('And on we go.')
  await hasLines(one, 8)
  await picture(one, 'reset-one')
  await picture(two, 'reset-two')

  await two.page.click('[role="switch"] + span')
  await says(two, /^Offline/)
  await two.say('Waits until I am back')
  await picture(two, 'offline')

  await one.page.goto(`${new URL(one.page.url()).origin}/vanilla-chat/?server=wss://elsewhere.example/`)
  await says(one, /^Stopped/)
  await picture(one, 'stopped')

  for (const tab of [one, two]) await tab.page.close()
  await server.stop()
  proxy.close()
}

async function says(tab: ChatPage, words: RegExp): Promise<void> {
  await until(
    async () => words.test((await tab.connection()).words),
    10_000,
    async () => `${words}; it says ${(await tab.connection()).words}`,
  )
}

async function hasLines(tab: ChatPage, count: number): Promise<void> {
  await until(
    async () => (await tab.lines()).length >= count,
    10_000,
    async () => `${count} lines; there are ${JSON.stringify(await tab.lines(), undefined, 1)}`,
  )
}
