// Publishes: in, out, and settled in exactly one of three ways.
//
// Rules of this file:
// - Every publish that came in is settled by exactly one `settle` effect.
// - A publish that was never sent is rejected; one that was sent and is given up is unknown. Nothing else is ever said.
// - The server's record of this producer (level 2) outlives the socket: on the next one it tells what it has stored, and the
//   rest is sent again under the same sequence. Another incarnation of the record knows nothing of what was sent before it.
// - Without a record (level 1) an answer can only come on the socket that carried the publish.

import { PHASES } from '../connection/phases.ts'
import { answer, type Entry, isUnsent, offer, pick, release, renew, take } from '../delivery/outbox.ts'
import type { InputOf, Publish, Receipt } from '../effects.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import { encodeFrame, type OutgoingFrame } from '../protocol/codec.ts'
import type { AckFrame, AttachedFrame, NackFrame } from '../protocol/frames.ts'
import { type ChannelRecord, channelRecord, type Core, send, sweepAt, touch, type Violation } from './core.ts'

/** No more than this is left waiting in the socket: what is still here can be given up, and a ping is not stuck behind it. */
export const MAX_UNDRAINED_BYTES = 32_768

/** Takes a publish in, or settles it at once. */
export function publish(core: Core, request: Publish): void {
  const { bytes } = encodeFrame(pubFrame(request, Number.MAX_SAFE_INTEGER))
  const refusal =
    request.refusal ||
    (!PHASES[core.phase].accepts || core.closeDueAtMs < Infinity
      ? 'closed'
      : bytes > core.settings.maxFrameBytes && 'frame-too-large')
  const evicted = !refusal && offer(core.publishes, request, bytes, core.clock.awakeMs, core.settings.outbox)
  if (!evicted) {
    const error = new RealtimeError(refusal || 'outbox-full', { outcome: 'rejected' })
    core.effects.push({ type: 'settle', id: request.id, result: error })
    return
  }
  const record = channelRecord(core, request.channel)
  record.unsettled++
  touch(core, record)
  giveUp(core, evicted, 'outbox-full')
}

function pubFrame({ channel, id, name, dataText, base }: Publish, sequence: number): OutgoingFrame {
  return { type: 'pub', channel, sequence, id, name, dataText, base }
}

/** Sends what may be sent, in the order of calls, within the server's window and a nearly empty socket. */
export function pump(core: Core): void {
  let undrainedBytes = core.clock.waitingBytes
  const { publishesPerSecond, publishBurst } = core.serverLimits
  const everyMs = 1_000 / (publishesPerSecond || Infinity)
  for (const entry of core.publishes.unsettled) {
    if (entry.socketId === core.socketId || !canWrite(core, entry.channel)) continue
    if (entry.bytes > core.serverLimits.messageBytes) giveUp(core, [entry], 'frame-too-large')
    else if (core.paceAtMs > core.clock.awakeMs) return sweepAt(core, core.paceAtMs)
    else if (
      undrainedBytes < MAX_UNDRAINED_BYTES &&
      take(core.publishes, entry, core.serverLimits, core.clock.awakeMs)
    ) {
      entry.socketId = core.socketId
      entry.incarnationId ??= channelRecord(core, entry.channel).incarnationId
      send(core, pubFrame(entry, entry.sequence))
      undrainedBytes += entry.bytes
      // So many at once after a pause, then one after the other.
      core.paceAtMs = Math.max(core.paceAtMs, core.clock.awakeMs - (publishBurst - 1) * everyMs) + everyMs
    } else return
  }
}

/** Between a `sub` and its answer nothing is published: under which record the server would store it, nobody could say. */
export function canWrite(core: Core, channel: string): boolean {
  const { granted, askedAtMs } = channelRecord(core, channel)
  return granted.includes('write') && askedAtMs === Infinity
}

export function acked(core: Core, frame: AckFrame): Violation {
  return answered(core, frame, ({ id }) => {
    return { id, epoch: channelRecord(core, frame.channel).historyEpoch, offset: frame.offset }
  })
}

export function nacked(core: Core, frame: NackFrame): Violation {
  const code = frame.code === 'too-large' ? 'frame-too-large' : knownErrorCode(frame.code, 'invalid')
  return answered(core, frame, ({ isDoubtful }) => {
    // That is certain, unless the server may have stored it before.
    return new RealtimeError(code, { outcome: isDoubtful ? 'unknown' : 'rejected', message: frame.message })
  })
}

function answered(
  core: Core,
  frame: AckFrame | NackFrame,
  result: (entry: Entry) => Receipt | RealtimeError,
): Violation {
  const entry = answer(core.publishes, frame.channel, frame.sequence)
  if (entry === 'never-sent') return 'protocol'
  if (entry !== 'settled') settle(core, entry, result(entry))
}

/** The channel may not be written: what this socket has not carried never will be. */
export function refuseUnsent(core: Core, channel: string, code: ErrorCode): void {
  giveUp(
    core,
    pick(core.publishes, (entry) => entry.channel === channel && entry.socketId !== core.socketId),
    code,
  )
}

/** The server's record tells what it has stored, and by its incarnation whether it can know of the rest. */
export function reconcile(core: Core, record: ChannelRecord, frame: AttachedFrame): void {
  const lostCode = record.historyEpoch === frame.top.epoch ? 'record-lost' : 'epoch-changed'
  record.incarnationId = frame.producer?.incarnation ?? ''
  const stored = new Map(frame.producer?.done.map((one) => [one[0], one]))
  for (const entry of pick(core.publishes, ({ channel, sequence }) => sequence && channel === record.channelName)) {
    const [, id, offset = 0] = stored.get(entry.sequence) ?? []
    if (id === entry.id) {
      release(core.publishes, entry)
      settle(core, entry, { id: entry.id, epoch: frame.top.epoch, offset })
    } else if (entry.incarnationId !== record.incarnationId) loseTrack(core, entry, lostCode)
  }
}

/** Nobody will ever tell what became of it. */
export function loseTrack(core: Core, entry: Entry, code: ErrorCode): void {
  if (core.settings.publish.onUnknown === 'resend') renew(core.publishes, entry)
  else giveUp(core, [entry], code)
}

/** The application has given it up. */
export function abort(core: Core, input: InputOf<'abort'>): void {
  giveUp(
    core,
    pick(core.publishes, ({ id }) => id === input.id),
    'aborted',
  )
}

/** Settles what will not be answered: rejected if it was never sent, else unknown. */
export function giveUp(core: Core, entries: readonly Entry[], code: ErrorCode): void {
  for (const entry of entries) {
    const outcome = isUnsent(entry) ? 'rejected' : 'unknown'
    if (release(core.publishes, entry)) settle(core, entry, new RealtimeError(code, { outcome }))
  }
}

function settle(core: Core, { id, channel }: Publish, result: Receipt | RealtimeError): void {
  const record = channelRecord(core, channel)
  record.unsettled--
  touch(core, record)
  core.effects.push({ type: 'settle', id, result })
  if (!core.publishes.unsettled.size) core.effects.push({ type: 'emit', event: 'drained', detail: core.view })
}
