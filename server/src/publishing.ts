// The publishes of one connection to one channel, one at a time.
//
// Rules of this file:
// - Answers leave in the order of the publishes; the next one is looked at when the one before has its answer.
// - Nothing is acknowledged before the store has it, and nothing refused that the store may have: where the store does
//   not know, the connection is closed and the publish stays unanswered.
// - A publish that the store has taken reaches the subscribers even if its connection is gone by then.
// - The pace delays a publish before anything is asked about it; it never refuses one.
// - What the producer's record covered when it was claimed is the store's to answer: no hook is asked about it again.
// - Once the store knows the producer no longer, what waits is dropped, and so is what comes, until the next claim.

import {
  CLOSE_BAD_FRAME,
  CLOSE_UNAVAILABLE,
  closeReason,
  CLOSE_REPLACED,
  type HelloFrame,
  isIdentifier,
  type PubFrame,
  type Sender,
  type ServerFrame,
} from 'steadywire/protocol'
import { type Fault, isFault, newEvent } from './content.ts'
import type { Context } from './context.ts'
import type { Cancel } from './environment.ts'
import { askHook, type HookAnswer, isRefusal, type User } from './hooks.ts'
import type { Settings } from './options.ts'
import type { Pace } from './pace.ts'
import type { AppendOutcome, NewEvent, ProducerRecord } from './store/store.ts'

/** How much of a connection's window is taken. */
export class PublishWindow {
  readonly #limits: Settings['limits']
  #count = 0
  #bytes = 0

  constructor(limits: Settings['limits']) {
    this.#limits = limits
  }

  /** Takes the place of one publish; false if there is none. One publish alone may be of any size. */
  take(bytes: number): boolean {
    const { window, windowBytes } = this.#limits
    if (this.#count >= window || (this.#count > 0 && this.#bytes + bytes > windowBytes)) return false
    this.#count++
    this.#bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#count--
    this.#bytes -= bytes
  }
}

/** What publishing needs of its connection. */
export interface PublishLine {
  readonly user: User
  readonly sender: Sender
  readonly producer: Pick<HelloFrame, 'producer' | 'generation'>
  readonly window: PublishWindow
  readonly pace: Pace
  say(frame: ServerFrame): void
  close(code: number, reason: string): void
}

/** Who is told what became of a queue. */
export interface PublishOwner {
  /** Every publish has its answer, or was dropped. */
  emptied(): void
  /** The store knows the producer no longer: nothing is stored before it is claimed again. */
  gone(): void
}

interface Queued {
  readonly frame: PubFrame
  /** What counts against the window. In UTF-16 units, so it is never more than the bytes that the client counts. */
  readonly bytes: number
  readonly content: NewEvent | Fault
  /** The monotonic instant before which the pace does not let it be stored. */
  readonly turnAtMs: number
}

export class PublishQueue {
  readonly #channel: string
  readonly #context: Context
  readonly #line: PublishLine
  readonly #owner: PublishOwner
  #queue: Queued[] = []
  /** Whether the first in the queue is being answered. */
  #isBusy = false
  #lastSequence = -1
  /** The highest sequence that the claimed record covers; undefined while a claim is open, when nobody can say. */
  #coveredTo: number | undefined = -1
  /** The first sequence that was dropped because the producer was gone. */
  #goneFrom: number | undefined
  #cancelTurn: Cancel = () => {}
  #isEnded = false

