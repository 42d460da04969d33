// A chat room: one script tag (`window.Steadywire`), no framework, no build step.
//
// Rules of this file:
// - The client is asked, never guessed about: what the page says about the connection comes from `client.state` and
//   `channel.state`, what it says about a message from that message's own promise.
// - The room is live from the moment one comes in. What was said before is not loaded.

import { createMessageList } from './message-list.js'
import { connectionWords, syncedWords } from './words.js'

const MAX_CHARACTERS = 5_000
const NEAR_BOTTOM_PX = 80

const at = (id) => document.getElementById(id)
const [log, text, composer, retry, stay, latest] = ['log', 'text', 'composer', 'retry', 'stay', 'latest'].map(at)

const url = serverUrl(new URLSearchParams(location.search))
const name = keptName(at('name'))
const messages = createMessageList(at('messages'), { sendAgain: publish })

let room
if (!window.Steadywire) {
  say({ mood: 'stopped', text: 'Stopped: steadywire.global.js is missing. Run npm run build, then reload.' }, 'failed')
} else if (!url) {
  say(
    { mood: 'stopped', text: 'Stopped: only a ws: or wss: server on this host may be named in the address.' },
    'failed',
  )
} else {
  room = join()
}
if (!room) for (const control of [stay, ...composer.elements]) control.disabled = true

function join() {
  // What a person wrote is worth more than a minute of patience: it waits ten before it counts as not sent.
  const client = Steadywire.createClient({ url, publish: { timeoutMs: 600_000 } })
  const channel = client.channel('chat:lobby')

  channel.on('message', (data, message) => changing(() => messages.received(data, message)))
  channel.onReset((reset) => changing(() => messages.reset(reset)))

  let nextSecond
  const show = () => {
    const connection = client.state.getSnapshot()
    const inRoom = channel.state.getSnapshot()
    const words = connectionWords(connection, inRoom, { nowMs: Date.now(), online: navigator.onLine })
    say({ ...words, synced: syncedWords(inRoom) }, connection.status)
    messages.setLive(connection.status === 'connected')
    stay.checked = connection.status !== 'disconnected'
    clearTimeout(nextSecond)
    const leftMs = connection.retryAtMs - Date.now()
    if (leftMs > 0) nextSecond = setTimeout(show, leftMs % 1_000 || 1_000)
  }
  client.state.subscribe(show)
  channel.state.subscribe(show)
  addEventListener('online', show)
  addEventListener('offline', show)
  retry.addEventListener('click', () => client.retryNow())
  stay.addEventListener('change', () => (stay.checked ? client.connect() : client.disconnect()))
  show()
  return channel
}

// Settles in exactly one of three ways, and the message says which.
function publish(draft) {
  room.publish('message', { key: draft.key, name: draft.name, text: draft.text }).then(
    (receipt) => changing(() => messages.acknowledged(draft, receipt)),
    (error) => changing(() => messages.failed(draft, error)),
  )
}

function say({ mood, text, spoken = text, synced = '', retry: canRetry = false }, state) {
  Object.assign(at('connection').dataset, { mood, state })
  at('words').textContent = text
  at('synced').textContent = synced
  if (at('spoken').textContent !== spoken) at('spoken').textContent = spoken
  if (!canRetry) keepFocus(retry)
  retry.hidden = !canRetry
}

// A button that goes away must not take the keyboard's place on the page with it.
function keepFocus(button) {
  if (document.activeElement === button) log.focus({ preventScroll: true })
}

// The composer.

composer.addEventListener('submit', (event) => {
  event.preventDefault()
  const written = text.value.trim()
  if (written === '' || written.length > MAX_CHARACTERS) return
  text.value = ''
  fitText()
  follow = true
  changing(() => publish(messages.addDraft({ key: randomKey(), name: name(), text: written })))
})

text.addEventListener('keydown', (event) => {
  // During the composition of a character, Enter belongs to the input method.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  composer.requestSubmit()
})

text.addEventListener('input', fitText)

function fitText() {
  text.style.height = 'auto'
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`
  const excess = text.value.trim().length - MAX_CHARACTERS
  at('excess').hidden = excess <= 0
  at('hint').hidden = excess > 0
  at('excess').textContent = `${excess} characters too long: a message holds ${MAX_CHARACTERS}`
}

// Before the buttons of a message do their work, which removes them.
at('messages').addEventListener('click', ({ target }) => keepFocus(target.closest('button')), { capture: true })

// The log follows the newest message while its end is in sight, and says so when it is not.

let follow = true

function changing(change) {
  // Measuring makes the browser lay the page out: only where the answer is needed.
  const heightBefore = follow ? 0 : log.scrollHeight
  change()
  at('empty').hidden = !messages.isEmpty()
  if (follow) requestAnimationFrame(scrollToEnd)
  else if (log.scrollHeight > heightBefore) latest.hidden = false
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight
}

log.addEventListener('scroll', () => {
  follow = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_BOTTOM_PX
  if (follow) latest.hidden = true
})

latest.addEventListener('click', () => {
  scrollToEnd()
  text.focus()
})

// A keyboard that slides in must not hide what was in sight.
new ResizeObserver(() => follow && scrollToEnd()).observe(log)

at('joined').textContent = `You came in at ${new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`
at('second').href = location.href

// Where the server is: this host, unless `?port=` or `?server=` name another place on this machine.
function serverUrl(parameters) {
  const host = parameters.has('port') ? `${location.hostname}:${parameters.get('port')}` : location.host
  const ownHost = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${host}/realtime`
  const named = parameters.get('server') ?? ownHost
  if (!URL.canParse(named)) return undefined
  const { protocol, hostname, href } = new URL(named)
  const isNear = ['localhost', '127.0.0.1', '[::1]', location.hostname].includes(hostname)
  return isNear && ['ws:', 'wss:'].includes(protocol) ? href : undefined
}

// One name for each tab, so that two tabs are two people. Storage may be denied; then the name lives as long as the page.
function keptName(input) {
  const pick = (words) => words[Math.floor(Math.random() * words.length)]
  const drawn = `${pick(['Calm', 'Quick', 'Bright', 'Quiet', 'Bold', 'Kind'])} ${pick(['Otter', 'Heron', 'Lynx', 'Wren', 'Seal', 'Hare'])}`
  try {
    input.value = sessionStorage.getItem('name') ?? drawn
  } catch {
    input.value = drawn
  }
  const keep = () => {
    if (input.value.trim() === '') input.value = drawn
    try {
      sessionStorage.setItem('name', input.value)
    } catch {
      // Denied: nothing is lost but the name's next life.
    }
  }
  keep()
  input.addEventListener('change', keep)
  return () => input.value.trim() || drawn
}

// Not crypto.randomUUID: plain http on a local network has none.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('')
}
