// Channels: wanted, asked for, granted, denied, and started anew.
//
// Rules of this file:
// - A `sub` carries the whole wish; a later one replaces it. Its number is new, and an answer to an old one is ignored.
// - An attachment is answered once. Frames of a channel between a `sub` and its answer belong to the attachment before.
// - A channel is wanted for reading while it has readers, lingering after the last, and for writing while it has
//   unsettled publishes.

import { PHASES } from '../connection/phases.ts'
import { forgetUnanswered, settledBelow } from '../delivery/outbox.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import type { DeniedFrame, DetachedFrame, Grant } from '../protocol/frames.ts'
import {
  type ChannelRecord,
  channelRecord,
  closeLane,
  dropEarly,
  isRead,
  isRestless,
  complain,
  type Core,
  send,
  sends,
  sweepAt,
  touch,
  unattached,
  type Violation,
} from './core.ts'
import { refuseUnsent } from './publishing.ts'

interface Named {
  readonly channel: string
}

/** One reader more. */
export function subscribe(core: Core, input: Named): void {
  const record = channelRecord(core, input.channel)
  record.readers++
  attach(core, record)
}

/** The application wants a new start. */
export function restart(core: Core, input: Named): void {
  const record = channelRecord(core, input.channel)
  record.isRefreshing = true
  // Asked anew: what answers an older question may be older than this call.
  record.asking = 0
  record.phase = 'attaching'
  attach(core, record)
}

/** One reader less; the last one leaves the channel lingering. */
export function unsubscribe(core: Core, input: Named): void {
  const record = channelRecord(core, input.channel)
  if (--record.readers > 0) return
  record.readUntilMs = core.clock.awakeMs + core.settings.channels.lingerMs
  sweepAt(core, record.readUntilMs)
}

/** Asks for what is wanted and was not asked for, and lets go of what is no longer wanted. */
export function attach(core: Core, record: ChannelRecord): void {
  const reads = isRead(core, record)
  const writes = record.unsettled > 0 || record.writeUntilMs > core.clock.awakeMs
  if (!reads && !writes) {
    if (record.phase === 'idle') return
    // What was read of it is no longer kept up, so the next reader starts anew.
    if (record.asking) send(core, { type: 'unsub', channel: record.channelName, request: record.asking })
    Object.assign(record, unattached())
    forget(record)
    record.trouble = null
    touch(core, record, 'idle')
    // Who waits for a new start reads the channel, so that only the end of that person, or of the client, comes before it.
    refreshed(core, record, new RealtimeError(PHASES[core.phase].accepts ? 'logged-out' : 'closed'))
  } else if (
    record.asking &&
    reads === record.wanted.includes('read') &&
    (!writes || record.wanted.includes('write'))
  ) {
    // Asked for already; a refusal stands for as long as the socket does.
    if (writes && record.askedAtMs === Infinity && !record.granted.includes('write')) {
      refuseUnsent(core, record.channelName, record.trouble?.code ?? 'forbidden')
    }
  } else {
    // Who reads again later begins anew.
    if (!reads) forget(record)
    touch(core, record, 'attaching')
    if (!sends(core)) return
    const want: Grant[] = []
    if (reads) want.push('read')
    if (writes) want.push('write')
    dropEarly(record)
    Object.assign(record, unattached(), {
      asking: ++core.lastRequest,
      wanted: want,
      askedAtMs: core.clock.awakeMs,
      questionAtMs: core.clock.elapsedMs,
    })
    send(core, {
      type: 'sub',
      channel: record.channelName,
      request: record.asking,
      want,
      position: (reads && record.reached) || undefined,
      reset: record.isRefreshing || undefined,
      settledBelow: settledBelow(core.publishes, record.channelName),
    })
  }
}

/** What was read of the channel is no longer kept up. */
function forget(record: ChannelRecord): void {
  closeLane(record)
  record.reached = record.shown = record.newest = null
  record.roster = []
  record.overlapOffset = 0
}

/** Whoever waits for a new start hears of it; an answer that is still to come means nothing to them. */
export function refreshed(core: Core, record: ChannelRecord, error?: RealtimeError): void {
  record.isRefreshing = false
  core.effects.push({ type: 'refreshed', channel: record.channelName, error })
}

/** The record whose newest `sub` this answers, if it has not been answered. */
export function answering(core: Core, frame: Named & { readonly request: number }): ChannelRecord | undefined {
  const record = core.records.get(frame.channel)
  if (record?.asking !== frame.request || record.askedAtMs === Infinity) return undefined
  record.askedAtMs = Infinity
  return record
}

export function denied(core: Core, frame: DeniedFrame): void {
  const record = answering(core, frame)
  if (!record) return
  record.granted = []
  deny(core, record, knownErrorCode(frame.code, 'forbidden'), frame.message)
}

/** The channel cannot be had on this socket as it was wanted. */
export function deny(core: Core, record: ChannelRecord, code: ErrorCode, message?: string): void {
  record.trouble = new RealtimeError(code, { message })
  if (!record.granted.includes('read')) refreshed(core, record, record.trouble)
  complain(core, record.trouble, record.channelName)
  if (!record.granted.includes('write')) refuseUnsent(core, record.channelName, code)
  touch(core, record, 'denied')
}

/** The server has let go of the attachment: for good, or to be asked again. */
export function detached(core: Core, frame: DetachedFrame): Violation {
  const record = core.records.get(frame.channel)
  if (!record) return
  const since = record.asking - frame.request
  if (since < 0) return
  // What it has not answered on this socket it never will.
  const isAwaited = forgetUnanswered(core.publishes, record.channelName)
  // One that has crossed a newer `sub` ends what went before its answer; of one that comes later nobody can tell what it ends.
  if (since && record.askedAtMs === Infinity) return isAwaited ? 'connection-lost' : undefined
  record.granted = []
  if (since) return
  if (frame.code !== 'revoked') {
    if (isRestless(core, record)) return 'connection-lost'
    return reattach(core, record)
  }
  record.askedAtMs = Infinity
  deny(core, record, 'forbidden')
  touch(core, record, 'detached')
}

/** The socket is gone: every channel that is still wanted is asked for anew on the next one. */
export function detachAll(core: Core): void {
  for (const record of core.records.values()) {
    record.unrestAtMs = 0
    reattach(core, record)
  }
}

/** What was asked before has no answer any more. */
function reattach(core: Core, record: ChannelRecord): void {
  forgetUnanswered(core.publishes, record.channelName)
  Object.assign(record, unattached())
  attach(core, record)
}
