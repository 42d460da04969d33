// G19: only the table's transitions happen, each told once, in order.

import { publicStatus } from '../../../src/connection/machine.ts'
import { type Phase, PHASES } from '../../../src/connection/phases.ts'
import { TABLE } from '../../../src/connection/table.ts'
import type { Status } from '../../../src/snapshots.ts'
import { type Checker, violation } from './checker.ts'

const STATUSES: readonly Status[] = [
  'idle',
  'connecting',
  'connected',
  'reconnecting',
  'disconnected',
  'failed',
  'closed',
]

/** Which status may follow which, as the table says: one step of it, from any phase that looks like the first. */
const FOLLOWERS = new Map(
  STATUSES.map((status) => {
    const phases = (Object.keys(TABLE) as Phase[]).filter((phase) => publicStatus(phase, status) === status)
    const next = phases.flatMap((phase) => Object.values(TABLE[phase]).filter((cell): cell is Phase => cell in PHASES))
    return [status, new Set(next.map((phase) => publicStatus(phase, status)))] as const
  }),
)

export function machine(): Checker {
  return {
    stepped(client, _input, effects, statusBefore) {
      const { status } = client.session.getSnapshot()
      let told = statusBefore as Status
      for (const effect of effects) {
        if (effect.type !== 'emit' || effect.event !== 'status') continue
        const { detail } = effect
        if (detail.previous !== told) violation('G19', `${client.name} tells of ${detail.previous}, it was ${told}`)
        if (!FOLLOWERS.get(told)?.has(detail.status))
          violation('G19', `${client.name} went from ${told} to ${detail.status}`)
        told = detail.status
      }
      if (told !== status) violation('G19', `${client.name} is ${status} and has told of ${told}`)
    },
  }
}
