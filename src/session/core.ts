// The one record that the session's parts work on, and what all of them need of it.
//
// Rules of this folder:
// - Functions over this record; no clock, no promise, no callback out. Time is `core.clock`, consequences are `core.effects`.
// - Imports go one way: publishing ← attaching ← receiving ← connecting.
// - A part that meets a frame which cannot be answers a Violation; the session closes the socket for it.

import { type Connection, IDLE } from '../connection/machine.ts'
import { type Phase, PHASES } from '../connection/phases.ts'
import { hasReached } from '../delivery/position.ts'
import { createOutbox, type Outbox } from '../delivery/outbox.ts'
import type { Delivery, Effect, InputOf, Lane, Now } from '../effects.ts'
import type { Cause, ErrorCode, RealtimeError } from '../errors.ts'
import type { Settings, TokenReason } from '../options.ts'
import type { OutgoingFrame } from '../protocol/codec.ts'
import type { Grant, Limits, Position } from '../protocol/frames.ts'
import type { ChannelSnapshot, ChannelStatus, ClientSnapshot, Present } from '../snapshots.ts'

/** What is wrong with a frame: `protocol` where it says what it must not. */
export type Violation = ErrorCode | void

/** What was asked of the server for a channel on this socket, and what it answered: forgotten with the socket. */
export interface Attachment {
  /** The number of the newest `sub`; 0 if none was sent, or another one has to be. */
  asking: number
  wanted: readonly Grant[]
  /** When it was asked; awake time. `Infinity` once it is answered. */
  askedAtMs: number
  granted: readonly Grant[]
  /** The server's record of this producer in the channel; '' where it keeps none. */
  incarnationId: string
  /** The number of the fetch that is unanswered, and when it was sent. */
  fetching: number
  fetchedAtMs: number
  /** When the newest `sub` or `fetch` was sent, elapsed time: what its answer says of the top is true from then on. */
  questionAtMs: number
  /** When what is missing is fetched, unless it comes by itself; awake time. */
  gapAtMs: number
}

export function unattached(): Attachment {
  return {
    asking: 0,
    wanted: [],
    askedAtMs: Infinity,
    granted: [],
    incarnationId: '',
    fetching: 0,
    fetchedAtMs: Infinity,
    questionAtMs: 0,
    gapAtMs: Infinity,
  }
}

/** Everything the session knows of one channel. */
export interface ChannelRecord extends Attachment {
  readonly channelName: string
  /** The newest message received; `null` before the first attachment. */
  reached: Position | null
  /** The newest message that handlers were given: what the application sees. */
  shown: Position | null
  /** The lane that it came by: what an older one has brought tells nothing of the present start. */
  shownIn: Lane | undefined
  lane: Lane
  /** What arrived before its turn, by offset. It counts as waiting in the lane. */
  readonly early: Map<number, Delivery>
  /** The history that acknowledgements count in. */
  historyEpoch: string
  /** The newest position that the server has named, when it was asked and when it said so; elapsed time. */
  newest: Position | null
  topAskedAtMs: number
  topHeardAtMs: number
  /** The instant as of which handlers have been given everything; elapsed time. */
  completeAtMs: number
  /** That is recent enough, as far as the application has been told. */
  isFresh: boolean
  /** The last reset's snapshot may contain messages up to this offset. */
  overlapOffset: number
  /** The application has asked for a new start. */
  isRefreshing: boolean
  /** Moves ahead with every new start that nobody asked for; awake time. */
  unrestAtMs: number
  phase: ChannelStatus
  /** Handlers and other readers; while above 0 the channel is wanted for reading. */
  readers: number
  /** Publishes that have not settled; while above 0 the channel is wanted for writing. */
  unsettled: number
  /** Without readers it stays wanted until then; awake time. */
  readUntilMs: number
  /** What is volatile keeps it wanted for writing until then; awake time. */
  writeUntilMs: number
  /** What is told of this client here. */
  presence: Question | undefined
  roster: readonly Present[]
  rosterVersion: number
  trouble: RealtimeError | null
  view: ChannelSnapshot | undefined
}

/** A question that the application has asked. */
export interface Question extends InputOf<'ask'> {
  readonly dueAtMs: number
  /** The socket that carried it last; 0 until it is sent. */
  socketId: number
}

/** Trouble that is forgiven a few times: a code, or a close code's policy where that decides. */
export type Strike = ErrorCode | 'reauthorize'

/** What was sent of late under one key, and what waits for its turn. */
export interface Volatile extends InputOf<'volatile'> {
  /** Awake time. */
  readonly dueAtMs: number
  readonly isSent: boolean
}

/** Counters since the client was made. */
export interface Counters {
  reconnects: number
  duplicates: number
  gaps: number
  resets: number
  unknownFrames: number
}

