// One client connection: greeting, order, liveness, and everything it is sent.
//
// Rules of this file:
// - `hello` comes first and in time. What follows it while the user is being authenticated waits, in bounded amount.
// - A frame that breaks the order closes the connection with 4400; content that cannot be accepted is only answered.
// - What is to be sent leaves once, at the end of a tick.
// - Pings are answered at the end of the tick, so however many come, the store is asked once.
// - Once ended, nothing is read, sent or answered, whatever hooks and stores still have to say.

import {
  type ClientFrame,
  CLOSE_BAD_FRAME,
  CLOSE_NO_HELLO,
  CLOSE_TOO_MANY,
  CLOSE_UNAVAILABLE,
  closeReason,
  decodeMessage,
  type EncodedFrame,
  type HelloFrame,
  MAX_CHANNEL_BYTES,
  type PubFrame,
  type Sender,
  type ServerFrame,
  type SubFrame,
  type Top,
} from 'steadywire/protocol'
import { Attachment, type Line } from './attachment.ts'
import { isStorableName } from './content.ts'
import type { Context } from './context.ts'
import type { Cancel } from './environment.ts'
import { helloFault, isSameHello, welcomeFrame } from './greeting.ts'
import { type Authenticate, Identity } from './identity.ts'
import { knownOf, readFrame } from './incoming.ts'
import { Outgoing, type Peer } from './outgoing.ts'
import { Pace } from './pace.ts'
import { NOT_PRESENT } from './presence.ts'
import { Questions } from './questions.ts'
import { PublishWindow } from './publishing.ts'
import { encode, encodeResponse } from './wire.ts'

/** What is known of a connection before it has said anything. */
export interface ConnectionDetails {
  /** A token that came with the upgrade. One in `hello` is used instead. */
  readonly token?: string | undefined
  /** Answers who this is, or null for nobody. Absent: everyone is the user `anonymous`. */
  readonly authenticate?: Authenticate | undefined
}
/** Who keeps the sessions. */
export interface SessionOwner {
  /** Asks for a call of {@link Session.sweep} at this monotonic instant, or a little later. */
  wakeBy(atMs: number): void
  ended(session: Session): void
}

const MAX_OPEN_PINGS = 64
/** What clients close with that do not mean to come back: the page has no use for the connection, or goes away itself. */
const LEAVING_CODES: readonly number[] = [1000, 1001]
/** Pages of one connection that are read at a time, and in one tick. */
const MAX_OPEN_PAGES = 4

type Phase = 'greeting' | 'authenticating' | 'open' | 'ended'

export class Session {
  readonly #context: Context
  readonly #peer: Peer
  readonly #outgoing: Outgoing
  readonly #details: ConnectionDetails
  readonly #owner: SessionOwner
  readonly #acceptedAtMs: number
  #phase: Phase = 'greeting'
  #hello: HelloFrame | undefined
  readonly #identity: Identity
  /** Frames that came while the user was being authenticated. */
  #early: ClientFrame[] = []
  #earlyLength = 0
  #line: Line | undefined
  #questions: Questions | undefined
  readonly #attachments = new Map<string, Attachment>()
  #tick: Cancel | undefined
  #openPings: number[] = []
  #isReadingTops = false
  readonly #pagesWanted = new Set<Attachment>()
  #openPageCount = 0
  #pingCount = 0
  #pingAtMs: number
  /** The monotonic instant of the last message. */
  heardAtMs: number

