// One channel on one connection: what the client wants of it, what it may, and how far it has been told.
//
// Rules of this file:
// - The newest `sub` is the whole wish. It is asked about when the question before it has been answered, so a
//   connection has one question per channel open, however often it changes its mind; superseded ones get no answer.
// - The node listens first and judges then: what is stored in between is in the ring.
// - Where writing is granted the producer's record is claimed, and given up once nothing can be published under it.
// - Live: every event that continues what was last sent is pushed. Any other, and any while too much is unsent, ends
//   with `behind`; from then on, and from a `fetch` on, nothing is pushed before a page that says there is no more.
// - What is volatile goes to whoever is live. Who reads is told who is here; who wants to be seen is
//   asked about once.
// - A `fetch` is answered when the connection has room for a page, and so is whoever needs a new start; a newer question
//   takes the place of an older.

import {
  CLOSE_BAD_FRAME,
  CLOSE_FORBIDDEN,
  CLOSE_REPLACED,
  CLOSE_UNAVAILABLE,
  type AttachedFrame,
  closeReason,
  type EncodedFrame,
  type FetchFrame,
  type Grant,
  type Position,
  type PresFrame,
  type PubFrame,
  type Refused,
  type SubFrame,
  type Top,
  type VolFrame,
} from 'steadywire/protocol'
import type { Channel, RingEvent, Subscriber, Volatile } from './channels.ts'
import type { Context } from './context.ts'
import { askHook, isRefusal } from './hooks.ts'
import { type Attendance, NOT_PRESENT } from './presence.ts'
import { type PublishLine, PublishQueue } from './publishing.ts'
import type { Start } from './snapshots.ts'
import type { Judgement, LogExtent, PageAnswer, ProducerClaim, ProducerRecord } from './store/store.ts'
import type { VolatileInlet, VolatileOutlet, VolatileReader } from './volatile.ts'
import { encodePage, encodeReset, encodeResponse, PAGE_BYTES, pageTexts } from './wire.ts'

/** What one client may say of itself in a channel before it is answered. */
const MAX_OPEN_PRESENCES = 64
const TOO_MANY: Refused = { code: 'too-many', message: 'Too many questions are open.' }

/** What an attachment needs of its connection. */
export interface Line extends PublishLine {
  readonly inlet: VolatileInlet
  readonly outlet: VolatileOutlet
  send(frame: EncodedFrame): void
  /** Whether so much is unsent that nothing should be pushed. */
  isCongested(): boolean
  /** Asks for a call of {@link Attachment.serve} when there is room. */
  wantsPage(attachment: Attachment): void
  /** Nothing is left of the attachment; the connection may forget it. */
  released(attachment: Attachment): void
}

/** A new start that a client has to make: the answer to its question of that number. */
interface Restart {
  readonly type: 'reset'
  readonly request: number
  readonly reason: string
}

export class Attachment implements Subscriber, VolatileReader {
  readonly channel: string
  readonly #context: Context
  readonly #line: Line
  readonly #publishes: PublishQueue
  #wish: SubFrame | undefined
  #asking: SubFrame | undefined
  /** Undefined until first attached; empty if denied later. */
  #grants: readonly Grant[] | undefined
  /** Whether the store keeps the producer's record for this attachment. */
  #hasClaim = false
  /** The `sub` that was last granted writing. */
  #writeRequest = 0
  /** Where to listen, while reading. */
  #listening: Channel | undefined
  /** The newest position sent, while live. */
  #live: { readonly epoch: string; readonly offset: number } | undefined
  /** The page that was asked for, or the new start that has to come. */
  #wanted: FetchFrame | Restart | undefined
  #toldTop: Position | undefined
  /** Its part in the channel's roster, while reading. */
  #attendance: Attendance | undefined
  /** What this client says of itself, the first of which is being looked at. */
  readonly #presences: PresFrame[] = []
  #mayBeSeen = false
  #isEnded = false

  constructor(channel: string, context: Context, line: Line) {
    this.channel = channel
    this.#context = context
    this.#line = line
    this.#publishes = new PublishQueue(channel, context, line, {
      emptied: () => this.#release(),
      gone: () => line.say({ type: 'detached', channel, request: this.#writeRequest, code: 'producer-gone' }),
    })
  }

  get isAttached(): boolean {
    return this.#grants !== undefined && this.#grants.length > 0
  }

  /** Whether everything has been pushed that was stored. */
  get isLevel(): boolean {
    return this.#live !== undefined
  }

