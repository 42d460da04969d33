// Every transition of the connection: phase × trigger → phase.
//
// Rules of this file:
// - Total: the type makes every pair written down, so none can be forgotten.
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
  | 'close'

export type Cell = Phase | 'stay' | 'never'

// biome-ignore format: a table reads in columns
export const TABLE: { readonly [P in Phase]: { readonly [T in Trigger]: Cell } } = {
  idle:        { connect: 'authorizing', disconnect: 'stopped', retry: 'authorizing', authorized: 'stay',    opened: 'never',       welcomed: 'never', lost: 'never',   rejected: 'never',  due: 'never',       heard: 'never', nudge: 'stay',    close: 'closed' },
  authorizing: { connect: 'stay',        disconnect: 'stopped', retry: 'stay',        authorized: 'opening', opened: 'never',       welcomed: 'never', lost: 'waiting', rejected: 'failed', due: 'never',       heard: 'never', nudge: 'stay',    close: 'closed' },
  opening:     { connect: 'stay',        disconnect: 'stopped', retry: 'stay',        authorized: 'never',   opened: 'handshaking', welcomed: 'never', lost: 'waiting', rejected: 'failed', due: 'never',       heard: 'never', nudge: 'stay',    close: 'closed' },
  handshaking: { connect: 'stay',        disconnect: 'stopped', retry: 'stay',        authorized: 'never',   opened: 'never',       welcomed: 'live',  lost: 'waiting', rejected: 'failed', due: 'never',       heard: 'stay',  nudge: 'stay',    close: 'closed' },
  live:        { connect: 'stay',        disconnect: 'stopped', retry: 'stay',        authorized: 'never',   opened: 'never',       welcomed: 'never', lost: 'waiting', rejected: 'failed', due: 'probing',     heard: 'stay',  nudge: 'probing', close: 'closed' },
  probing:     { connect: 'stay',        disconnect: 'stopped', retry: 'stay',        authorized: 'never',   opened: 'never',       welcomed: 'never', lost: 'waiting', rejected: 'failed', due: 'never',       heard: 'live',  nudge: 'stay',    close: 'closed' },
  waiting:     { connect: 'stay',        disconnect: 'stopped', retry: 'authorizing', authorized: 'stay',    opened: 'never',       welcomed: 'never', lost: 'never',   rejected: 'failed', due: 'authorizing', heard: 'never', nudge: 'stay',    close: 'closed' },
  stopped:     { connect: 'authorizing', disconnect: 'stay',    retry: 'authorizing', authorized: 'stay',    opened: 'never',       welcomed: 'never', lost: 'never',   rejected: 'never',  due: 'never',       heard: 'never', nudge: 'stay',    close: 'closed' },
  failed:      { connect: 'stay',        disconnect: 'stopped', retry: 'authorizing', authorized: 'stay',    opened: 'never',       welcomed: 'never', lost: 'never',   rejected: 'never',  due: 'never',       heard: 'never', nudge: 'stay',    close: 'closed' },
  closed:      { connect: 'stay',        disconnect: 'stay',    retry: 'stay',        authorized: 'stay',    opened: 'never',       welcomed: 'never', lost: 'never',   rejected: 'never',  due: 'never',       heard: 'never', nudge: 'stay',    close: 'stay' },
}
