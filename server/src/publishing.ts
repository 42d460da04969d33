// The publishes of one connection to one channel, one at a time.
//
// Rules of this file:
// - Answers leave in the order of the publishes; the next one is looked at when the one before has its answer.
// - Nothing is acknowledged before the store has it, and nothing refused that the store may have: where the store does
//   not know, the connection is closed and the publish stays unanswered.
// - A publish that the store has taken reaches the subscribers even if its connection is gone by then.

import {
  CLOSE_BAD_FRAME,
  CLOSE_UNAVAILABLE,
  closeReason,
  isIdentifier,
  type PubFrame,
  type Sender,
  type ServerFrame,
} from 'steadywire/protocol'
import { type Fault, isFault, newEvent } from './content.ts'
import type { Context } from './context.ts'
import { askHook, type HookAnswer, isRefusal, type User } from './hooks.ts'
import { WINDOW, WINDOW_BYTES } from './options.ts'
import type { NewEvent } from './store/store.ts'

/** How much of a connection's window is taken. */
export class PublishWindow {
  #count = 0
  #bytes = 0

  /** Takes the place of one publish; false if there is none. One publish alone may be of any size. */
  take(bytes: number): boolean {
    if (this.#count >= WINDOW || (this.#count > 0 && this.#bytes + bytes > WINDOW_BYTES)) return false
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
  readonly window: PublishWindow
  say(frame: ServerFrame): void
  close(code: number, reason: string): void
}

interface Queued {
  readonly frame: PubFrame
  /** What counts against the window. In UTF-16 units, so it is never more than the bytes that the client counts. */
  readonly bytes: number
  readonly content: NewEvent | Fault
}

export class PublishQueue {
  readonly #channel: string
  readonly #context: Context
  readonly #line: PublishLine
  readonly #emptied: () => void
  #queue: Queued[] = []
  #lastSequence = -1
  #isEnded = false

  constructor(channel: string, context: Context, line: PublishLine, emptied: () => void) {
    this.#channel = channel
    this.#context = context
    this.#line = line
    this.#emptied = emptied
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  offer(frame: PubFrame, isGranted: boolean): void {
    if (frame.sequence <= this.#lastSequence) return this.#line.close(CLOSE_BAD_FRAME, closeReason('sequence'))
    this.#lastSequence = frame.sequence
    const content = isGranted ? this.#content(frame, frame.data) : FORBIDDEN
    const bytes = isFault(content) ? 0 : content.dataText.length
    if (!this.#line.window.take(bytes)) return this.#line.close(CLOSE_BAD_FRAME, closeReason('window'))
    this.#queue.push({ frame, bytes, content })
    if (this.#queue.length === 1) this.#next()
  }

  /** The connection is gone: what has not reached the store never will. */
  end(): void {
    this.#isEnded = true
    this.#queue = []
  }

  #next(): void {
    const head = this.#queue[0]
    if (!head) return this.#emptied()
    const { frame, content } = head
    if (isFault(content)) return this.#refuse(head, content)
    const { environment, hooks, settings } = this.#context
    const { onPublish } = hooks
    if (!onPublish) return this.#append(head, content)
    const { name, data } = frame
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
    const { environment, store, channels } = this.#context
    const { base, sequence } = head.frame
    const events = [base ? { ...content, base } : content]
    store.append({ channel: this.#channel, nowMs: environment.wallNow(), events }, (answer) => {
      const outcome = answer === 'unavailable' ? undefined : answer.outcomes[0]
      if (answer !== 'unavailable' && outcome?.type === 'stored')
        channels.stored(this.#channel, answer.epoch, outcome.event)
      if (outcome?.type === 'stored')
        this.#answer(head, { type: 'ack', channel: this.#channel, sequence, offset: outcome.event.offset })
      else if (outcome?.type === 'stale-base') this.#refuse(head, STALE)
      else this.#line.close(CLOSE_UNAVAILABLE, closeReason('store-unavailable'))
    })
  }

  #refuse(head: Queued, { code, message }: Fault): void {
    const { sequence } = head.frame
    const word = isIdentifier(code) ? code : 'invalid'
    this.#answer(head, { type: 'nack', channel: this.#channel, sequence, code: word, ...(message && { message }) })
  }

  #answer(head: Queued, frame: ServerFrame): void {
    this.#queue.shift()
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
const STALE: Fault = { code: 'stale-base', message: 'The channel has moved past the base of this publish.' }
// What went wrong inside is for the operator; the publisher learns that nothing was stored.
const TROUBLE: Fault = { code: 'internal', message: 'The server could not process this.' }
