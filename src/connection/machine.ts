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
}

/** Nothing has happened yet. */
export const IDLE: Connection = { phase: 'idle', cause: null }

/** The connection after `trigger`; the same value where nothing changes; `never` where it could not have happened. */
export function move(connection: Connection, trigger: Trigger, cause: Cause | null): Connection | 'never' {
  const phase = TABLE[connection.phase][trigger]
  if (phase === 'never') return phase
  if (phase === 'stay') return connection
  // The reason for an outage stays visible while it lasts, also through the next try; out of a rest nothing is left of it.
  const goesOn = PHASES[phase].status === 'trying' && PHASES[connection.phase].timer
  return { phase, cause: cause ?? (goesOn ? connection.cause : null) }
}

/** What the application sees of `phase` when it saw `before`: trying again is `reconnecting` once it was connected. */
export function publicStatus(phase: Phase, before: Status): Status {
  const { status } = PHASES[phase]
  if (status !== 'trying') return status
  return before === 'connected' || before === 'reconnecting' ? 'reconnecting' : 'connecting'
}