  sub(frame: SubFrame): void {
    this.#wish = frame
    if (!this.#asking) this.#ask(frame)
  }

  unsub(): void {
    this.#wish = undefined
    this.#grants = undefined
    this.#leave()
    this.#attend(false)
    this.#release()
  }

  pub(frame: PubFrame): void {
    if (!this.#grants) return this.#line.close(CLOSE_BAD_FRAME, closeReason('not-attached'))
    this.#publishes.offer(frame, this.#grants.includes('write'))
  }

  fetch(frame: FetchFrame): void {
    if (!this.#grants) return this.#line.close(CLOSE_BAD_FRAME, closeReason('not-attached'))
    if (!this.#listening) {
      // It crossed the answer that took reading away.
      this.#context.counters.ignoredFrames++
      return
    }
    this.#live = undefined
    this.#want(frame)
  }

  vol(frame: VolFrame): void {
    if (this.#grants?.includes('write')) this.#line.inlet.offer(frame)
    else this.#context.counters.volatilesLeftOut++
  }

  pass(volatile: Volatile): void {
    if (volatile.member !== this.#line.sender.member) this.#line.outlet.offer(volatile, this)
  }

  /** What is to be told of this client: one after the other, because whoever decides may take their time. */
  pres(frame: PresFrame): void {
    const open = this.#presences.push(frame)
    if (open > MAX_OPEN_PRESENCES) this.#answer(this.#presences.pop() as PresFrame, TOO_MANY)
    else if (open === 1) this.#nextPresence()
  }

  push(event: RingEvent): void {
    const live = this.#live
    if (!live || (event.epoch === live.epoch && event.offset <= live.offset)) return
    if (event.epoch !== live.epoch || event.offset !== live.offset + 1 || this.#line.isCongested())
      return this.#fallBehind()
    this.#live = event
    this.#line.send(event.frame)
  }

  /** The position to list in a pong, if the last pong did not list the same. */
  newTop({ epoch, top: offset }: LogExtent): Top | undefined {
    const told = this.#toldTop
    if (told && told.epoch === epoch && told.offset === offset) return undefined
    this.#toldTop = { epoch, offset }
    return { channel: this.channel, epoch, offset }
  }

  /** Sends what is wanted, reading it first. `done` is called once another one may be served. */
  serve(done: () => void): void {
    this.#attendance?.catchUp()
    const { channel } = this
    const wanted = this.#wanted
    if (wanted?.type === 'fetch') {
      const count = Math.min(Math.max(wanted.count, 1), this.#context.settings.limits.pageCount)
      const query = { channel, position: wanted.position, count, dataLength: PAGE_BYTES }
      return this.#context.store.page(query, (page) => {
        if (this.#wanted === wanted && page === 'unavailable') this.#storeLost()
        else if (this.#wanted === wanted && page !== 'unavailable') this.#sendPage(wanted, page)
        done()
      })
    }
    if (wanted)
      this.#context.snapshots.ask(channel, (start) => {
        if (this.#wanted === wanted && start === 'unavailable') this.#storeLost()
        else if (this.#wanted === wanted && start !== 'unavailable') this.#sendReset(wanted, start)
      })
    // An application that is slow to answer must not keep pages of other channels waiting.
    done()
  }

  /** The connection is gone: because the client has left, or it was lost. */
  end(hasLeft: boolean): void {
    this.#isEnded = true
    this.#publishes.end()
    this.#leave()
    this.#attendance?.end(hasLeft)
    this.#giveUpClaim()
  }

  #ask(frame: SubFrame): void {
    this.#asking = frame
    this.#authorize(frame, (granted) => {
      if (this.#isOutdated(frame)) return
      if (granted === 'failed') return this.#deny(frame, 'internal')
      if (granted.length === 0) return this.#deny(frame, frame.want.length === 0 ? 'invalid' : 'forbidden')
      this.#listen(granted.includes('read'))
      const { channel } = this
      const producer = granted.includes('write') && this.#claim(frame)
      const query = { channel, ...(frame.position && { position: frame.position }), ...(producer && { producer }) }
      this.#context.store.attach(query, (answer) => {
        if (this.#isEnded) return
        if (answer === 'unavailable') return this.#storeLost()
        const { producer: record } = answer
        if (record === 'replaced') return this.#line.close(CLOSE_REPLACED, closeReason('replaced'))
        if (record === 'other-user') return this.#line.close(CLOSE_FORBIDDEN, closeReason('other-user'))
        if (this.#wish !== frame) {
          // What came before waits for the record all the same.
          if (record) this.#publishes.claimed(record)
          return this.#goOn()
        }
        const isNew = !frame.position && !frame.reset && granted.includes('read')
        if (isNew && this.#context.snapshots.areOffered) return this.#begin(frame, granted, answer.judgement, record)
        this.#attached(frame, granted, answer.extent, answer.judgement, record)
        if (record) this.#publishes.claimed(record)
      })
    })
  }

  /** Whoever has nothing yet begins with a snapshot, if there is one. */
  #begin(frame: SubFrame, grants: readonly Grant[], judgement: Judgement, record: ProducerRecord | undefined): void {
    // However slow the application is, publishing goes on.
    if (record) this.#publishes.claimed(record)
    this.#context.snapshots.ask(this.channel, (start) => {
      if (this.#isOutdated(frame)) return
      if (start === 'unavailable') return this.#storeLost()
      // Lost while the application took its time: under that record nothing could be published.
      if (record && this.#publishes.isGone) return this.#ask(frame)
      this.#attached(frame, grants, start.extent, start.snapshot ? 'initial' : judgement, record)
    })
  }

  #claim({ settledBelow = 0 }: SubFrame): ProducerClaim {
    const { user, producer } = this.#line
    this.#hasClaim = true
    this.#publishes.claiming()
    const { window } = this.#context.settings.limits
    return { id: producer.producer, userId: user.userId, generation: producer.generation, settledBelow, window }
  }

  #giveUpClaim(): void {
    if (!this.#hasClaim) return
    this.#hasClaim = false
    const { producer: producerId, generation } = this.#line.producer
    this.#context.store.detach({ channel: this.channel, producerId, generation })
  }

  #authorize(frame: SubFrame, done: (granted: readonly Grant[] | 'failed') => void): void {
    const { want: wanted } = frame
    const { environment, hooks, settings } = this.#context
    const { authorize } = hooks
    if (!authorize || wanted.length === 0) return done(wanted)
    const granted = new Set<Grant>()
    let openCount = wanted.length
    let hasFailed = false
    for (const action of wanted)
      askHook<boolean>(
        environment,
        settings.hookTimeoutMs,
        (answered) => authorize({ user: this.#line.user, channel: this.channel, action }, answered),
        (answer) => {
          if ('error' in answer) hasFailed ||= !isRefusal(answer.error)
          // Nothing but true is a yes: a forgotten `return` or `await` must not open a channel.
          else if (answer.answer === true) granted.add(action)
          openCount--
          // A question that failed takes nothing from what another one has granted.
          if (openCount === 0)
            done(hasFailed && granted.size === 0 ? 'failed' : wanted.filter((one) => granted.has(one)))
        },
      )
  }

  /** Whether the answer to `frame` is no longer wanted; if so, goes on with what is. */
  #isOutdated(frame: SubFrame): boolean {
    if (this.#isEnded) return true
    if (this.#wish === frame) return false
    this.#goOn()
    return true
  }

  #goOn(): void {
    this.#asking = undefined
    if (this.#wish) this.#ask(this.#wish)
    else this.#release()
  }

  #deny({ request }: SubFrame, code: string): void {
    this.#asking = undefined
    this.#wish = undefined
    this.#grants &&= []
    this.#leave()
    this.#attend(false)
    this.#line.say({ type: 'denied', channel: this.channel, request, code })
    this.#release()
  }

  #attached(
    { request, reset }: SubFrame,
    grants: readonly Grant[],
    extent: LogExtent,
    judgement: Judgement | 'initial',
    record: ProducerRecord | undefined,
  ): void {
    this.#asking = undefined
    this.#grants = grants
    // What was going on belongs to the attachment before.
    this.#wanted = undefined
    this.#live = undefined
    const { channel } = this
    const top = { epoch: extent.epoch, offset: extent.top }
    const say = (mode: AttachedFrame['mode']) => {
      this.#line.say({ type: 'attached', channel, request, grants, top, mode, ...(record && { producer: record }) })
      this.#attend(grants.includes('read'))
    }
    if (record) this.#writeRequest = request
    // What an earlier wish has claimed may be needed no longer.
    else this.#release()
    if (!this.#listening) return say('live')
    const rest = this.#restAfter(top, extent)
    if (judgement === 'catching-up' && !reset) {
      say('catching-up')
    } else if (judgement === 'live' && !reset) {
      say(rest === 'unknown' ? 'catching-up' : 'live')
      if (rest !== 'unknown') this.#goLive(top, rest)
    } else {
      say('reset')
      this.#want({ type: 'reset', request, reason: reset ? 'asked' : judgement })
    }
  }

  #sendPage({ request, position }: FetchFrame, { extent, judgement, events }: PageAnswer): void {
    if (judgement !== 'live' && judgement !== 'catching-up')
      return this.#want({ type: 'reset', request, reason: judgement })
    const top = { epoch: extent.epoch, offset: extent.top }
    const texts = pageTexts(events)
    const reached = { epoch: extent.epoch, offset: position.offset + texts.length }
    const rest = this.#restAfter(reached, extent)
    // More was stored since it was read than is in hand: what is there now has to be read.
    if (rest === 'unknown' && texts.length === 0) return this.#line.wantsPage(this)
    this.#wanted = undefined
    const page = { channel: this.channel, request, from: position.offset + 1 }
    if (rest === 'unknown') return this.#line.send(encodePage({ ...page, more: true }, texts))
    this.#line.send(encodePage({ ...page, more: false, top }, texts))
    this.#goLive(reached, rest)
  }

  /** A new start. Without a snapshot it begins before the oldest message that is kept, so that nobody misses any. */
  #sendReset({ request, reason }: Restart, { extent, snapshot }: Start): void {
    // A snapshot is large, and the room there was may be taken.
    if (snapshot && this.#line.isCongested()) return this.#line.wantsPage(this)
    this.#wanted = undefined
    const { channel } = this
    const top = { epoch: extent.epoch, offset: extent.top }
    const position = snapshot?.position ?? { epoch: extent.epoch, offset: extent.first - 1 }
    const overlap = snapshot?.overlapTo !== undefined && { overlapTo: snapshot.overlapTo }
    this.#line.send(encodeReset({ channel, request, reason, position, top, ...overlap }, snapshot?.dataText))
    // Below the top the client fetches what lies between.
    if (position.offset < top.offset) return
    const rest = this.#restAfter(top, extent)
    if (rest === 'unknown') this.#fallBehind()
    else this.#goLive(top, rest)
  }

  #restAfter(position: Position, extent: LogExtent): readonly RingEvent[] | 'unknown' {
    return this.#listening?.rest(position, extent) ?? 'unknown'
  }

  #want(wanted: FetchFrame | Restart): void {
    this.#wanted = wanted
    this.#line.wantsPage(this)
  }

  #goLive(position: Position, rest: readonly RingEvent[]): void {
    this.#live = position
    for (const event of rest) this.push(event)
  }

