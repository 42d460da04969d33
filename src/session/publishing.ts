// Publishes: in, out, and settled in exactly one of three ways.
//
// Rules of this file:
// - Every publish that came in is settled by exactly one `settle` effect.
// - A publish that was never sent is rejected; one that was sent and not answered is unknown. Nothing else is ever said.
// - Without a record of producers on the server (level 1) an answer can only come on the socket that carried the publish.

import { PHASES } from '../connection/phases.ts'
import type { Entry } from '../delivery/outbox.ts'
import type { Publish, Receipt } from '../effects.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import { encodeFrame, type OutgoingFrame } from '../protocol/codec.ts'
import type { AckFrame, NackFrame } from '../protocol/frames.ts'
import { channelRecord, type Core, send, sweepAt, touch, type Violation } from './core.ts'

/** No more than this is left waiting in the socket: what is still here can be given up, and a ping is not stuck behind it. */
const MAX_UNDRAINED_BYTES = 32_768

/** Takes a publish in, or settles it at once. Tells which. */
export function publish(core: Core, request: Publish, refused: ErrorCode | false = false): boolean {
  const { connection, closeDueAtMs, settings, outbox, now } = core
  const record = channelRecord(core, request.channel)
  const { bytes } = encodeFrame(pubFrame(request, Number.MAX_SAFE_INTEGER))
  const refusal =
    refused ||
    (!PHASES[connection.phase].accepts || closeDueAtMs < Infinity
      ? 'closed'
      : bytes > settings.maxFrameBytes
        ? 'frame-too-large'
        : !outbox.offer(request, bytes, now.awakeMs) && 'outbox-full')
  record.pending++
  if (refusal) settle(core, request, new RealtimeError(refusal, { outcome: 'rejected' }))
  else touch(core, record)
  return !refusal
}

function pubFrame({ channel, id, name, dataText, base }: Publish, sequence: number): OutgoingFrame {
  return { type: 'pub', channel, sequence, id, name, dataText, base }
}

/** Sends what may be sent, in the order of calls, within the server's window and a nearly empty socket. */
export function pump(core: Core): void {
  const { outbox, limits, now, channels } = core
  const isReady = ({ sequence, channel }: Entry) =>
    !sequence && channels.get(channel)?.attachment.granted.includes('write')
  if (!limits) return
  for (const entry of outbox.pick(isReady)) {
    const { bytes } = entry
    if (bytes > limits.messageBytes) giveUp(core, [entry], 'frame-too-large')
    else if (now.bufferedBytes + now.outgoingBytes + core.stepBytes < MAX_UNDRAINED_BYTES && outbox.take(entry, limits, now.awakeMs)) {
      send(core, pubFrame(entry, entry.sequence))
      core.stepBytes += bytes
    } else return
  }
}

export function acked(core: Core, { channel, sequence, offset }: AckFrame): Violation {
  const { epoch } = channelRecord(core, channel).attachment
  return answered(core, channel, sequence, ({ id }) => ({ id, epoch, offset }))
}

export function nacked(core: Core, { channel, sequence, code, message }: NackFrame): Violation {
  const known = code === 'too-large' ? 'frame-too-large' : knownErrorCode(code, 'invalid')
  return answered(core, channel, sequence, () => new RealtimeError(known, { outcome: 'rejected', message }))
}

function answered(
  core: Core,
  channel: string,
  sequence: number,
  result: (entry: Entry) => Receipt | RealtimeError,
): Violation {
  const entry = core.outbox.answer(channel, sequence)
  if (entry === 'never-sent') return 'an answer to what was never sent'
  if (entry !== 'settled') settle(core, entry, result(entry))
}

/** The application no longer wants to wait. */
export function abort(core: Core, { id }: { readonly id: string }): void {
  giveUp(
    core,
    core.outbox.pick((entry) => entry.id === id),
    'aborted',
  )
}

/** The channel may not be written: what was never sent is refused for good. */
export function refuseWaiting(core: Core, channel: string, code: ErrorCode): void {
  giveUp(
    core,
    core.outbox.pick((entry) => entry.channel === channel && !entry.sequence),
    code,
  )
}

/** Settles what will not be answered: rejected if it was never sent, else unknown. */
export function giveUp(core: Core, entries: readonly Entry[], code: ErrorCode): void {
  for (const entry of entries) {
    core.outbox.release(entry)
    settle(core, entry, new RealtimeError(code, { outcome: entry.sequence ? 'unknown' : 'rejected' }))
  }
}

function settle(core: Core, { id, channel }: Publish, result: Receipt | RealtimeError): void {
  const record = channelRecord(core, channel)
  record.pending--
  // The next publish is likely: what it needs is kept for a moment.
  record.writeUntilMs = core.now.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.writeUntilMs)
  touch(core, record)
  core.effects.push({ type: 'settle', id, result })
  if (!core.outbox.count()) core.effects.push({ type: 'emit', event: 'drained', detail: core.snapshot })
}
