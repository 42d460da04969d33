// What is true of each phase of the connection. No other file compares phase names to learn one of these facts.

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
  /** The deadline that runs in this phase, and the clock it runs on: sleep counts towards a backoff, not against an answer. */
  readonly timer: 'authorize' | 'open' | 'welcome' | 'silence' | 'pong' | 'backoff' | null
}

const trying = { status: 'trying', socket: false, sends: false, accepts: true } as const
const connected = { status: 'connected', socket: true, sends: true, accepts: true } as const
const resting = { socket: false, sends: false, accepts: true, timer: null } as const

export const PHASES: { readonly [P in Phase]: PhaseFacts } = {
  idle: { ...resting, status: 'idle' },
  authorizing: { ...trying, timer: 'authorize' },
  opening: { ...trying, socket: true, timer: 'open' },
  handshaking: { ...trying, socket: true, timer: 'welcome' },
  live: { ...connected, timer: 'silence' },
  probing: { ...connected, timer: 'pong' },
  waiting: { ...trying, timer: 'backoff' },
  stopped: { ...resting, status: 'disconnected' },
  failed: { ...resting, status: 'failed' },
  closed: { ...resting, status: 'closed', accepts: false },
}
