// Writes into the documents what they show of the code: `npm run diagrams`. The chart of the connection and the close codes
// are in PROTOCOL.md, the errors in docs/errors.md.
//
// Rules of this file:
// - What is written stands between two markers; around them is a text that people write.
// - Functions answer text and touch no file: `test/unit/protocol/document.test.ts` compares. Only the command writes.
// - What code cannot say is a row here, and the compiler refuses a missing one.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PHASES, type Phase } from '../src/connection/phases.ts'
import { TABLE, type Trigger } from '../src/connection/table.ts'
import { type ErrorCode, RealtimeError, type Retry } from '../src/errors.ts'
import { closeMeaning, type ClosePolicy } from '../src/protocol/close-codes.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The documents, each with what is written into it, by the name of its markers. */
export const DOCUMENTS: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'PROTOCOL.md': { 'the connection': connectionChart, 'the close codes': closeCodeTable },
  'docs/errors.md': { 'the errors': errorTable },
}

export function readDocument(path: string): string {
  return readFileSync(`${ROOT}/${path}`, 'utf8')
}

/** The text of a document with all that is generated in it made anew. */
export function renderDocument(path: string, text: string): string {
  return Object.entries(DOCUMENTS[path] ?? {}).reduce((whole, [name, generate]) => {
    const [before, , after] = splitAt(whole, `<!-- ${name}: npm run diagrams -->\n`, `<!-- end of ${name} -->\n`)
    return `${before}\n${generate()}\n${after}`
  }, text)
}

function splitAt(text: string, start: string, end: string): [before: string, between: string, after: string] {
  const startAt = text.indexOf(start) + start.length
  const endAt = text.indexOf(end, startAt)
  if (startAt < start.length || endAt < 0) throw new Error(`The markers ${start.trim()} and ${end.trim()} are missing.`)
  return [text.slice(0, startAt), text.slice(startAt, endAt), text.slice(endAt)]
}

// the connection

const TRIGGERS: { readonly [T in Trigger]: string } = {
  connect: 'the application asks for a connection, or uses a channel for the first time',
  disconnect: 'the application wants none for now',
  retry: 'the application asks to try at once: `retryNow()`',
  authorized: 'the address to dial is known, and the token if there is one',
  opened: 'the socket is open; `hello` is sent',
  welcomed: '`welcome` has come',
  lost: 'the socket has ended or is given up, or something has taken too long',
  rejected: 'trying again will not help by itself',
  due: 'the wait is over: time to ask, or time to try again',
  heard: 'the pong to the newest ping has come',
  nudge: 'a hint of the page or the network, or an answer that is late',
  moved: 'the server is about to stop, and it is this client’s turn to leave it',
  logout: 'the application forgets the person',
  close: 'the application is done with the client',
}

/** A trigger that leads to one phase from nearly everywhere is told in a sentence: its arrows would hide the others. */
function connectionChart(): string {
  const phases = Object.keys(TABLE) as Phase[]
  const triggers = Object.keys(TRIGGERS) as Trigger[]
  const sentences: string[] = []
  const arrows = new Map<string, Trigger[]>()
  for (const trigger of triggers) {
    const moving = phases.filter((phase) => !['stay', 'never'].includes(TABLE[phase][trigger]))
    const targets = new Set(moving.map((phase) => TABLE[phase][trigger]))
    if (targets.size === 1 && moving.length >= phases.length - 2) {
      const others = phases.filter((phase) => !moving.includes(phase)).map((phase) => `\`${phase}\``)
      sentences.push(
        `- From every phase but ${others.join(' and ')}, \`${trigger}\` leads to \`${[...targets].join('')}\`.`,
      )
    } else
      for (const phase of moving) {
        const arrow = `${phase} --> ${TABLE[phase][trigger]}`
        arrows.set(arrow, [...(arrows.get(arrow) ?? []), trigger])
      }
  }
  const chart = [...arrows].map(([arrow, causes]) => `  ${arrow}: ${causes.join(', ')}`)
  const rows = phases.map((phase) => [`\`${phase}\``, `\`${statusOf(phase)}\``, PHASES[phase].socket ? 'yes' : ''])
  return [
    '```mermaid',
    'stateDiagram-v2',
    '  [*] --> idle',
    ...chart,
    '```',
    '',
    ...sentences,
    '',
    table(
      ['trigger', 'what has happened'],
      triggers.map((trigger) => [`\`${trigger}\``, TRIGGERS[trigger]]),
    ),
    table(['phase', 'what the application sees', 'has a socket'], rows),
  ].join('\n')
}

function statusOf(phase: Phase): string {
  const { status } = PHASES[phase]
  return status === 'trying' ? 'connecting` or `reconnecting' : status
}

// errors and close codes

interface Told {
  /** What happened, for developers. */
  readonly happened: string
  /** What a page may show to the person before it. */
  readonly words: string
}

const CONNECTING = 'Connection lost. Reconnecting…'

