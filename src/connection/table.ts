// Every transition of the connection: phase × trigger → phase.
//
// Rules of this file:
// - Total: the type refuses a phase without an answer to a trigger. A row says what is peculiar to its phase.
// - `stay`: legal, nothing changes. `never`: cannot happen once events of old sockets have been dropped; if it does, it is
//   a bug: it is reported, and the socket is replaced. That turns a wrong state into a reconnect.
// - `due` is a deadline that leads on: time to ask, time to try again. One that means failure arrives as `lost`.
// - `heard` is the answer to our newest question. `nudge` is a hint: it may hurry, never decide.
// - `connect` never cuts a wait nor leaves `failed`: a re-render must defeat neither the backoff nor a refusal. `retry` does.

import type { Phase } from './phases.ts'

/** Something that happened to the connection. */
export type Trigger =
  | 'connect'
  | 'disconnect'
  | 'retry'
  | 'authorized'
  | 'opened'
  | 'welcomed'
  | 'lost'
  | 'rejected'
  | 'due'
  | 'heard'
  | 'nudge'
  | 'moved'
  | 'logout'
  | 'close'

export type Cell = Phase | 'stay' | 'never'

type Row = { readonly [T in Trigger]: Cell }

/** No socket, and nobody has been asked for an address. */
const AT_REST = {
  connect: 'authorizing',
  disconnect: 'stopped',
  retry: 'authorizing',
  authorized: 'stay',
  opened: 'never',
  welcomed: 'never',
  lost: 'never',
  rejected: 'never',
  due: 'never',
  heard: 'never',
  nudge: 'stay',
  moved: 'never',
  logout: 'idle',
  close: 'closed',
} as const satisfies Row

/** On the way to a session, or in one. */
const UNDER_WAY = {
  ...AT_REST,
  connect: 'stay',
  retry: 'stay',
  authorized: 'never',
  lost: 'waiting',
  rejected: 'failed',
} as const satisfies Row

export const TABLE: { readonly [P in Phase]: Row } = {
  idle: { ...AT_REST, logout: 'stay' },
  authorizing: { ...UNDER_WAY, authorized: 'opening' },
  opening: { ...UNDER_WAY, opened: 'handshaking' },
  handshaking: { ...UNDER_WAY, welcomed: 'live', heard: 'stay' },
  live: { ...UNDER_WAY, due: 'probing', heard: 'stay', nudge: 'probing', moved: 'authorizing' },
  probing: { ...UNDER_WAY, heard: 'live', moved: 'authorizing' },
  waiting: { ...AT_REST, connect: 'stay', rejected: 'failed', due: 'authorizing' },
  stopped: { ...AT_REST, disconnect: 'stay' },
  failed: { ...AT_REST, connect: 'stay' },
  closed: { ...AT_REST, connect: 'stay', disconnect: 'stay', retry: 'stay', logout: 'stay', close: 'stay' },
}
