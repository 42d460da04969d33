// Channels: wanted, asked for, granted, denied, and started anew.
//
// Rules of this file:
// - A `sub` carries the whole wish; a later one replaces it. Its number is new, and an answer to an old one is ignored.
// - An attachment is answered once. Frames of a channel between a `sub` and its answer belong to the attachment before.
// - A channel is wanted for reading while it has readers, for writing while it has unsettled publishes, and lingers after.

import { PHASES } from '../connection/phases.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import type { DeniedFrame, Grant } from '../protocol/frames.ts'
import {
  type ChannelRecord,
  channelRecord,
  complain,
  type Core,
  send,
  sends,
  sweepAt,
  touch,
  UNATTACHED,
} from './core.ts'
import { refuseWaiting } from './publishing.ts'

interface Named {
  readonly channel: string
}

/** One reader more. */
export function subscribe(core: Core, { channel }: Named): void {
  const record = channelRecord(core, channel)
  record.readers++
  attach(core, record)
}

/** One reader less; the last one leaves the channel lingering. */
export function unsubscribe(core: Core, { channel }: Named): void {
  const record = channelRecord(core, channel)
  if (--record.readers > 0) return
  record.readUntilMs = core.now.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.readUntilMs)
}

/** Asks for what is wanted and was not asked for, and lets go of what is no longer wanted. */
export function attach(core: Core, record: ChannelRecord): void {
  const { name, attachment, inbox, lastError } = record
  const { request, wanted, granted } = attachment
  const { awakeMs } = core.now
  const { accepts } = PHASES[core.connection.phase]
  const want: Grant[] = []
  const reads = accepts && (record.readers > 0 || record.readUntilMs > awakeMs)
  const writes = accepts && (record.pending > 0 || record.writeUntilMs > awakeMs)
  if (reads) want.push('read')
  if (writes) want.push('write')
  if (want.length === 0) {
    // What was read of it is no longer kept up, so the next reader starts anew.
    if (request > 0) send(core, { type: 'unsub', channel: name, request })
    record.attachment = UNATTACHED
    record.lastError = null
    inbox.forget()
    if (record.status !== 'idle') touch(core, record, 'idle')
  } else if (request > 0 && reads === wanted.includes('read') && (!writes || wanted.includes('write'))) {
    // Asked for already; a refusal stands for as long as the socket does.
    const isRefused = attachment.askedAtMs === Infinity && !granted.includes('write')
    if (writes && isRefused) refuseWaiting(core, name, lastError?.code ?? 'forbidden')
  } else {
    if (record.status !== 'attaching') touch(core, record, 'attaching')
    if (!sends(core)) return
    const next = ++core.request
    // What was granted before holds until the answer: publishes go on meanwhile.
    record.attachment = {
      ...UNATTACHED,
      request: next,
      wanted: want,
      askedAtMs: awakeMs,
      granted,
      epoch: attachment.epoch,
    }
    const position = (reads && inbox.position) || undefined
    send(core, { type: 'sub', channel: name, request: next, want, position })
  }
}

/** The record whose newest `sub` this answers, if it has not been answered. */
export function answering(core: Core, channel: string, request: number): ChannelRecord | undefined {
  const record = core.channels.get(channel)
  if (record?.attachment.request !== request || record.attachment.askedAtMs === Infinity) return undefined
  record.attachment.askedAtMs = Infinity
  return record
}

export function denied(core: Core, { channel, request, code, message }: DeniedFrame): void {
  const record = answering(core, channel, request)
  if (!record) return
  record.attachment.granted = []
  deny(core, record, knownErrorCode(code, 'forbidden'), message)
}

/** The channel cannot be had on this socket as it was wanted. */
export function deny(core: Core, record: ChannelRecord, code: ErrorCode, message?: string): void {
  const { name, attachment } = record
  const error = new RealtimeError(code, { message })
  record.lastError = error
  complain(core, error, name)
  if (!attachment.granted.includes('write')) refuseWaiting(core, name, code)
  touch(core, record, 'denied')
}

/** The socket is gone: every channel that is still wanted is asked for anew on the next one. */
export function detachAll(core: Core): void {
  for (const record of core.channels.values()) {
    record.attachment = UNATTACHED
    attach(core, record)
  }
}
