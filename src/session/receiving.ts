// What the server sends of channels: pushed events, pages of what was missed, new starts, and how far it has come.
//
// Rules of this file:
// - Live, the server pushes; catching up, the client pulls pages, one at a time. While a page is awaited only the page
//   moves the position: what is pushed meanwhile comes again, in the page or after it.
// - What arrives before its turn is held, within bounds and for a while; then what is missing is fetched.
// - What is held and what handlers have not taken yet is bounded per channel. Above the bound the channel falls back to
//   catching up: what is pushed is dropped, and fetched once handlers have taken half of what waits.
// - A channel is fresh by what the server answered, and counted from when it was asked.
// - Whatever does not continue exactly where the client stands is either fetched or, in an answer, a violation.

import type { Delivery, InputOf, Lane, Message } from '../effects.ts'
import type {
  AttachedFrame,
  BehindFrame,
  EventFrame,
  LogEvent,
  PageFrame,
  PongFrame,
  Position,
  ResetFrame,
  ServerVolFrame,
} from '../protocol/frames.ts'
import { distanceTo, hasReached } from '../delivery/position.ts'
import { answering, deny, refreshed } from './attaching.ts'
import {
  type ChannelRecord,
  closeLane,
  confirmTop,
  dropEarly,
  heardTop,
  isRestless,
  reading,
  type Core,
  send,
  sweepAt,
  touch,
  type Violation,
} from './core.ts'
import { beSeen } from './presence.ts'
import { reconcile } from './publishing.ts'

/** The answer to a `sub`. With mode `reset` the frame that says where to go on from follows. */
export function attached(core: Core, frame: AttachedFrame): Violation {
  const record = answering(core, frame)
  if (!record) return
  record.granted = record.wanted.filter((grant) => frame.grants.includes(grant))
  record.trouble = null
  if (frame.producer || record.granted.includes('write')) reconcile(core, record, frame)
  record.historyEpoch = frame.top.epoch
  const reads = reading(core, frame)
  if (record.granted.length < record.wanted.length) deny(core, record, 'forbidden')
  else if (!reads) touch(core, record, 'live')
  if (!reads) return
  beSeen(core, record)
  readTop(core, record, frame.top)
  if (frame.mode === 'reset') return
  if (!record.reached) {
    record.reached = record.shown = frame.top
    record.shownIn = record.lane
  }
  // Live elsewhere, or behind in another history: what lies between would be lost in silence.
  if (!hasReached(frame.top, record.reached) || (frame.mode === 'live' && !hasReached(record.reached, frame.top)))
    return 'protocol'
  confirmTop(core, record, record.questionAtMs)
  goOn(core, record, frame.mode)
}

/** A complete new start: everything known of the channel is replaced by what the frame says. */
export function reset(core: Core, frame: ResetFrame): Violation {
  const record = reading(core, frame)
  // One that answers an older question belongs to what was before it.
  if (!record || (frame.request && frame.request !== record.asking && frame.request !== record.fetching)) return
  if (!hasReached(frame.top, frame.position)) return 'protocol'
  // The one that follows `attached` was asked for, and no other is.
  if (record.phase !== 'attaching' && isRestless(core, record)) return 'connection-lost'
  record.isRefreshing = false
  record.reached = frame.position
  record.gapAtMs = Infinity
  record.historyEpoch = frame.position.epoch
  record.overlapOffset = frame.overlapTo ?? 0
  record.fetching = 0
  core.counters.resets++
  closeLane(record)
  const { reason, snapshot, position } = frame
  core.effects.push(queued(core, record, 'reset', { reason, snapshot, position }))
  readTop(core, record, frame.top)
  confirmTop(core, record, frame.request ? record.questionAtMs : 0)
  goOn(core, record, hasReached(frame.position, frame.top) ? 'live' : 'catching-up')
}

/** The server has stopped pushing. */
export function behind(core: Core, frame: BehindFrame): void {
  const record = reading(core, frame)
  if (record?.phase === 'live') goOn(core, record, 'catching-up')
}

export function event(core: Core, frame: EventFrame): void {
  const record = reading(core, frame)
  // While a page is awaited: what is pushed comes again, in the page or after it.
  if (record?.phase !== 'live') return
  const { early } = record
  const distance = distanceTo(record.reached, frame.offset)
  if (distance < 1 || early.has(frame.offset)) core.counters.duplicates++
  else if (record.lane.queued > core.settings.inbox.maxHeldBytes) goOn(core, record, 'catching-up')
  else {
    const delivery = message(core, record, frame, false)
    let { offset } = frame
    if (distance > 1) {
      early.set(offset, delivery)
      return early.size > core.settings.inbox.maxHeld ? fillGap(core, record) : waitForGap(core, record)
    }
    advance(core, record, delivery, offset)
    while (early.size) {
      const next = early.get(++offset)
      if (!next) return
      early.delete(offset)
      advance(core, record, next, offset)
    }
  }
}

/** What need not be kept: it goes the way of messages, and where too much waits on that, it does not. */
export function volatile(core: Core, frame: ServerVolFrame): void {
  const record = reading(core, frame)
  if (!record || record.lane.queued > core.settings.inbox.maxHeldBytes) return
  const { name, data, key, sender } = frame
  core.effects.push(queued(core, record, 'volatile', { name, data, key, sender }))
}

