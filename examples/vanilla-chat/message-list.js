// The messages on the page, always in the order of the log.
//
// Rules of this file:
// - What is stored stands by epoch, in the order in which epochs were seen, and by offset. What is not stored yet, or never
//   will be, stands below in the order in which it was written.
// - A message stands here once. Its id tells a receipt and its delivery for the same thing, whichever comes first. The `key`
//   that the page puts into its own messages tells a delivery that comes before any receipt, or after the page has given up.
// - Whatever somebody typed becomes a text node, never HTML.

import { outcomeWords, resetWords } from './words.js'

const MAX_ITEMS = 2_000
const TOGETHER_MS = 300_000
const BELOW_THE_LOG = Infinity

/**
 * @param {HTMLElement} list where the items go
 * @param {{ sendAgain(item: object): void }} actions what the buttons of an item do
 */
export function createMessageList(list, { sendAgain }) {
  const items = []
  const epochs = []
  const stored = new Map()
  const drafts = new Map()
  let written = 0
  let live = false

  /** Takes up what was just written here, below everything else. */
  function addDraft({ key, name, text }) {
    const item = {
      own: true,
      key,
      name,
      text,
      state: 'sending',
      timeMs: Date.now(),
      rank: BELOW_THE_LOG,
      order: ++written,
    }
    drafts.set(key, item)
    place(item)
    return item
  }

  /** Takes up a delivered message. */
  function received(data, { id, epoch, offset, sender, storedAtMs }) {
    const readable = typeof data?.name === 'string' && typeof data?.text === 'string'
    const other = readable
      ? { own: false, name: data.name.slice(0, 40), text: data.text, state: 'received' }
      : { own: false, name: 'Unknown', text: 'A message that this page cannot show.', state: 'unreadable' }
    const item = stored.get(id) ?? drafts.get(data?.key) ?? other
    store(item, { id, epoch, offset })
    item.member = sender?.member
    item.timeMs = storedAtMs
    place(item)
  }

  /** Notes that the server has stored a message of one's own. */
  function acknowledged(item, receipt) {
    if (item.id === receipt.id) return
    // Sent a second time by hand, and both have arrived: the second receipt names a message of its own.
    const stands = stored.get(receipt.id) ?? (item.id === undefined ? item : { ...item, element: undefined })
    stands.own = true
    store(stands, receipt)
    place(stands)
  }

  /** Notes that a message of one's own is certainly not stored (`refused`), or may be (`unknown`). */
  function failed(item, error) {
    if (item.id !== undefined) return
    item.state = error.outcome === 'unknown' ? 'unknown' : 'refused'
    item.error = error
    place(item)
  }

  /** Marks where the history does not go on from what stands above. */
  function reset({ reason, position }) {
    if (reason === 'initial') return
    place({ words: resetWords(reason), state: 'reset', rank: rankOf(position.epoch), order: position.offset + 0.5 })
  }

  /** Says whether what is being sent is on its way, or waits for the connection. */
  function setLive(isLive) {
    if (live === isLive) return
    live = isLive
    for (const item of drafts.values()) if (item.state === 'sending') place(item)
  }

  function store(item, { id, epoch, offset }) {
    drafts.delete(item.key)
    stored.set(id, item)
    Object.assign(item, { id, rank: rankOf(epoch), order: offset })
    if (item.own) item.state = 'sent'
  }

  function rankOf(epoch) {
    if (!epochs.includes(epoch)) epochs.push(epoch)
    return epochs.indexOf(epoch)
  }

  // Puts an item where it belongs and renders it; also when it is there already.
  function place(item) {
    const was = items.indexOf(item)
    if (was >= 0) items.splice(was, 1)
    let at = items.length
    while (at > 0 && isAfter(items[at - 1], item)) at--
    items.splice(at, 0, item)

    item.element ??= document.createElement('li')
    render(item, live, { again: () => again(item), dismiss: () => remove(item) })
    if (at !== was || !item.element.isConnected) list.insertBefore(item.element, items[at + 1]?.element ?? null)
    joinAround(at)
    joinAround(was)
    if (items.length > MAX_ITEMS) remove(items[0])
  }

  function again(item) {
    Object.assign(item, { state: 'sending', order: ++written })
    place(item)
    sendAgain(item)
  }

  function remove(item) {
    const at = items.indexOf(item)
    items.splice(at, 1)
    item.element.remove()
    stored.delete(item.id)
    drafts.delete(item.key)
    joinAround(at)
  }

  // Messages of one person in a row show the name once.
  function joinAround(at) {
    for (const index of [at, at + 1]) {
      const item = items[index]
      if (item) item.element.toggleAttribute('data-joined', belongsTogether(items[index - 1], item))
    }
  }

  return { addDraft, received, acknowledged, failed, reset, setLive, isEmpty: () => items.length === 0 }
}

function isAfter(one, other) {
  return one.rank > other.rank || (one.rank === other.rank && one.order > other.order)
}

function belongsTogether(before, item) {
  return (
    before?.name !== undefined &&
    before.own === item.own &&
    before.name === item.name &&
    (item.own || before.member === item.member) &&
    Math.abs(item.timeMs - before.timeMs) < TOGETHER_MS
  )
}

function render(item, live, { again, dismiss }) {
  const { element } = item
  element.dataset.state = item.state
  if (item.state === 'reset') {
    element.className = 'divider'
    element.textContent = item.words
    return
  }
  element.className = 'message'
  if (item.id) element.dataset.id = item.id
  element.toggleAttribute('data-own', item.own)
  element.replaceChildren(...parts(item, live, again, dismiss))
}

function parts(item, live, again, dismiss) {
  const avatar = make('span', 'avatar', initials(item.name))
  avatar.ariaHidden = 'true'
  avatar.style.setProperty('--hue', String(hueOf(item.name)))

  const name = make('span', 'who', item.own ? 'You' : item.name)
  const text = make('p', 'text', item.text)
  text.dir = name.dir = 'auto'
  const bubble = make('div', 'bubble')
  const meta = make('p', 'meta')
  meta.append(time(item.timeMs))
  bubble.append(text, meta)
  const body = make('div', 'body')
  body.append(name, bubble)

  if (item.state === 'sending') meta.append(make('span', 'fate', live ? 'Sending…' : 'Waits for the connection'))
  if (item.state === 'sent') meta.append(make('span', 'fate', 'Sent'))
  if (item.state === 'unknown' || item.state === 'refused') {
    const note = make('div', 'note')
    note.append(make('p', '', outcomeWords(item.state, item.error)))
    if (item.state === 'unknown' || item.error.retry !== 'never') note.append(button('Send again', again))
    note.append(button('Dismiss', dismiss))
    body.append(note)
  }
  return item.own ? [body] : [avatar, body]
}

function make(tag, className, text = '') {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text !== '') element.textContent = text
  return element
}

function button(label, action) {
  const element = make('button', 'plain', label)
  element.type = 'button'
  element.addEventListener('click', action)
  return element
}

function time(timeMs) {
  const date = new Date(timeMs)
  const element = make('time', '', date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
  element.dateTime = date.toISOString()
  element.title = date.toLocaleString()
  return element
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean).slice(0, 2)
  return words.map((word) => [...word][0].toUpperCase()).join('')
}

// The same name has the same colour in every tab.
function hueOf(name) {
  let hue = 0
  for (const character of name) hue = (hue * 31 + character.codePointAt(0)) % 360
  return hue
}
