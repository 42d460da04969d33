// The connection as one immutable value, and the only function that changes its phase.
//
// Rules of this file:
// - The table decides; what a transition entails (sockets, timers, frames) is the session's business.

import type { Cause } from '../errors.ts'
import { PHASES, type Phase } from './phases.ts'
import type { Status } from '../snapshots.ts'
import { TABLE, type Trigger } from './table.ts'

export interface Connection {
  readonly phase: Phase
  /** Why it is where it is; `null` where the application asked for it or nothing has gone wrong. */
  readonly cause: Cause | null
  /** It was connected since the application last asked for a connection: trying again is `reconnecting`. */
  readonly wasConnected: boolean
}

/** Nothing has happened yet. */
export const IDLE: Connection = { phase: 'idle', cause: null, wasConnected: false }

/** The connection after `trigger`; the same value where nothing changes; `never` where it could not have happened. */
export function move(connection: Connection, trigger: Trigger, cause: Cause | null): Connection | 'never' {
  const phase = TABLE[connection.phase][trigger]
  if (phase === 'never') return phase
  if (phase === 'stay') return connection
  const { status } = PHASES[phase]
  const isTrying = status === 'trying'
  // The reason for an outage stays visible while it lasts, also through the next try; out of a rest nothing is left of it.
  const goesOn = isTrying && PHASES[connection.phase].timer !== null
  return {
    phase,
    cause: cause ?? (goesOn ? connection.cause : null),
    wasConnected: status === 'connected' || (goesOn && connection.wasConnected),
  }
}

/** What the application sees. */
export function publicStatus({ phase, wasConnected }: Connection): Status {
  const { status } = PHASES[phase]
  return status !== 'trying' ? status : wasConnected ? 'reconnecting' : 'connecting'
}
