// What the page says: sentences for the connection, for a message and for a break in the history.
//
// Rules of this file:
// - Facts in, words out. Nothing here touches the page or the client.
// - Every state has words of its own; where trying again by hand can help, `retry` says so.

/**
 * The connection in words.
 *
 * `mood` is `good`, `waiting`, `off` or `stopped`. `text` changes with every second of a countdown, `spoken` does not: a
 * screen reader hears each change once.
 *
 * @param connection what `client.state.getSnapshot()` says
 * @param room what `channel.state.getSnapshot()` says
 */
export function connectionWords(connection, room, { nowMs, online }) {
  const { status, cause, retryAtMs } = connection
  const lost = online ? 'Connection lost' : 'Offline'
  switch (status) {
    case 'connected':
      return roomWords(room)
    case 'connecting':
      if (retryAtMs) return countdown('Could not connect', 'next try', retryAtMs - nowMs)
      return words('waiting', 'Connecting…')
    case 'reconnecting':
      if (retryAtMs) return countdown(lost, 'reconnecting', retryAtMs - nowMs)
      return words('waiting', `${lost} — reconnecting…`)
    case 'disconnected':
      return words('off', 'Offline — what you write waits here until you connect again')
    case 'failed':
      return { ...words('stopped', `Stopped: ${sentence(cause.message)} ${cause.remedy}`), retry: true }
    case 'closed':
      return words('stopped', 'Closed. Reload the page to start again.')
    default:
      return words('off', 'Not connected')
  }
}

/** Up to when what the page shows is known to be complete; nothing while the server keeps it so. */
export function syncedWords({ status, fresh, syncedAtMs }) {
  if (syncedAtMs === null || (status === 'live' && fresh !== false)) return ''
  return `Complete up to ${new Date(syncedAtMs).toLocaleTimeString()}`
}

/** Why nobody can tell what became of a message, where the error's own words are for developers. */
const DOUBTS = new Map([
  ['epoch-changed', 'The server was reset meanwhile.'],
  ['record-lost', 'The server was reset meanwhile.'],
  ['timeout', 'No answer has come in time.'],
])

/** What became of a message of one's own that was not acknowledged. */
export function outcomeWords(state, error) {
  if (state === 'unknown') return `May or may not have arrived. ${DOUBTS.get(error.code) ?? sentence(error.message)}`
  return `Not sent. ${sentence(error.message)} ${error.remedy}`
}

/** Why the history does not go on from what stands above. */
export function resetWords(reason) {
  if (reason === 'history-evicted') return 'Messages are missing here — the server no longer keeps them'
  if (reason === 'asked') return 'Started again'
  return 'History restarted — the server was reset'
}

/** Words of an error, or a server's, as a sentence. */
function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

function roomWords({ status, lastError }) {
  if (status === 'live') return words('good', 'Connected')
  if (lastError)
    return words('stopped', `Connected, but not to this room. ${sentence(lastError.message)} ${lastError.remedy}`)
  return words('waiting', 'Connected — catching up…')
}

function words(mood, text) {
  return { mood, text, spoken: text, retry: false }
}

function countdown(what, next, inMs) {
  const seconds = Math.max(1, Math.ceil(inMs / 1_000))
  return { mood: 'waiting', text: `${what} — ${next} in ${seconds} s`, spoken: `${what}, ${next} soon`, retry: true }
}
