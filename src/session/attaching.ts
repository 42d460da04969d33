// Channels: wanted, asked for, granted, denied, and started anew.
//
// Rules of this file:
// - A `sub` carries the whole wish; a later one replaces it. Its number is new, and an answer to an old one is ignored.
// - Frames of a channel between a `sub` and its answer belong to the attachment before.
// - A channel is wanted for reading while it has readers, for writing while it has unsettled publishes, and lingers after both.

import type { AttachedFrame, DeniedFrame, DetachedFrame, Grant, Position, ResetFrame } from '../protocol/frames.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import {
  awaitAnswer,
  type ChannelRecord,
  channelRecord,
  type Core,
  send,
  sends,
  setStatus,
  sweepAt,
  touch,
  type Violation,
} from './core.ts'
import { refuseWaiting } from './publishing.ts'

/** One reader more. */
export function subscribe(core: Core, { channel }: { readonly channel: string }): void {
  const record = channelRecord(core, channel)
  record.readers++
  attach(core, record)
}

/** One reader less; the last one leaves the channel lingering. */
export function unsubscribe(core: Core, { channel }: { readonly channel: string }): void {
  const record = channelRecord(core, channel)
  record.readers--
  if (record.readers > 0) return
  record.readUntilMs = core.now.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.readUntilMs)
}

function wish(core: Core, record: ChannelRecord): Grant[] {
  const want: Grant[] = []
  if (record.readers > 0 || record.readUntilMs > core.now.awakeMs) want.push('read')
  if (record.pending > 0 || record.writeUntilMs > core.now.awakeMs) want.push('write')
  return want
}

/** Asks for what is wanted and was not asked for, and lets go of what is no longer wanted. */
export function attach(core: Core, record: ChannelRecord): void {
  const want = wish(core, record)
  const reads = want.includes('read')
  if (want.length === 0) return leave(core, record)
  if (
    record.request > 0 &&
    want.every((grant) => record.wanted.includes(grant)) &&
    reads === record.wanted.includes('read')
  ) {
    // Asked for already; a refusal stands for as long as the socket does.
    if (!record.requestedAt && want.includes('write') && !record.granted.includes('write')) {
      refuseWaiting(core, record.name, record.lastError?.code ?? 'forbidden')
    }
    return
  }
  setStatus(core, record, 'attaching')
  if (!sends(core)) return
  record.request = ++core.request
  record.requestedAt = core.now
  record.wanted = want
  record.fetch = null
  record.gapDueAtMs = Infinity
  const position = reads ? record.inbox.position : null
  send(core, { type: 'sub', channel: record.name, request: record.request, want, ...(position && { position }) })
  awaitAnswer(core)
}

/** Nobody here wants the channel: what was read of it is no longer kept up, so the next reader starts anew. */
function leave(core: Core, record: ChannelRecord): void {
  if (record.request > 0) send(core, { type: 'unsub', channel: record.name, request: record.request })
  record.inbox.forget()
  record.freshness.restart()
  record.lastError = null
  detach(record)
  setStatus(core, record, 'idle')
}

/** What belonged to an attachment goes with it. */
function detach(record: ChannelRecord): void {
  record.request = 0
  record.requestedAt = null
  record.wanted = record.granted = []
  record.epoch = ''
  record.fetch = null
  record.gapDueAtMs = Infinity
}

/** The answer to a `sub`. Where the channel goes on is the reader's business: see `receiving.ts`. */
export function onAttached(core: Core, frame: AttachedFrame): ChannelRecord | undefined {
  const record = current(core, frame)
  // An attachment is answered once: a second answer could move the position in silence.
  if (!record?.requestedAt) return undefined
  record.granted = frame.grants
  record.epoch = frame.top.epoch
  record.lastError = null
  if (record.wanted.includes('write') && !frame.grants.includes('write')) refuseWaiting(core, record.name, 'forbidden')
  if (record.wanted.includes('read') && !frame.grants.includes('read')) deny(core, record, 'forbidden')
  return record
}

export function onDenied(core: Core, frame: DeniedFrame): void {
  const record = current(core, frame)
  if (!record) return
  const code = knownErrorCode(frame.code, 'forbidden')
  record.requestedAt = null
  record.granted = []
  refuseWaiting(core, record.name, code)
  deny(core, record, code, frame.message)
}

/** The server has ended an attachment: `producer-gone` asks to attach anew, anything else is final for this socket. */
export function onDetached(core: Core, frame: DetachedFrame): void {
  const record = current(core, frame)
  if (!record) return
  record.granted = []
  if (frame.code === 'producer-gone') {
    detach(record)
    return attach(core, record)
  }
  refuseWaiting(core, record.name, 'forbidden')
  record.lastError = new RealtimeError('forbidden')
  setStatus(core, record, 'detached')
  touch(core, record)
}

function deny(core: Core, record: ChannelRecord, code: ErrorCode, message?: string): void {
  record.lastError = new RealtimeError(code, { message })
  core.effects.push({ type: 'error', error: record.lastError, channel: record.name })
  record.status = 'denied'
  touch(core, record)
}

/** A complete new start: everything known of the channel is replaced by what the frame says. */
export function onReset(core: Core, frame: ResetFrame): ChannelRecord | Violation {
  const record = core.channels.get(frame.channel)
  if (!record || record.request === 0) return undefined
  // One that answers an older question, or comes while a `sub` is unanswered, belongs to the attachment before.
  if (frame.request !== undefined && frame.request !== record.request && frame.request !== record.fetch?.request)
    return undefined
  if (frame.request === undefined && record.status === 'attaching') return undefined
  const { position, top } = frame
  if (position.epoch !== top.epoch || position.offset > top.offset) return 'a reset beyond its own top'
  start(record, position)
  record.epoch = position.epoch
  record.fetch = null
  core.counters.resets++
  core.effects.push({
    type: 'reset',
    channel: record.name,
    reset: { reason: frame.reason, snapshot: frame.snapshot, position },
  })
  touch(core, record)
  return record
}

/** Counts from `position` on; earlier knowledge of the channel is void. */
export function start(record: ChannelRecord, position: Position): void {
  record.inbox.start(position)
  record.freshness.restart()
  record.gapDueAtMs = Infinity
}

/** The client is closed: nothing is wanted any longer. */
export function leaveAll(core: Core): void {
  for (const record of core.channels.values()) {
    record.readers = 0
    record.readUntilMs = record.writeUntilMs = -Infinity
    attach(core, record)
  }
}

/** The socket is gone: every channel that is still wanted will be asked for anew. */
export function loseAttachments(core: Core): void {
  for (const record of core.channels.values()) {
    detach(record)
    attach(core, record)
  }
}

function current(core: Core, frame: { readonly channel: string; readonly request: number }): ChannelRecord | undefined {
  const record = core.channels.get(frame.channel)
  return record && record.request === frame.request ? record : undefined
}