  #fallBehind(): void {
    this.#live = undefined
    this.#context.counters.behind++
    this.#line.say({ type: 'behind', channel: this.channel })
  }

  #listen(isReading: boolean): void {
    if (!isReading) return this.#leave()
    this.#listening ??= this.#context.channels.open(this.channel)
    this.#listening.join(this)
  }

  #leave(): void {
    if (this.#listening) this.#context.channels.leave(this.#listening, this, this.#context.environment.monotonicNow())
    this.#listening = undefined
    this.#live = undefined
    this.#wanted = undefined
  }

  #nextPresence(): void {
    const [frame] = this.#presences
    if (!frame || this.#isEnded) return
    const { environment, hooks, settings } = this.#context
    const { authorize } = hooks
    const say = (refused?: Refused) => {
      this.#presences.shift()
      this.#answer(frame, refused ?? (this.#attendance ? this.#attendance.say(frame.data) : NOT_PRESENT))
      this.#nextPresence()
    }
    if (!authorize || this.#mayBeSeen || frame.data === null) return say()
    askHook<boolean>(
      environment,
      settings.hookTimeoutMs,
      (done) => authorize({ user: this.#line.user, channel: this.channel, action: 'presence' }, done),
      (answer) => {
        this.#mayBeSeen = 'answer' in answer && answer.answer === true
        if (!this.#isEnded) say(this.#mayBeSeen ? undefined : NOT_PRESENT)
      },
    )
  }

  #answer({ id }: PresFrame, refused: Refused | undefined): void {
    this.#line.send(encodeResponse(id, refused, undefined))
  }

  /** Sends who is here, from now on, or no more. */
  #attend(isGranted: boolean): void {
    if (!isGranted) this.#attendance?.end(true)
    this.#attendance = isGranted ? (this.#attendance ?? this.#enterRoster()) : undefined
    this.#attendance?.begin()
  }

  #enterRoster(): Attendance {
    return this.#context.presence.attend(this.channel, {
      sender: this.#line.sender,
      send: (frame) => this.#line.send(frame),
      isCongested: () => this.#line.isCongested(),
      wantsRoom: () => this.#line.wantsPage(this),
    })
  }

  #storeLost(): void {
    this.#line.close(CLOSE_UNAVAILABLE, closeReason('store-unavailable'))
  }

  #release(): void {
    if (this.#asking || !this.#publishes.isEmpty) return
    if (!this.#grants?.includes('write')) this.#giveUpClaim()
    if (!this.#wish && !this.#grants) this.#line.released(this)
  }
}