  constructor(channel: string, context: Context, line: PublishLine, owner: PublishOwner) {
    this.#channel = channel
    this.#context = context
    this.#line = line
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** The store knows the producer no longer, and nobody has claimed it since. */
  get isGone(): boolean {
    return this.#goneFrom !== undefined
  }

  offer(frame: PubFrame, isGranted: boolean): void {
    if (frame.sequence <= this.#lastSequence) return this.#line.close(CLOSE_BAD_FRAME, closeReason('sequence'))
    this.#lastSequence = frame.sequence
    if (this.isGone) return
    const content = isGranted ? this.#content(frame, frame.data) : FORBIDDEN
    const bytes = isFault(content) ? 0 : content.dataText.length
    if (!this.#line.window.take(bytes)) return this.#line.close(CLOSE_BAD_FRAME, closeReason('window'))
    const nowMs = this.#context.environment.monotonicNow()
    // Of one that is refused nobody will look at the data; it must not wait here uncounted.
    const kept = isFault(content) ? { ...frame, data: null } : frame
    this.#queue.push({
      frame: kept,
      bytes,
      content,
      turnAtMs: isFault(content) ? nowMs : this.#line.pace.turnAtMs(nowMs),
    })
    this.#next()
  }

  /** The store is being asked for the producer's record; until it answers no publish is begun. */
  claiming(): void {
    this.#coveredTo = undefined
  }

  claimed({ last }: ProducerRecord): void {
    this.#coveredTo = last
    // What was dropped unanswered may come once more.
    if (this.#goneFrom !== undefined) this.#lastSequence = this.#goneFrom - 1
    this.#goneFrom = undefined
    this.#next()
  }

  /** The connection is gone: what has not reached the store never will. */
  end(): void {
    this.#isEnded = true
    this.#cancelTurn()
    this.#queue = []
  }

  #next(): void {
    if (this.#isBusy || this.#coveredTo === undefined) return
    const head = this.#queue[0]
    if (!head) return this.#owner.emptied()
    this.#isBusy = true
    const { frame, content } = head
    if (isFault(content)) return this.#refuse(head, content)
    if (frame.sequence <= this.#coveredTo) return this.#append(head, content)
    const { environment } = this.#context
    const delayMs = head.turnAtMs - environment.monotonicNow()
    if (delayMs <= 0) return this.#consider(head, content)
    this.#cancelTurn = environment.startTimer(delayMs, () => this.#consider(head, content))
  }

  #consider(head: Queued, content: NewEvent): void {
    const { environment, hooks, settings } = this.#context
    const { onPublish } = hooks
    if (!onPublish) return this.#append(head, content)
    const { name, data } = head.frame
    const query = { user: this.#line.user, channel: this.#channel, name, data }
    askHook<unknown>(
      environment,
      settings.hookTimeoutMs,
      (done) => onPublish(query, done),
      (answer) => this.#hooked(head, answer),
    )
  }

  #hooked(head: Queued, answer: HookAnswer<unknown>): void {
    if (this.#isEnded) return
    if ('error' in answer) return this.#refuse(head, isRefusal(answer.error) ? answer.error : TROUBLE)
    const content = this.#content(head.frame, answer.answer === undefined ? head.frame.data : answer.answer)
    if (!isFault(content)) return this.#append(head, content)
    // The hook made of good content what cannot be stored.
    this.#context.environment.reportError(new Error(`onPublish: ${content.message}`))
    this.#refuse(head, TROUBLE)
  }

  #append(head: Queued, content: NewEvent): void {
    const { base, sequence } = head.frame
    const { producer: producerId, generation } = this.#line.producer
    const event = { ...content, ...(base && { base }), origin: { producerId, generation, sequence } }
    this.#context.log.append(this.#channel, event, (answer) => {
      if (this.#isEnded) return
      if (answer === 'unavailable') this.#line.close(CLOSE_UNAVAILABLE, closeReason('store-unavailable'))
      else this.#appended(head, answer.outcome)
    })
  }

  #appended(head: Queued, outcome: AppendOutcome): void {
    switch (outcome.type) {
      case 'stored':
        return this.#acknowledge(head, outcome.event.offset)
      case 'repeated':
        return this.#acknowledge(head, outcome.offset)
      case 'stale-base':
        return this.#refuse(head, STALE)
      case 'superseded':
        return this.#refuse(head, SUPERSEDED)
      case 'gone':
        return this.#drop(head)
      case 'replaced':
        return this.#line.close(CLOSE_REPLACED, closeReason('replaced'))
      case 'conflict':
        return this.#line.close(CLOSE_BAD_FRAME, closeReason('conflict'))
    }
  }

  #acknowledge(head: Queued, offset: number): void {
    this.#answer(head, { type: 'ack', channel: this.#channel, sequence: head.frame.sequence, offset })
  }

  #drop({ frame }: Queued): void {
    // Asked before the open claim, which brings a record: it is tried again under that one.
    if (this.#coveredTo === undefined) {
      this.#isBusy = false
      return
    }
    this.#goneFrom = frame.sequence
    for (const { bytes } of this.#queue) this.#line.window.give(bytes)
    this.#queue = []
    this.#isBusy = false
    this.#owner.gone()
    this.#owner.emptied()
  }

  #refuse(head: Queued, { code, message }: Fault): void {
    const { sequence } = head.frame
    const word = isIdentifier(code) ? code : 'invalid'
    this.#answer(head, { type: 'nack', channel: this.#channel, sequence, code: word, ...(message && { message }) })
  }

  #answer(head: Queued, frame: ServerFrame): void {
    this.#queue.shift()
    this.#isBusy = false
    this.#line.window.give(head.bytes)
    this.#line.say(frame)
    this.#next()
  }

  #content({ id, name }: PubFrame, data: unknown): NewEvent | Fault {
    const message = { channel: this.#channel, id, name, data, sender: this.#line.sender }
    return newEvent(message, this.#context.settings.limits.maxMessageBytes)
  }
}

const FORBIDDEN: Fault = { code: 'forbidden', message: 'Publishing to this channel is not allowed.' }
const SUPERSEDED: Fault = { code: 'superseded', message: 'Later publishes were stored without this one.' }
const STALE: Fault = { code: 'stale-base', message: 'The channel has moved past the base of this publish.' }
// What went wrong inside is for the operator; the publisher learns that nothing was stored.
const TROUBLE: Fault = { code: 'internal', message: 'The server could not process this.' }