  constructor(context: Context, peer: Peer, details: ConnectionDetails, owner: SessionOwner) {
    this.#context = context
    this.#peer = peer
    this.#outgoing = new Outgoing(peer, context.settings.limits)
    this.#details = details
    this.#owner = owner
    this.#acceptedAtMs = this.heardAtMs = this.#pingAtMs = context.environment.monotonicNow()
    const isOver = () => this.#isOver
    this.#identity = new Identity(context, details.authenticate, {
      get isOver() {
        return isOver()
      },
      say: (frame) => this.#say(frame),
      close: (code, reason) => this.close(code, reason),
      renewed: () => {
        this.#owner.wakeBy(this.dueAtMs)
        if (this.#line) this.#welcome(this.#line)
      },
    })
    owner.wakeBy(this.dueAtMs)
  }

  /** When {@link sweep} has something to do next. */
  get dueAtMs(): number {
    const { heartbeatMs, helloTimeoutMs } = this.#context.settings
    if (this.#phase === 'greeting') return this.#acceptedAtMs + helloTimeoutMs
    // The deadline of the hook covers this one.
    if (this.#phase !== 'open') return Infinity
    return Math.min(this.#pingAtMs, this.heardAtMs + 2 * heartbeatMs, this.#identity.dueAtMs, this.#outgoing.checkAtMs)
  }

  received(text: string): void {
    if (this.#isOver) return
    this.heardAtMs = this.#context.environment.monotonicNow()
    const { maxMessageBytes } = this.#context.settings.limits
    if (this.#phase !== 'open') this.#earlyLength += text.length
    if (this.#earlyLength > maxMessageBytes) return this.close(CLOSE_BAD_FRAME, closeReason('too-much-too-early'))
    const decoded = decodeMessage(text, maxMessageBytes, readFrame)
    if (decoded === 'malformed') return this.close(CLOSE_BAD_FRAME, closeReason('malformed'))
    this.#context.counters.unknownFrames += decoded.unknownCount
    for (const frame of decoded.frames) this.#handle(knownOf(frame))
  }

  /** The socket has taken what it was given; pages that wait for that can leave. */
  drained(): void {
    if (this.#pagesWanted.size > 0) this.#schedule()
  }

  /** The socket is gone, with this close code if it was closed in good order. */
  gone(code?: number): void {
    this.#end(code !== undefined && LEAVING_CODES.includes(code))
  }

  /** Sends what is gathered, closes, and forgets this connection at once. */
  close(code: number, reason: string): void {
    if (this.#isOver) return
    this.#flush()
    // Flushing may have found that there is no point in waiting for this peer.
    if (this.#isOver) return
    this.#end()
    this.#peer.close(code, reason)
  }

  /** Does what is due, and cuts off who is late. */
  sweep(nowMs: number): void {
    const { heartbeatMs, helloTimeoutMs } = this.#context.settings
    if (this.#phase === 'greeting' && nowMs - this.#acceptedAtMs >= helloTimeoutMs)
      return this.close(CLOSE_NO_HELLO, closeReason('no-hello'))
    if (this.#phase !== 'open') return
    if (nowMs - this.heardAtMs >= 2 * heartbeatMs) return this.#terminate()
    this.#identity.sweep(nowMs)
    if (this.#isOver) return
    if (this.#outgoing.check(nowMs) === 'stuck') return this.close(CLOSE_TOO_MANY, closeReason('too-slow'))
    this.drained()
    if (nowMs < this.#pingAtMs) return
    this.#pingAtMs = nowMs + heartbeatMs
    this.#say({ type: 'ping', n: ++this.#pingCount })
  }

  /** The server is about to stop: the client is to leave it within the window, at a moment of its own choice. */
  drain(windowMs: number): void {
    if (this.#phase === 'open') this.#say({ type: 'drain', afterMinMs: 0, afterMaxMs: windowMs })
  }

  /** The machine itself was asleep: it has heard nobody, and that is nobody's fault. */
  excuse(nowMs: number): void {
    this.heardAtMs = nowMs
  }

  #handle(frame: ClientFrame): void {
    if (this.#isOver) return
    if (frame.type === 'hello') this.#greet(frame)
    else if (this.#phase === 'greeting') this.close(CLOSE_BAD_FRAME, closeReason('hello-first'))
    else if (this.#phase === 'authenticating') this.#early.push(frame)
    else if (this.#line) this.#dispatch(frame, this.#line)
  }

  #dispatch(frame: Exclude<ClientFrame, HelloFrame>, line: Line): void {
    switch (frame.type) {
      case 'sub':
        return this.#subscribe(frame, line)
      case 'unsub':
        return this.#attachments.get(frame.channel)?.unsub()
      case 'pub':
        return this.#publish(frame)
      case 'fetch': {
        const attachment = this.#attachments.get(frame.channel)
        return attachment ? attachment.fetch(frame) : this.close(CLOSE_BAD_FRAME, closeReason('not-attached'))
      }
      case 'ping':
        if (this.#openPings.push(frame.n) > MAX_OPEN_PINGS) return this.close(CLOSE_BAD_FRAME, closeReason('pings'))
        return this.#schedule()
      case 'req':
        return this.#questions?.request(frame)
      case 'hist':
        return this.#questions?.history(frame)
      case 'vol': {
        const attachment = this.#attachments.get(frame.channel)
        if (attachment) attachment.vol(frame)
        else this.#context.counters.volatilesLeftOut++
        return
      }
      case 'pres': {
        const attachment = this.#attachments.get(frame.channel)
        return attachment ? attachment.pres(frame) : this.#send(encodeResponse(frame.id, NOT_PRESENT, undefined))
      }
      case 'auth':
        return this.#identity.renew(frame.token)
      case 'pong':
        // That it came is all it says.
        return
    }
  }

  // hello → welcome

  #greet(hello: HelloFrame): void {
    if (this.#hello) {
      if (!isSameHello(this.#hello, hello)) return this.close(CLOSE_BAD_FRAME, closeReason('second-hello'))
      if (this.#line) this.#welcome(this.#line)
      return
    }
    const fault = helloFault(hello)
    if (fault) return this.close(CLOSE_BAD_FRAME, closeReason(fault))
    this.#hello = hello
    this.#phase = 'authenticating'
    this.#identity.ask(hello.token ?? this.#details.token, () => this.#enter(hello))
  }

  #enter(hello: HelloFrame): void {
    const { environment, producers, settings } = this.#context
    const { userId } = this.#identity.user
    const nowMs = environment.monotonicNow()
    const entry = producers.enter(hello, userId, this, nowMs)
    if (entry.type === 'refused') return this.close(entry.code, entry.reason)
    this.#phase = 'open'
    this.heardAtMs = nowMs
    this.#pingAtMs = nowMs + settings.heartbeatMs
    this.#owner.wakeBy(this.dueAtMs)
    this.#line = this.#createLine(hello, { user: userId, member: entry.member })
    const isOver = () => this.#isOver
    const line = this.#line
    this.#questions = new Questions(this.#context, {
      get user() {
        return line.user
      },
      get isOver() {
        return isOver()
      },
      send: (frame) => this.#send(frame),
    })
    this.#welcome(this.#line)
    const early = this.#early
    this.#early = []
    for (const frame of early) this.#handle(frame)
  }

  #welcome({ sender }: Line): void {
    const { settings, snapshots } = this.#context
    const features = [
      ...(this.#identity.isAsked ? ['tokens'] : []),
      ...(snapshots.areOffered ? ['snapshots'] : []),
      ...(this.#context.hooks.requests ? ['requests'] : []),
      'history',
      'drain',
      'volatile',
      'presence',
    ]
    this.#say(welcomeFrame(settings, features, sender.member, this.#identity.expiresInMs))
  }

  // channels

  #subscribe(frame: SubFrame, line: Line): void {
    const { channel, request } = frame
    if (!isStorableName(channel))
      return this.#say({ type: 'denied', channel: channel.slice(0, MAX_CHANNEL_BYTES), request, code: 'invalid' })
    let attachment = this.#attachments.get(channel)
    if (!attachment) {
      if (this.#attachments.size >= this.#context.settings.limits.channelsPerConnection)
        return this.#say({ type: 'denied', channel, request, code: 'too-many' })
      attachment = new Attachment(channel, this.#context, line)
      this.#attachments.set(channel, attachment)
    }
    attachment.sub(frame)
  }

  #publish(frame: PubFrame): void {
    const { channel, sequence } = frame
    if (!isStorableName(channel))
      return this.#say({ type: 'nack', channel: channel.slice(0, MAX_CHANNEL_BYTES), sequence, code: 'invalid' })
    const attachment = this.#attachments.get(channel)
    if (attachment) attachment.pub(frame)
    else this.close(CLOSE_BAD_FRAME, closeReason('not-attached'))
  }

  #createLine(producer: HelloFrame, sender: Sender): Line {
    const { settings, volatiles } = this.#context
    const { publishesPerSecond, publishBurst } = settings.limits
    const userNow = () => this.#identity.user
    const send = (frame: EncodedFrame) => this.#send(frame)
    const isCongested = () => this.#outgoing.isCongested
    return {
      get user() {
        return userNow()
      },
      sender,
      producer,
      window: new PublishWindow(settings.limits),
      pace: new Pace(publishesPerSecond, publishBurst),
      inlet: volatiles.createInlet(sender),
      outlet: volatiles.createOutlet({ send, isCongested }),
      say: (frame) => this.#say(frame),
      send,
      close: (code, reason) => this.close(code, reason),
      isCongested,
      wantsPage: (attachment) => {
        this.#pagesWanted.add(attachment)
        this.#schedule()
      },
      released: ({ channel }) => this.#attachments.delete(channel),
    }
  }

  // what leaves

  get #hasRoom(): boolean {
    return !this.#outgoing.isCongested && this.#openPageCount < MAX_OPEN_PAGES
  }

  get #isOver(): boolean {
    return this.#phase === 'ended'
  }

  #say(frame: ServerFrame): void {
    this.#send(encode(frame))
  }

  #send(frame: EncodedFrame): void {
    if (this.#isOver) return
    this.#outgoing.add(frame)
    this.#schedule()
  }

  #schedule(): void {
    if (!this.#isOver) this.#tick ??= this.#context.environment.soon(() => this.#endTick())
  }

  #endTick(): void {
    this.#answerPings()
    this.#servePages()
    // Only now, so that what these two have said does not ask for another end.
    this.#tick = undefined
    if (this.#isOver) return
    this.#flush()
    if (this.#hasRoom) this.drained()
  }

  #answerPings(): void {
    if (this.#openPings.length === 0 || this.#isReadingTops) return
    const pings = this.#openPings.splice(0)
    const attached = [...this.#attachments.values()].filter(({ isAttached }) => isAttached)
    this.#isReadingTops = true
    const names = attached.map(({ channel }) => channel)
    this.#context.store.tops(names, (extents) => {
      this.#isReadingTops = false
      if (this.#isOver) return
      if (extents === 'unavailable') return this.close(CLOSE_UNAVAILABLE, closeReason('store-unavailable'))
      for (const n of pings) {
        const tops = attached.map((one, i) => extents[i] && one.isAttached && one.newTop(extents[i]))
        this.#say({ type: 'pong', n, tops: tops.filter((top): top is Top => Boolean(top)) })
      }
    })
  }

  /** A few pages per tick, so that one connection's hunger is not everyone's wait. */
  #servePages(): void {
    let servedCount = 0
    for (const attachment of this.#pagesWanted) {
      if (!this.#hasRoom || servedCount++ === MAX_OPEN_PAGES) return
      this.#pagesWanted.delete(attachment)
      this.#openPageCount++
      attachment.serve(() => {
        this.#openPageCount--
        this.drained()
      })
    }
  }

  #flush(): void {
    if (this.#outgoing.flush(this.#context.environment.monotonicNow()) === 'hopeless') return this.#terminate()
    this.#owner.wakeBy(this.#outgoing.checkAtMs)
  }

  #terminate(): void {
    this.#end()
    this.#peer.terminate()
  }

  #end(hasLeft = false): void {
    if (this.#isOver) return
    this.#phase = 'ended'
    this.#tick?.()
    for (const attachment of this.#attachments.values()) attachment.end(hasLeft)
    this.#line?.inlet.end()
    this.#attachments.clear()
    this.#pagesWanted.clear()
    this.#early = []
    if (this.#hello && this.#line)
      this.#context.producers.leave(this.#hello, this.#line.user.userId, this, this.#context.environment.monotonicNow())
    this.#owner.ended(this)
  }
}
