// @vitest-environment jsdom
// The order of the chat's messages, whichever way the news of them comes.
//
// Rules of this file:
// - What is asserted is the page, from top to bottom: one line for each message.

import { beforeEach, describe, expect, test } from 'vitest'

// The examples are plain JavaScript; these are the parts of it that are used here.
interface MessageList {
  addDraft(draft: { key: string; name: string; text: string }): object
  received(data: unknown, message: object): void
  acknowledged(item: object, receipt: object): void
  failed(item: object, error: object): void
  reset(reset: { reason: string; position: { epoch: string; offset: number } }): void
}

// Not a literal, because there are no types to find for it.
const MESSAGE_LIST: string = '../../examples/vanilla-chat/message-list.js'
const { createMessageList } = (await import(MESSAGE_LIST)) as {
  createMessageList(list: HTMLElement, actions: { sendAgain(item: object): void }): MessageList
}

let page: HTMLElement
let messages: MessageList
let sentAgain: object[]

beforeEach(() => {
  page = document.createElement('ol')
  document.body.replaceChildren(page)
  sentAgain = []
  messages = createMessageList(page, { sendAgain: (item) => sentAgain.push(item) })
})

test('stored messages stand by offset, however late one of them is heard of', () => {
  receive('a', 1)
  receive('d', 4)
  receive('b', 2)
  receive('c', 3)
  expect(lines()).toEqual(['received a', 'received b', 'received c', 'received d'])
})

test('a receipt puts one’s own message where it belongs, and its delivery changes nothing', () => {
  const mine = write('mine')
  receive('a', 1)
  messages.acknowledged(mine, at('mine', 3))
  receive('b', 2)
  expect(lines()).toEqual(['received a', 'received b', 'sent mine'])
  receive('mine', 3)
  expect(lines()).toEqual(['received a', 'received b', 'sent mine'])
})

test('a delivery before the receipt is the message one has written', () => {
  const mine = write('mine')
  receive('mine', 1, { key: 'key of mine' })
  expect(lines()).toEqual(['sent mine'])
  messages.acknowledged(mine, at('mine', 1))
  expect(lines()).toEqual(['sent mine'])
})

test('what is not stored stands below everything, in the order it was written', () => {
  write('first')
  const second = write('second')
  write('third')
  receive('a', 1)
  messages.acknowledged(second, at('second', 2))
  expect(lines()).toEqual(['received a', 'sent second', 'sending first', 'sending third'])
})

test('an unknown message that turns up in the log was sent', () => {
  const mine = write('mine')
  messages.failed(mine, { outcome: 'unknown', message: 'The connection was lost.', retry: 'later' })
  expect(lines()).toEqual(['unknown mine'])
  expect(page.textContent).toContain('May or may not have arrived. The connection was lost.')
  receive('mine', 1, { key: 'key of mine' })
  expect(lines()).toEqual(['sent mine'])
})

test('a refused message says why, and what to do', () => {
  const mine = write('mine')
  messages.failed(mine, { outcome: 'rejected', message: 'It is too large.', remedy: 'Send less.', retry: 'never' })
  expect(lines()).toEqual(['refused mine'])
  expect(page.textContent).toContain('Not sent. It is too large. Send less.')
  expect(buttons()).toEqual(['Dismiss'])
  press('Dismiss')
  expect(lines()).toEqual([])
})

test('a message sent again that had arrived after all stands there twice, as it does in the log', () => {
  const mine = write('mine')
  write('later')
  messages.failed(mine, { outcome: 'unknown', message: 'Lost.', retry: 'later' })
  press('Send again')
  expect(sentAgain).toEqual([mine])
  expect(lines()).toEqual(['sending later', 'sending mine'])
  receive('one', 1, { key: 'key of mine', text: 'mine' })
  messages.acknowledged(mine, at('two', 2))
  receive('two', 2, { key: 'key of mine', text: 'mine' })
  expect(lines()).toEqual(['sent mine', 'sent mine', 'sending later'])
})

describe('after a reset', () => {
  test('the history goes on below a divider', () => {
    receive('a', 7)
    messages.reset({ reason: 'epoch-changed', position: { epoch: 'e2', offset: 0 } })
    receive('b', 1, { epoch: 'e2' })
    expect(lines()).toEqual(['received a', 'reset History restarted — the server was reset', 'received b'])
  })

  test('a receipt of the time before stands above the divider, one of the time after below', () => {
    const before = write('before')
    const after = write('after')
    receive('a', 7)
    messages.acknowledged(after, at('after', 1, 'e2'))
    messages.reset({ reason: 'epoch-changed', position: { epoch: 'e2', offset: 0 } })
    messages.acknowledged(before, at('before', 8))
    expect(lines()).toEqual([
      'received a',
      'sent before',
      'reset History restarted — the server was reset',
      'sent after',
    ])
  })

  test('a gap in the same history is marked where it is', () => {
    receive('a', 1)
    messages.reset({ reason: 'history-evicted', position: { epoch: 'e1', offset: 90 } })
    receive('b', 91)
    expect(lines()).toEqual([
      'received a',
      'reset Messages are missing here — the server no longer keeps them',
      'received b',
    ])
  })
})

describe('what somebody else sent', () => {
  test('is text, never HTML', () => {
    receive('a', 1, { name: '<i>', text: '<img src=x onerror=alert(1)>' })
    expect(page.querySelector('img, i')).toBeNull()
    expect(lines()).toEqual(['received <img src=x onerror=alert(1)>'])
  })

  test.each([null, 7, 'text', [], {}, { name: 'a' }, { name: {}, text: 'a' }])(
    '%j has a line, but no text of its own',
    (data) => {
      messages.received(data, { ...at('a', 1), storedAtMs: 0 })
      expect(lines()).toEqual(['unreadable A message that this page cannot show.'])
    },
  )
})

test('the page keeps the newest two thousand', () => {
  for (let offset = 1; offset <= 2_003; offset++) receive(`message ${offset}`, offset)
  expect(lines()).toHaveLength(2_000)
  expect(lines()[0]).toBe('received message 4')
})

function write(text: string): object {
  return messages.addDraft({ key: `key of ${text}`, name: 'Me', text })
}

function receive(id: string, offset: number, { epoch = 'e1', ...data } = {} as Record<string, string>): void {
  messages.received({ name: 'Somebody', text: id, ...data }, { ...at(id, offset, epoch), storedAtMs: offset })
}

function at(id: string, offset: number, epoch = 'e1'): object {
  return { id, offset, epoch }
}

function lines(): string[] {
  return [...page.children].map((line) => {
    const text = line.querySelector('p[dir="auto"]') ?? line
    return `${line.getAttribute('data-state')} ${text.textContent}`
  })
}

function buttons(): (string | null)[] {
  return [...page.querySelectorAll('button')].map((button) => button.textContent)
}

function press(label: string): void {
  ;[...page.querySelectorAll('button')].find((button) => button.textContent === label)?.click()
}
