// What the server sends of channels: pushed events, pages of what was missed, and how far each channel has come.
//
// Rules of this file:
// - Live, the server pushes; catching up, the client pulls pages, one at a time. While a page is awaited only the page
//   moves the position: what is pushed meanwhile comes again, in the page or after it.
// - A page must continue exactly where the client stands. One that does not was made for another history: ask again.
// - An answer about freshness counts from the moment of its question.

import type { AskedAt } from '../delivery/freshness.ts'
import type {
  AttachedFrame,
  BehindFrame,
  EventFrame,
  LogEvent,
  PageFrame,
  PongFrame,
  Position,
  ResetFrame,
} from '../protocol/frames.ts'
import { onAttached, onReset, start } from './attaching.ts'
import { awaitAnswer, type ChannelRecord, type Core, send, setStatus, sweepAt, touch, type Violation } from './core.ts'

export function attached(core: Core, frame: AttachedFrame): Violation {
  const record = onAttached(core, frame)
  if (!record) return undefined
  const askedAt = record.requestedAt ?? core.now
  record.requestedAt = null
  if (record.status === 'denied') return undefined
  if (!record.wanted.includes('read')) {
    setStatus(core, record, 'live')
    return undefined
  }
  const { position } = record.inbox
  if (frame.mode === 'live') {
    if (!position) start(record, frame.top)
    else if (position.epoch !== frame.top.epoch || position.offset !== frame.top.offset)
      return 'a live attachment elsewhere'
  }
  // With mode `reset` the frame that says where to go on from follows.
  if (frame.mode !== 'reset') {
    record.freshness.answered(frame.top, askedAt, record.inbox)
    goOn(core, record, frame.mode === 'live')
  }
  return undefined
}

export function reset(core: Core, frame: ResetFrame): Violation {
  const record = onReset(core, frame)
  if (!record || typeof record === 'string') return record
  goOn(core, record, record.inbox.hasReached(frame.top))
  return undefined
}

export function behind(core: Core, { channel }: BehindFrame): void {
  const record = core.channels.get(channel)
  if (record?.status === 'live') goOn(core, record, false)
}

function goOn(core: Core, record: ChannelRecord, isLevel: boolean): void {
  if (isLevel) setStatus(core, record, 'live')
  else {
    setStatus(core, record, 'catching-up')
    fetch(core, record)
  }
}

function fetch(core: Core, record: ChannelRecord): void {
  const { position } = record.inbox
  if (!position || record.fetch) return
  record.gapDueAtMs = Infinity
  record.fetch = { request: ++core.request, askedAt: core.now }
  const { request } = record.fetch
  send(core, { type: 'fetch', channel: record.name, request, position, count: core.limits.pageCount })
  awaitAnswer(core)
}

export function event(core: Core, frame: EventFrame): void {
  const record = core.channels.get(frame.channel)
  if (record?.status !== 'live' || !record.wanted.includes('read')) return
  const arrival = record.inbox.accept(frame.offset)
  if (arrival === 'next') deliver(core, record, frame, false)
  else if (arrival === 'duplicate') core.counters.duplicates++
  else {
    core.counters.gaps++
    goOn(core, record, false)
  }
}

export function page(core: Core, frame: PageFrame): Violation {
  const record = core.channels.get(frame.channel)
  if (!record?.fetch || record.fetch.request !== frame.request) return undefined
  const { askedAt } = record.fetch
  record.fetch = null
  if (frame.more && frame.events.length === 0) return 'an empty page that promises more'
  for (const logged of frame.events) {
    if (record.inbox.accept(logged.offset) !== 'next') return 'a page that does not continue'
    deliver(core, record, logged, true)
  }
  if (frame.more) fetch(core, record)
  else {
    if (frame.top) record.freshness.answered(frame.top, askedAt, record.inbox)
    goOn(core, record, true)
  }
  return undefined
}

function deliver(core: Core, record: ChannelRecord, event: LogEvent, replayed: boolean): void {
  const { offset, id, name, data, sender, storedAtMs } = event
  const { epoch } = record.inbox.position as Position
  record.freshness.moved(record.inbox)
  core.effects.push({
    type: 'message',
    channel: record.name,
    message: { id, name, data, offset, epoch, ...(sender && { sender }), storedAtMs, replayed, overlap: false },
  })
  touch(core, record)
}

/** How far the server says the channels had come after it was asked. */
export function tops(core: Core, frame: PongFrame, askedAt: AskedAt): void {
  const listed = new Map(frame.tops.map(({ channel, epoch, offset }) => [channel, { epoch, offset }]))
  for (const record of core.channels.values()) {
    const { inbox } = record
    if (!inbox.position || (record.status !== 'live' && record.status !== 'catching-up')) continue
    const top = listed.get(record.name) ?? null
    record.freshness.answered(top, askedAt, inbox)
    touch(core, record)
    if (!top || record.status !== 'live' || inbox.hasReached(top)) continue
    // Another history: only a fetch can tell. The same history, further on: the push is probably on its way.
    if (top.epoch !== inbox.position.epoch) goOn(core, record, false)
    else {
      record.gapDueAtMs = Math.min(record.gapDueAtMs, core.now.awakeMs + core.settings.inbox.gapTimeoutMs)
      sweepAt(core, record.gapDueAtMs)
    }
  }
}

/** A top was named that pushing has not brought in time. */
export function closeGap(core: Core, record: ChannelRecord): void {
  record.gapDueAtMs = Infinity
  if (record.status === 'live' && record.freshness.isWaiting) {
    core.counters.gaps++
    goOn(core, record, false)
  }
}
