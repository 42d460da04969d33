// What is true of each phase of the connection, for everyone who would otherwise list phases.

import type { Status } from '../snapshots.ts'

/** A state the connection can be in. */
export type Phase =
  | 'idle'
  | 'authorizing'
  | 'opening'
  | 'handshaking'
  | 'live'
  | 'probing'
  | 'waiting'
  | 'stopped'
  | 'failed'
  | 'closed'

export interface PhaseFacts {
  /** `trying` is `connecting`, or `reconnecting` once it had been connected. */
  readonly status: Exclude<Status, 'connecting' | 'reconnecting'> | 'trying'
  /** A socket belongs to this phase. */
  readonly socket: boolean
  /** Frames beyond the greeting may be sent. */
  readonly sends: boolean
  /** Publishes may be queued. */
  readonly accepts: boolean
  /** What the deadline of this phase means: `due` leads on, `lost` is a failure. `null` where none runs. */
  readonly timer: 'due' | 'lost' | null
}

function facts(status: PhaseFacts['status'], timer: PhaseFacts['timer'] = null, socket = false): PhaseFacts {
  return { status, timer, socket, sends: status === 'connected', accepts: status !== 'closed' }
}

export const PHASES: { readonly [P in Phase]: PhaseFacts } = {
  idle: facts('idle'),
  authorizing: facts('trying', 'lost'),
  opening: facts('trying', 'lost', true),
  handshaking: facts('trying', 'lost', true),
  live: facts('connected', 'due', true),
  probing: facts('connected', 'lost', true),
  waiting: facts('trying', 'due'),
  stopped: facts('disconnected'),
  failed: facts('failed'),
  closed: facts('closed'),
}
