// The chat page as a person sees and uses it.
//
// Rules of this file:
// - It finds things by role and data attribute, never by class: a page may be restyled without its tests.
// - It acts through the page's own form and buttons. `type` uses the keyboard; `say` fills the form in, which is faster and
//   works in a tab that another one covers.

import type { Browser } from 'puppeteer-core'
import { type OpenOptions, openTab, type Tab } from './browsers.ts'
import { until } from './until.ts'

/** One line of the log: a message, or a divider. */
export interface Line {
  readonly state: string
  readonly id: string | undefined
  readonly own: boolean
  readonly who: string
  readonly text: string
}

export interface ChatPage extends Tab {
  /** Writes `text` and sends it. */
  say(text: string): Promise<void>
  /** Presses the keys of `text`; a line break is Shift + Enter. Needs the tab in front. */
  type(text: string): Promise<void>
  /** Everything in the log, from the top. */
  lines(): Promise<Line[]>
  /** The state of the connection, as an attribute, and its words. */
  connection(): Promise<{ readonly state: string; readonly words: string }>
  /** Waits for `state`, pressing *Retry now* whenever it is offered. */
  hasState(state: string, withinMs?: number): Promise<void>
  press(button: string): Promise<void>
}

/** Opens the chat of the examples on `serverPort`, connecting through `realtimePort`. */
export async function openChat(
  browser: Browser,
  serverPort: number,
  realtimePort: number,
  options: OpenOptions = {},
): Promise<ChatPage> {
  const tab = await openTab(browser, `http://127.0.0.1:${serverPort}/vanilla-chat/?port=${realtimePort}`, options)
  return chatPage(tab)
}

function chatPage(tab: Tab): ChatPage {
  const { page } = tab

  const connection = () =>
    page.$eval('#connection', (element) => ({
      state: element.getAttribute('data-state') ?? '',
      words: element.querySelector('[aria-hidden] > span')?.textContent ?? '',
    }))

  const press = (label: string) =>
    page.evaluate((wanted) => {
      const buttons = [...document.querySelectorAll('button')]
      buttons.find((button) => button.textContent === wanted && button.checkVisibility())?.click()
    }, label)

  return {
    ...tab,
    connection,
    press,
    say: (text) =>
      page.$eval(
        'textarea',
        (field, value) => {
          field.value = value
          field.form?.requestSubmit()
        },
        text,
      ),
    async type(text) {
      await page.focus('textarea')
      for (const [index, line] of text.split('\n').entries()) {
        if (index > 0) {
          await page.keyboard.down('Shift')
          await page.keyboard.press('Enter')
          await page.keyboard.up('Shift')
        }
        await page.keyboard.type(line)
      }
      await page.keyboard.press('Enter')
    },
    lines: () =>
      page.$$eval('[role="log"] li', (items) =>
        items.map((item) => ({
          state: item.getAttribute('data-state') ?? '',
          id: item.getAttribute('data-id') ?? undefined,
          own: item.hasAttribute('data-own'),
          who: item.querySelector('span[dir="auto"]')?.textContent ?? '',
          text: (item.querySelector('p[dir="auto"]') ?? item).textContent ?? '',
        })),
      ),
    hasState: (state, withinMs = 20_000) =>
      until(
        async () => {
          const now = await connection()
          if (now.state === state) return true
          await press('Retry now')
          return false
        },
        withinMs,
        async () => `connection ${state}; it is ${JSON.stringify(await connection())}`,
      ),
  }
}
