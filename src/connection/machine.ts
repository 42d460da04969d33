// The connection as one immutable value, and the only function that changes its phase.
//
// Rules of this file:
// - The table decides; what a transition entails (sockets, timers, frames) is the session's business.
// - `attempt` counts tries since the last stable session. A session that is accepted and closed at once does not reset it.
// - Strikes count refusals that are forgiven a few times: they reset with a stable session too.

import type { Cause, ErrorCode } from '../errors.ts'
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
  /** How often each kind of refusal has come since the last stable session. */
  readonly strikes: { readonly [Code in ErrorCode]?: number }
}

/** What holds out of every rest and after every stable session. */
export const IDLE: Connection = {
  phase: 'idle',
  cause: null,
  wasConnected: false,
  attempt: 0,
  outageAtMs: 0,
  liveAtMs: Infinity,
  strikes: {},
}

/** The connection after `trigger`; the same value where nothing changes; `never` where it could not have happened. */
export function move(connection: Connection, trigger: Trigger, cause: Cause | null): Connection | 'never' {
  const phase = TABLE[connection.phase][trigger]
  if (phase === 'never') return phase
  if (phase === 'stay') return connection
  const { status } = PHASES[phase]
  const isTrying = status === 'trying'
  // Out of a rest everything starts from the beginning.
  const before = PHASES[connection.phase].timer ? connection : IDLE
  return {
    ...before,
    phase,
    // The reason for an outage stays visible while it lasts, also through the next try.
    cause: cause ?? (isTrying ? before.cause : null),
    wasConnected: status === 'connected' || (isTrying && before.wasConnected),
  }
}

/** What the application sees. */
export function publicStatus({ phase, wasConnected }: Connection): Status {
  const { status } = PHASES[phase]
  return status !== 'trying' ? status : wasConnected ? 'reconnecting' : 'connecting'
}