/** Moves through the phases as a {@link Connection} does. */
export interface Core extends Connection {
  readonly settings: Settings
  readonly random: () => number
  readonly createId: () => string
  readonly publishes: Outbox
  readonly questions: Map<string, Question>
  readonly volatiles: Map<string, Volatile>
  readonly records: Map<string, ChannelRecord>
  readonly counters: Counters
  effects: Effect[]
  clock: Now
  phase: Phase
  cause: Cause | null
  view: ClientSnapshot
  /** Tries since the last stable session: one that is accepted and closed at once does not end an outage. */
  tries: number
  /** When the present outage, or the first try, began; elapsed time. */
  outageAtMs: number
  /** When this session became live; awake time. `Infinity` while there is none. */
  liveAtMs: number
  /** How often each kind of trouble has come since the last stable session. */
  strikes: { [Kind in Strike]?: number }
  /** Names this client towards the server: a secret of this page load. */
  producerId: string
  /** Counts sockets; also the generation by which the server fences old ones. */
  socketId: number
  /** Counts questions for address and token. */
  attemptId: number
  /** What `getToken` has answered; empty if it has not, or the server has refused it. */
  token: string
  /** Why the next one will be asked for. */
  tokenReason: TokenReason
  /** When that is; elapsed time. */
  tokenUntilMs: number
  /** Numbers `sub` and `fetch`; never reused, so a late answer cannot be mistaken. */
  lastRequest: number
  /** When the server's pace allows the next publish; awake time. */
  paceAtMs: number
  /** The deadline of the present phase: elapsed time in `waiting`, awake time in all others. */
  timerAtMs: number
  /** No channel has a deadline before this; awake time. The exact one is looked for when it comes. */
  sweepAtMs: number
  /** When this client leaves a server that is about to stop; awake time. */
  leavesAtMs: number
  /** When the application's `close` stops waiting for the outbox; awake time. */
  closeDueAtMs: number
  /** The shortest wait that the server asked for; applies to the next try. */
  askedWaitMs: number
  /** When a hint last cut a wait; elapsed time. */
  hurriedAtMs: number
  /** The number of our newest ping, when it was sent, in awake and in elapsed time, and its smoothed round trip. */
  pings: number
  pingedAtMs: number
  topsAskedAtMs: number
  roundTripMs: number
  /** Grows with every socket that was given up while an answer was awaited: a slow link needs more time. */
  patience: number
  /** The share of the arriving message that belongs to the present frame, in characters. */
  frameLength: number
  /** How long what the present phase waits for may take, in milliseconds. */
  answerMs: number
  heartbeatMs: number
  /** What the server bounds. Empty until `welcome`, before which nothing looks. */
  serverLimits: Limits
  /** This client as others see it. */
  member: string
  /** What the server can do besides. */
  features: readonly string[]
  /** How much had left at the last look, and when some of it last did, or nothing waited; awake time. */
  drainedBytes: number
  drainedAtMs: number
  /** What had been sent before our newest ping. */
  sentBeforePingBytes: number
}

/** An answer to anything may take this long, in milliseconds, before the client makes sure that the socket is alive. */
export const ANSWER_MS = 4_000

export function createCore(settings: Settings, random: () => number, createId: () => string): Core {
  return {
    settings,
    random,
    createId,
    publishes: createOutbox(),
    questions: new Map(),
    volatiles: new Map(),
    records: new Map(),
    counters: { reconnects: 0, duplicates: 0, gaps: 0, resets: 0, unknownFrames: 0 },
    effects: [],
    clock: { awakeMs: 0, elapsedMs: 0, wallMs: 0, sentBytes: 0, waitingBytes: 0 },
    ...IDLE,
    view: {
      status: 'idle',
      previous: 'idle',
      cause: null,
      attempt: 0,
      retryAtMs: null,
      sinceMs: 0,
      transport: null,
      resumed: false,
    },
    tries: 0,
    outageAtMs: 0,
    liveAtMs: Infinity,
    strikes: {},
    producerId: createId(),
    socketId: 0,
    attemptId: 0,
    token: '',
    tokenReason: 'first',
    tokenUntilMs: Infinity,
    lastRequest: 0,
    paceAtMs: -Infinity,
    timerAtMs: Infinity,
    sweepAtMs: Infinity,
    leavesAtMs: Infinity,
    closeDueAtMs: Infinity,
    askedWaitMs: 0,
    hurriedAtMs: -Infinity,
    pings: 0,
    pingedAtMs: 0,
    topsAskedAtMs: 0,
    roundTripMs: 0,
    patience: 1,
    frameLength: 0,
    answerMs: 0,
    heartbeatMs: 0,
    serverLimits: {} as Limits,
    member: '',
    features: [],
    drainedBytes: 0,
    sentBeforePingBytes: 0,
    drainedAtMs: 0,
  }
}