const ERRORS: { readonly [Code in ErrorCode]: Told } = {
  aborted: { happened: 'The `signal` of the publish was aborted.', words: 'This was cancelled.' },
  closed: { happened: 'The client has been closed, or is closing.', words: 'This page is no longer connected.' },
  config: {
    happened: 'An option, an argument or the address cannot be used; the message names it.',
    words: 'This page cannot connect.',
  },
  'connection-lost': {
    happened: 'The connection has ended, or is given up because nothing came over it.',
    words: CONNECTING,
  },
  'connection-refused': {
    happened: 'The server could not be reached, or the address was not to be had.',
    words: 'No connection. Trying again…',
  },
  'epoch-changed': {
    happened: 'The channel’s history was lost while the publish was on its way: it may have been part of it.',
    words: 'This may or may not have been sent.',
  },
  forbidden: { happened: 'The server refuses this to the present user.', words: 'You do not have access to this.' },
  'frame-too-large': {
    happened: 'The message is larger than one of the two sides accepts.',
    words: 'This is too large to send.',
  },
  'gave-up': {
    happened: 'As many tries as `backoff.maxAttempts` allows have failed.',
    words: 'No connection. Try again?',
  },
  internal: {
    happened: 'Something that cannot happen has happened, here or in the server.',
    words: 'Something went wrong.',
  },
  invalid: {
    happened: 'The data, or the name of the message, is not acceptable.',
    words: 'This cannot be sent as it is.',
  },
  'history-lost': {
    happened: 'The history that was asked for is gone: another one has begun.',
    words: 'Older messages are gone.',
  },
  unsupported: { happened: 'The server does not offer this.', words: 'This does not work here.' },
  'logged-out': { happened: 'The application has called `logout()`.', words: 'You have signed out.' },
  'outbox-full': { happened: 'As much waits to be sent as `outbox` allows.', words: 'Too much is waiting to be sent.' },
  protocol: {
    happened: 'One of the two sides has said what the other does not understand.',
    words: 'This page is out of date. Reload it.',
  },
  'rate-limited': {
    happened: 'The server asks for fewer connections or requests.',
    words: 'The server is busy. Trying again…',
  },
  'record-lost': {
    happened: 'The server no longer knows what this client has sent: it may have stored the publish.',
    words: 'This may or may not have been sent.',
  },
  replaced: { happened: 'A newer connection acts for this client.', words: 'You are connected elsewhere. Go on here?' },
  'server-error': {
    happened: 'The server has reported trouble of its own.',
    words: 'The server has a problem. Trying again…',
  },
  'server-unavailable': {
    happened: 'The server accepts no work at the moment.',
    words: 'The server is not available. Trying again…',
  },
  'stale-base': {
    happened: 'The channel has moved past the position that the publish named as its base.',
    words: 'This has changed meanwhile.',
  },
  superseded: {
    happened: 'The server had refused the publish, and the reason was lost with the connection.',
    words: 'This was not sent.',
  },
  timeout: { happened: 'There was no answer in time.', words: 'This took too long.' },
  'too-many': { happened: 'The server’s limit for this is reached.', words: 'Too many are open.' },
  unauthorized: { happened: 'The server did not accept who this is.', words: 'You are signed out. Sign in again.' },
}

const RETRY: { readonly [R in Retry]: string } = {
  now: 'at once',
  later: 'later',
  never: 'not without a change',
}

function errorTable(): string {
  const rows = (Object.keys(ERRORS) as ErrorCode[]).map((code) => {
    const { remedy, retry } = new RealtimeError(code)
    return [`\`${code}\``, ERRORS[code].happened, remedy, RETRY[retry], ERRORS[code].words]
  })
  return table(
    ['code', 'what happened', 'what to do (`remedy`)', 'can the same succeed (`retry`)', 'words for the person'],
    rows,
  )
}

const CLOSE_CODES: readonly (readonly [closeCodes: readonly number[], meaning: string, note?: string])[] = [
  [[4400], 'a broken message, an impossible value, or a frame out of order', 'The third in a row stops it.'],
  [[4401], 'no token, one that is not accepted, or one that has expired'],
  [[4403], 'this user may not connect, or the producer is another user’s'],
  [[4408], 'no `hello` in time'],
  [[4409], 'a newer connection acts for the producer'],
  [[4429], 'too many connections, or one that does not read what it is sent'],
  [[4500], 'the server has failed'],
  [[4503], 'the server is closing, or cannot reach what it needs'],
  [[1002, 1003, 1007], 'not WebSocket, not text, not UTF-8'],
  [[1008], 'a proxy’s or another server’s policy'],
  [[1009], 'a message larger than `limits.messageBytes`'],
  [[1011, 1013], 'another server’s words for trouble of its own'],
  [[1000, 1001, 1005, 1006, 1012], 'the connection is lost; any code that is not listed means the same'],
]

const POLICIES: { readonly [P in ClosePolicy]: string } = {
  retry: 'Tries again after a wait.',
  'retry-slower': 'Tries again after a wait of a second or more.',
  reauthorize: 'Tries again; the second in a row stops it.',
  replace: 'Stops. If told to go on, it does so as a new producer.',
  stop: 'Stops.',
}

function closeCodeTable(): string {
  const rows = CLOSE_CODES.flatMap(([closeCodes, meaning, note]) => {
    const meanings = new Set(closeCodes.map((closeCode) => JSON.stringify(closeMeaning(closeCode))))
    if (meanings.size > 1) throw new Error(`${closeCodes.join(', ')} do not mean the same: ${[...meanings].join(' ')}`)
    const { policy, code } = closeMeaning(closeCodes[0] as number)
    const does = [`\`${policy}\`: ${POLICIES[policy]}`, ...(note ? [note] : [])].join(' ')
    return [[closeCodes.join(', '), meaning, does, `\`${code}\``, ERRORS[code].words]]
  })
  return table(['code', 'meaning', 'what the client does', 'cause', 'words for the person'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + `|${'---|'.repeat(head.length)}\n` + rows.map(line).join('')
}

if (import.meta.main)
  for (const path of Object.keys(DOCUMENTS)) {
    const before = readDocument(path)
    const after = renderDocument(path, before)
    if (after !== before) writeFileSync(`${ROOT}/${path}`, after)
    console.log(`${path}: ${after === before ? 'up to date' : 'written'}`)
  }
