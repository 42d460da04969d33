// What the server sends of channels: pushed events, pages of what was missed, and new starts.
//
// Rules of this file:
// - Live, the server pushes; catching up, the client pulls pages, one at a time. While a page is awaited only the page
//   moves the position: what is pushed meanwhile comes again, in the page or after it.
// - Whatever does not continue exactly where the client stands is either fetched or, in an answer, a violation.

import type {
  AttachedFrame,
  BehindFrame,
  EventFrame,
  LogEvent,
  PageFrame,
  Position,
  ResetFrame,
} from '../protocol/frames.ts'
import { answering, deny } from './attaching.ts'
import { type ChannelRecord, type Core, send, touch, type Violation } from './core.ts'

/** The answer to a `sub`. With mode `reset` the frame that says where to go on from follows. */
export function attached(core: Core, { channel, request, grants, top, mode }: AttachedFrame): Violation {
  const record = answering(core, channel, request)
  if (!record) return
  const { attachment, inbox } = record
  const { wanted } = attachment
  attachment.granted = grants
  attachment.epoch = top.epoch
  record.lastError = null
  const isGranted = wanted.every((grant) => grants.includes(grant))
  if (!isGranted) deny(core, record, 'forbidden')
  if (!wanted.includes('read')) {
    if (isGranted) touch(core, record, 'live')
  } else if (grants.includes('read') && mode !== 'reset') {
    if (mode === 'live' && !inbox.position) inbox.start(top)
    if (mode === 'live' && !inbox.isAt(top)) return 'a live attachment elsewhere'
    goOn(core, record, mode)
  }
}

/** A complete new start: everything known of the channel is replaced by what the frame says. */
export function reset(core: Core, { channel, request, reason, position, top, snapshot }: ResetFrame): Violation {
  const record = reading(core, channel)
  if (!record) return
  const { attachment } = record
  // One that answers an older question belongs to what was before it.
  if (request && request !== attachment.request && request !== attachment.fetch) return
  if (position.epoch !== top.epoch || position.offset > top.offset) return 'a reset beyond its own top'
  record.inbox.start(position)
  attachment.epoch = position.epoch
  attachment.fetch = 0
  core.counters.resets++
  core.effects.push({ type: 'deliver', channel, event: 'reset', detail: { reason, snapshot, position } })
  goOn(core, record, record.inbox.isAt(top) ? 'live' : 'catching-up')
}

/** The server has stopped pushing. */
export function behind(core: Core, { channel }: BehindFrame): void {
  const record = reading(core, channel)
  if (record?.status === 'live') goOn(core, record, 'catching-up')
}

export function event(core: Core, frame: EventFrame): void {
  const record = reading(core, frame.channel)
  if (record?.status !== 'live') return
  const arrival = record.inbox.accept(frame.offset)
  if (arrival === 'next') deliver(core, record, frame, false)
  else core.counters[arrival]++
  if (arrival === 'gaps') goOn(core, record, 'catching-up')
}

/** The answer to a fetch: what was missed, and whether there is more of it. */
export function page(core: Core, { channel, request, events, more }: PageFrame): Violation {
  const record = reading(core, channel)
  if (!record || record.attachment.fetch !== request) return
  record.attachment.fetch = 0
  if (more && events.length === 0) return 'an empty page that promises more'
  for (const logged of events) {
    if (record.inbox.accept(logged.offset) !== 'next') return 'a page that does not continue'
    deliver(core, record, logged, true)
  }
  goOn(core, record, more ? 'catching-up' : 'live')
}

/** The channel's record, if it is attached for reading: frames that cross a `sub` belong to the attachment before. */
function reading(core: Core, channel: string): ChannelRecord | undefined {
  const record = core.channels.get(channel)
  return record?.attachment.wanted.includes('read') && record.attachment.askedAtMs === Infinity ? record : undefined
}

function goOn(core: Core, record: ChannelRecord, status: 'live' | 'catching-up'): void {
  const { name: channel, inbox, attachment } = record
  touch(core, record, status)
  if (status === 'live' || attachment.fetch || !inbox.position || !core.limits) return
  attachment.fetch = ++core.request
  attachment.fetchedAtMs = core.now.awakeMs
  send(core, {
    type: 'fetch',
    channel,
    request: attachment.fetch,
    position: inbox.position,
    count: core.limits.pageCount,
  })
}

function deliver(core: Core, record: ChannelRecord, logged: LogEvent, replayed: boolean): void {
  const { offset, id, name, data, sender, storedAtMs } = logged
  const { epoch } = record.inbox.position as Position
  const detail = { id, name, data, offset, epoch, sender, storedAtMs, replayed, overlap: false }
  core.effects.push({ type: 'deliver', channel: record.name, event: 'message', detail })
  touch(core, record)
}
