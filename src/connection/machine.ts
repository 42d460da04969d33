// The connection as one immutable value, and the only function that changes its phase.
//
// Rules of this file:
// - The table decides; what a transition entails (sockets, timers, frames) is the session's business.
// - `attempt` counts tries since the last stable session. A session that is accepted and closed at once does not reset it.
// - Strikes count refusals that are forgiven once: they reset with a stable session too.

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
  /** Tries since the last stable session. */
  readonly attempt: number
  /** When the present outage, or the first try, began; elapsed time. */
  readonly outageAtMs: number
  /** When this session became live; awake time. */
  readonly liveAtMs: number
  /** Tokens refused since the last stable session. */
  readonly unauthorizedCount: number
  /** Bad frames since the last stable session. */
  readonly malformedCount: number
}

export const IDLE: Connection = {
  phase: 'idle',
  cause: null,
  wasConnected: false,
  attempt: 0,
  outageAtMs: 0,
  liveAtMs: 0,
  unauthorizedCount: 0,
  malformedCount: 0,
}

/** The connection after `trigger`; the same value where nothing changes; `never` where it could not have happened. */
export function move(connection: Connection, trigger: Trigger, cause: Cause | null): Connection | 'never' {
  const next = TABLE[connection.phase][trigger]
  if (next === 'never') return 'never'
  if (next === 'stay') return connection
  const { status } = PHASES[next]
  // Out of a rest everything starts from the beginning.
  const base = PHASES[connection.phase].timer === null ? IDLE : connection
  return {
    ...base,
    phase: next,
    // The reason for an outage stays visible while it lasts, also through the next try.
    cause: status === 'trying' ? (cause ?? base.cause) : status === 'connected' ? null : cause,
    wasConnected: status === 'connected' || (status === 'trying' && base.wasConnected),
  }
}

/** Forgets the outage: called when a session is lost that had lived long enough. */
export function afterStableSession(connection: Connection, elapsedMs: number): Connection {
  return { ...connection, attempt: 0, unauthorizedCount: 0, malformedCount: 0, outageAtMs: elapsedMs }
}

/** What the application sees. */
export function publicStatus({ phase, wasConnected }: Connection): Status {
  const { status } = PHASES[phase]
  return status === 'trying' ? (wasConnected ? 'reconnecting' : 'connecting') : status
}