export function channelRecord(core: Core, name: string): ChannelRecord {
  let record = core.records.get(name)
  if (!record) {
    record = {
      channelName: name,
      reached: null,
      shown: null,
      shownIn: undefined,
      lane: createLane(),
      early: new Map(),
      historyEpoch: '',
      newest: null,
      topAskedAtMs: 0,
      topHeardAtMs: 0,
      completeAtMs: -Infinity,
      isFresh: false,
      overlapOffset: 0,
      isRefreshing: false,
      unrestAtMs: 0,
      ...unattached(),
      phase: 'idle',
      readers: 0,
      unsettled: 0,
      readUntilMs: 0,
      writeUntilMs: 0,
      presence: undefined,
      roster: [],
      rosterVersion: 0,
      trouble: null,
      view: undefined,
    }
    core.records.set(name, record)
  }
  return record
}

function createLane(): Lane {
  return { queued: 0, isClosed: false, parked: undefined, skipTo: 0 }
}

/** What has not had its turn will come again. */
export function dropEarly({ early, lane }: ChannelRecord): void {
  for (const { length } of early.values()) lane.queued -= length
  early.clear()
}

/** What waits for handlers is for nobody any more. */
export function closeLane(record: ChannelRecord): void {
  record.early.clear()
  record.lane.isClosed = true
  record.lane.parked &&= []
  record.lane = createLane()
  record.completeAtMs = -Infinity
  record.isFresh = false
}

/** Sends a frame, and makes sure of the socket if what it asks is not answered in time. */
export function send(core: Core, frame: OutgoingFrame): void {
  core.effects.push({ type: 'socket.send', frame })
  sweepAt(core, core.clock.awakeMs + ANSWER_MS)
}

/** Tells the application of trouble that no promise could tell of. */
export function complain(core: Core, error: RealtimeError, channel?: string): void {
  core.effects.push({ type: 'emit', event: 'error', detail: { error, channel } })
}

/** The channel looks different to the application now. */
export function touch(core: Core, record: ChannelRecord, phase = record.phase): void {
  record.phase = phase
  record.view = undefined
  core.effects.push({ type: 'changed', channel: record.channelName })
}

/** Whether frames beyond the greeting can be sent now. */
export function sends(core: Core): boolean {
  return PHASES[core.phase].sends
}

/** How long, in milliseconds, an answer about a top may be used beyond the next heartbeat. */
const FRESH_MARGIN_MS = 10_000

/** For how long the channel is fresh yet. */
export function freshForMs(core: Core, { completeAtMs }: ChannelRecord, elapsedMs = core.clock.elapsedMs): number {
  return completeAtMs + core.heartbeatMs + FRESH_MARGIN_MS - elapsedMs
}

/** Notices that the top which is known was still the top when that was asked, and whether handlers have been given it. */
export function confirmTop(core: Core, record: ChannelRecord, askedAtMs = 0): void {
  record.topAskedAtMs = Math.max(record.topAskedAtMs, askedAtMs)
  if (record.shownIn !== record.lane || !hasReached(record.shown, record.newest)) return
  record.isFresh = true
  record.completeAtMs = record.topAskedAtMs
  sweepAt(core, core.clock.awakeMs + freshForMs(core, record))
  touch(core, record)
}

/** New starts of a channel that nobody asked for: one in this time, in milliseconds, and three at once, are borne. */
const REST_MS = 20_000

/** Notices such a new start, and whether there are too many. */
export function isRestless(core: Core, record: ChannelRecord): boolean {
  record.unrestAtMs = Math.max(record.unrestAtMs, core.clock.awakeMs) + REST_MS
  return record.unrestAtMs > core.clock.awakeMs + 3 * REST_MS
}

/** Notices what the server has said of a channel's top. */
export function heardTop(core: Core, record: ChannelRecord, top: Position | null): void {
  record.newest = top
  record.topHeardAtMs = core.clock.elapsedMs
}

/** Whether the channel is wanted for reading. */
export function isRead(core: Core, { readers, readUntilMs }: ChannelRecord): boolean {
  return PHASES[core.phase].accepts && (readers > 0 || readUntilMs > core.clock.awakeMs)
}

/** The channel's record, if it may be read here: frames that cross a `sub` belong to the attachment before. */
export function reading(core: Core, frame: { readonly channel: string }): ChannelRecord | undefined {
  const record = core.records.get(frame.channel)
  return record?.granted.includes('read') && record.askedAtMs === Infinity ? record : undefined
}

/** A channel has something to look after at that moment; awake time. */
export function sweepAt(core: Core, dueAtMs: number): void {
  core.sweepAtMs = Math.min(core.sweepAtMs, dueAtMs)
}
