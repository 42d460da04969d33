// What the server sends of channels: pushed events, pages of what was missed, and new starts.
//
// Rules of this file:
// - Live, the server pushes; catching up, the client pulls pages, one at a time. While a page is awaited only the page
//   moves the position: what is pushed meanwhile comes again, in the page or after it.
// - Whatever does not continue exactly where the client stands is either fetched or, in an answer, a violation.

import type { AttachedFrame, BehindFrame, EventFrame, LogEvent, PageFrame, ResetFrame } from '../protocol/frames.ts'
import { arrivalOf, isSamePosition } from '../delivery/position.ts'
import { answering, deny } from './attaching.ts'
import { type ChannelRecord, type Core, send, touch, type Violation } from './core.ts'

/** The answer to a `sub`. With mode `reset` the frame that says where to go on from follows. */
export function attached(core: Core, frame: AttachedFrame): Violation {
  const record = answering(core, frame)
  if (!record) return
  const { attachment } = record
  attachment.granted = attachment.wanted.filter((grant) => frame.grants.includes(grant))
  attachment.epoch = frame.top.epoch
  record.lastError = null
  if (attachment.granted.length < attachment.wanted.length) deny(core, record, 'forbidden')
  else if (!reading(core, frame)) touch(core, record, 'live')
  if (!reading(core, frame) || frame.mode === 'reset') return
  record.position ??= frame.top
  // Live elsewhere, or behind in another history: what lies between would be lost in silence.
  const { epoch } = record.position
  if (frame.mode === 'live' ? !isSamePosition(record.position, frame.top) : epoch !== frame.top.epoch) return true
  goOn(core, record, frame.mode)
}

/** A complete new start: everything known of the channel is replaced by what the frame says. */
export function reset(core: Core, frame: ResetFrame): Violation {
  const record = reading(core, frame)
  // One that answers an older question belongs to what was before it.
  if (
    !record ||
    (frame.request && frame.request !== record.attachment.request && frame.request !== record.attachment.fetch)
  )
    return
  if (frame.position.epoch !== frame.top.epoch || frame.position.offset > frame.top.offset) return true
  record.position = frame.position
  record.attachment.epoch = frame.position.epoch
  record.attachment.fetch = 0
  core.counters.resets++
  const { reason, snapshot, position } = frame
  core.effects.push({ type: 'deliver', channel: record.name, event: 'reset', detail: { reason, snapshot, position } })
  goOn(core, record, isSamePosition(frame.position, frame.top) ? 'live' : 'catching-up')
}

/** The server has stopped pushing. */
export function behind(core: Core, frame: BehindFrame): void {
  const record = reading(core, frame)
  if (record?.status === 'live') goOn(core, record, 'catching-up')
}

export function event(core: Core, frame: EventFrame): void {
  const record = reading(core, frame)
  if (record?.status !== 'live') return
  const arrival = arrivalOf(record.position, frame.offset)
  if (arrival === 'next') deliver(core, record, frame, false)
  else core.counters[arrival]++
  if (arrival === 'gaps') goOn(core, record, 'catching-up')
}

/** The answer to a fetch: what was missed, and whether there is more of it. */
export function page(core: Core, frame: PageFrame): Violation {
  const record = reading(core, frame)
  if (!frame.request || record?.attachment.fetch !== frame.request) return
  record.attachment.fetch = 0
  // An empty page that promises more would be asked for without end.
  if (frame.more && frame.events.length === 0) return true
  for (const logged of frame.events) {
    if (arrivalOf(record.position, logged.offset) !== 'next') return true
    deliver(core, record, logged, true)
  }
  goOn(core, record, frame.more ? 'catching-up' : 'live')
}

/** The channel's record, if it may be read here: frames that cross a `sub` belong to the attachment before. */
function reading(core: Core, frame: { readonly channel: string }): ChannelRecord | undefined {
  const record = core.channels.get(frame.channel)
  return record?.attachment.granted.includes('read') && record.attachment.askedAtMs === Infinity ? record : undefined
}

function goOn(core: Core, record: ChannelRecord, status: 'live' | 'catching-up'): void {
  touch(core, record, status)
  const { position } = record
  if (status === 'live' || record.attachment.fetch || !position) return
  record.attachment.fetch = ++core.request
  record.attachment.fetchedAtMs = core.now.awakeMs
  const count = core.limits.pageCount
  send(core, { type: 'fetch', channel: record.name, request: record.attachment.fetch, position, count })
}

function deliver(core: Core, record: ChannelRecord, logged: LogEvent, replayed: boolean): void {
  const { offset, id, name, data, sender, storedAtMs } = logged
  const { epoch } = record.attachment
  record.position = { epoch, offset }
  const detail = { id, name, data, offset, epoch, sender, storedAtMs, replayed, overlap: false }
  core.effects.push({ type: 'deliver', channel: record.name, event: 'message', detail })
  touch(core, record)
}