/** The answer to a fetch: what was missed, and whether there is more of it. */
export function page(core: Core, frame: PageFrame): Violation {
  const record = reading(core, frame)
  if (!frame.request || record?.fetching !== frame.request) return
  record.fetching = 0
  core.patience = 1
  // An empty page that promises more would be asked for without end.
  if (frame.more && frame.events.length === 0) return 'protocol'
  // Only for what is in this frame.
  core.frameLength = Math.ceil(core.frameLength / frame.events.length)
  for (const logged of frame.events) {
    if (distanceTo(record.reached, logged.offset) !== 1) return 'protocol'
    advance(core, record, message(core, record, logged, true), logged.offset)
  }
  if (frame.top) {
    readTop(core, record, frame.top)
    confirmTop(core, record, record.questionAtMs)
  }
  goOn(core, record, frame.more ? 'catching-up' : 'live')
}

/** A top that came with anything but a pong may have been read before that of a pong which has overtaken it. */
function readTop(core: Core, record: ChannelRecord, top: Position): void {
  heardTop(core, record, hasReached(record.newest, top) ? record.newest : top)
}

/** How far channels had come when that was asked. Those that are not listed are where the last word placed them. */
export function readTops(core: Core, { tops, n }: PongFrame): void {
  const listed = new Map(tops.map((top) => [top.channel, top]))
  const askedAtMs = n === core.pings ? core.topsAskedAtMs : 0
  for (const record of core.records.values()) {
    if (!reading(core, { channel: record.channelName }) || !record.reached) continue
    const top = listed.get(record.channelName)
    // One whose top was told since then may have been too new to be listed.
    const isTold = top || record.topHeardAtMs < askedAtMs
    if (top) {
      heardTop(core, record, top)
      // A lower top than was known is no answer to what was asked later.
      record.topAskedAtMs = askedAtMs
    }
    if (isTold) confirmTop(core, record, askedAtMs)
    if (!hasReached(record.reached, record.newest)) waitForGap(core, record)
  }
}

/** Handlers have been given what was waiting. */
export function delivered(core: Core, { deliveries }: InputOf<'delivered'>): void {
  const newest = new Map<Lane, Delivery>()
  for (const delivery of deliveries) {
    const { lane, length, channel, event } = delivery
    lane.queued -= length
    // What is volatile has no place in the sequence, but it has made room.
    if (event !== 'volatile' || !newest.has(lane)) newest.set(lane, delivery)
    const record = core.records.get(channel)
    // The newest start, and none that was asked for since is still to come.
    if (event === 'reset' && record?.lane === lane && !record.isRefreshing) refreshed(core, record)
  }
  for (const [lane, { channel, event, detail }] of newest) {
    const record = core.records.get(channel)
    if (record?.lane !== lane) continue
    if (event !== 'volatile') {
      record.shownIn = lane
      record.shown = event === 'reset' ? detail.position : { epoch: detail.epoch, offset: detail.offset }
      touch(core, record)
      confirmTop(core, record)
    }
    if (record.phase === 'catching-up') goOn(core, record, record.phase)
  }
}

/** What is missing, if anything is, has had its time to come by itself, or too much waits for it. */
export function fillGap(core: Core, record: ChannelRecord): void {
  record.gapAtMs = Infinity
  if (record.phase !== 'live' || (!record.early.size && hasReached(record.reached, record.newest))) return
  core.counters.gaps++
  goOn(core, record, 'catching-up')
}

function waitForGap(core: Core, record: ChannelRecord): void {
  record.gapAtMs = Math.min(record.gapAtMs, core.clock.awakeMs + core.settings.inbox.gapTimeoutMs)
  sweepAt(core, record.gapAtMs)
}

function goOn(core: Core, record: ChannelRecord, phase: 'live' | 'catching-up'): void {
  touch(core, record, phase)
  if (phase === 'live' || record.fetching || !record.reached) return
  dropEarly(record)
  // Too much waits for the handlers: asked again when they have taken half of it.
  if (record.lane.queued > core.settings.inbox.maxHeldBytes / 2) return
  record.fetching = ++core.lastRequest
  record.fetchedAtMs = core.clock.awakeMs
  record.questionAtMs = core.clock.elapsedMs
  const count = Math.ceil(core.serverLimits.pageCount / core.patience)
  send(core, { type: 'fetch', channel: record.channelName, request: record.fetching, position: record.reached, count })
}

function advance(core: Core, record: ChannelRecord, delivery: Delivery, offset: number): void {
  record.reached = { epoch: record.historyEpoch, offset }
  core.effects.push(delivery)
}

function message(core: Core, record: ChannelRecord, logged: LogEvent, replayed: boolean): Delivery {
  const overlap = logged.offset <= record.overlapOffset
  return queued(core, record, 'message', detailOf(logged, record.historyEpoch, replayed, overlap))
}

/** A log entry as an application sees it. */
export function detailOf(logged: LogEvent, epoch: string, replayed: boolean, overlap: boolean): Message {
  const { offset, id, name, data, sender, storedAtMs } = logged
  return { id, name, data, offset, epoch, sender, storedAtMs, replayed, overlap }
}

/** Takes the place of a delivery in its channel's lane. */
function queued(
  core: Core,
  { channelName: channel, lane }: ChannelRecord,
  event: Delivery['event'],
  detail: Delivery['detail'],
): Delivery {
  const length = core.frameLength
  lane.queued += length
  return { type: 'deliver', channel, lane, length, event, detail } as Delivery
}
