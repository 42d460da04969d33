// Publishes: in, out, and settled in exactly one of three ways.
//
// Rules of this file:
// - Every publish that came in is settled by exactly one `settle` effect.
// - A publish that was never sent is rejected; one that was sent and not answered is unknown. Nothing else is ever said.
// - Without a record of producers on the server (level 1) an answer can only come on the socket that carried the publish.

import { PHASES } from '../connection/phases.ts'
import type { Released } from '../delivery/outbox.ts'
import type { PublishRequest, Receipt } from '../effects.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import type { AckFrame, NackFrame } from '../protocol/frames.ts'
import {
  awaitAnswer,
  type ChannelRecord,
  channelRecord,
  type Core,
  send,
  sweepAt,
  touch,
  type Violation,
} from './core.ts'

/** No more than this is left waiting in the socket: what is still here can be given up, and a ping is not stuck behind it. */
const MAX_UNDRAINED_BYTES = 32_768

/** Takes a publish in, or settles it at once. Tells which. */
export function publish(core: Core, request: PublishRequest): boolean {
  core.counters.published++
  const refusal = refusalOf(core, request)
  if (refusal) settle(core, request, new RealtimeError(refusal, { outcome: 'rejected' }))
  else touch(core, channelRecord(core, request.channel))
  return !refusal
}

function refusalOf(core: Core, request: PublishRequest): ErrorCode | undefined {
  if (!PHASES[core.connection.phase].accepts || core.closeDueAtMs !== Infinity) return 'closed'
  if (request.bytes > core.settings.maxFrameBytes) return 'frame-too-large'
  return core.outbox.offer(request, core.now.awakeMs) ? undefined : 'outbox-full'
}

/** Sends what may be sent: channels take turns, within the server's window and a nearly empty socket. */
export function pump(core: Core): void {
  const ready = core.outbox.waitingChannels().filter((name) => canWrite(core.channels.get(name)))
  while (ready.length > 0) {
    for (const channel of [...ready]) {
      if (core.now.bufferedBytes + core.stepBytes >= MAX_UNDRAINED_BYTES) return
      const head = core.outbox.next(channel)
      if (head && head.bytes > core.limits.messageBytes) {
        abort(core, head.id, 'frame-too-large')
        continue
      }
      const next = core.outbox.take(channel, core.limits, core.now.awakeMs)
      if (!next) {
        ready.splice(ready.indexOf(channel), 1)
        continue
      }
      const { id, name, dataText, base, bytes } = next.publish
      send(core, { type: 'pub', channel, sequence: next.sequence, id, name, dataText, ...(base && { base }) })
      core.stepBytes += bytes
      awaitAnswer(core)
    }
  }
}

function canWrite(record: ChannelRecord | undefined): boolean {
  return record !== undefined && record.epoch !== '' && record.granted.includes('write')
}

export function onAck(core: Core, { channel, sequence, offset }: AckFrame): Violation {
  const publish = core.outbox.answer(channel, sequence)
  if (publish === 'never-sent') return 'an acknowledgement of what was never sent'
  if (typeof publish === 'string') return undefined
  const { epoch } = channelRecord(core, channel)
  leave(core, publish, { id: publish.id, epoch, offset })
  return undefined
}

export function onNack(core: Core, { channel, sequence, code, message }: NackFrame): Violation {
  const publish = core.outbox.answer(channel, sequence)
  if (publish === 'never-sent') return 'a refusal of what was never sent'
  if (typeof publish === 'string') return undefined
  leave(core, publish, new RealtimeError(nackCode(code), { outcome: 'rejected', message }))
  return undefined
}

function nackCode(code: string): ErrorCode {
  return code === 'too-large'
    ? 'frame-too-large'
    : code === 'internal'
      ? 'server-error'
      : knownErrorCode(code, 'invalid')
}

/** Gives one publish up, if it has not settled. */
export function abort(core: Core, id: string, code: ErrorCode = 'aborted'): void {
  const released = core.outbox.release(id)
  if (released) giveUp(core, [released], code)
}

/** Publishes whose time is up. */
export function expirePublishes(core: Core): void {
  giveUp(core, core.outbox.expire(core.now.awakeMs), 'timeout')
}

/** The channel may not be written: what was never sent is refused for good. */
export function refuseWaiting(core: Core, channel: string, code: ErrorCode): void {
  giveUp(core, core.outbox.releaseWaiting(channel), code)
}

/** The socket is gone, and with it every answer that was still to come. */
export function loseUnanswered(core: Core): void {
  giveUp(core, core.outbox.releaseUnanswered(), 'connection-lost')
}

/** The client is closing: everything settles now. */
export function abandonAll(core: Core): void {
  giveUp(core, core.outbox.releaseAll(), 'closed')
}

function giveUp(core: Core, all: readonly Released[], code: ErrorCode): void {
  for (const { publish, wasSent } of all) {
    leave(core, publish, new RealtimeError(code, { outcome: wasSent ? 'unknown' : 'rejected' }))
  }
}

/** A publish has left the outbox, one way or another. */
function leave(core: Core, publish: PublishRequest, result: Receipt | RealtimeError): void {
  settle(core, publish, result)
  if (core.outbox.count === 0) core.effects.push({ type: 'drained' })
}

function settle(core: Core, { id, channel }: PublishRequest, result: Receipt | RealtimeError): void {
  core.counters[result instanceof RealtimeError ? (result.outcome ?? 'rejected') : 'acknowledged']++
  core.effects.push({ type: 'settle', id, result })
  const record = channelRecord(core, channel)
  // The next publish is likely: what it needs is kept for a moment.
  record.writeUntilMs = core.now.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.writeUntilMs)
  touch(core, record)
}
