// What is true now and need not be kept: a cursor, a progress bar.
//
// Rules of this file:
// - Nothing is queued while there is no connection, and nothing is answered. What waits for its turn, or for the channel to
//   be attached, is the newest of its key.
// - Of one key no more than one leaves in `everyMs`. What is more than the server allows it merges.

import type { InputOf } from '../effects.ts'
import { RealtimeError } from '../errors.ts'
import { attach } from './attaching.ts'
import { channelRecord, complain, type Core, send, sends, sweepAt } from './core.ts'
import { canWrite, MAX_UNDRAINED_BYTES } from './publishing.ts'

export function sendVolatile(core: Core, input: InputOf<'volatile'>): void {
  if (!sends(core)) return
  const { channel, name, key } = input.frame
  if (!core.features.includes('volatile')) return complain(core, new RealtimeError('unsupported'), channel)
  const id = JSON.stringify([channel, name, key])
  core.volatiles.set(id, { ...input, dueAtMs: core.volatiles.get(id)?.dueAtMs ?? 0, isSent: false })
  const record = channelRecord(core, channel)
  record.writeUntilMs = core.clock.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.writeUntilMs)
  attach(core, record)
}

/** Sends what has its turn, and forgets what was sent long enough ago. */
export function pumpVolatiles(core: Core): void {
  const { awakeMs } = core.clock
  for (const [id, one] of core.volatiles) {
    const { frame, everyMs, dueAtMs } = one
    if (dueAtMs > awakeMs) sweepAt(core, dueAtMs)
    else if (one.isSent) core.volatiles.delete(id)
    else if (canWrite(core, frame.channel) && core.clock.waitingBytes < MAX_UNDRAINED_BYTES) {
      send(core, frame)
      core.volatiles.set(id, { ...one, dueAtMs: awakeMs + everyMs, isSent: true })
      sweepAt(core, awakeMs + everyMs)
    }
  }
}
