// What a connection asks that has one answer: requests to the application, and pages of history.
//
// Rules of this file:
// - Every question is answered once, unless the connection ends first. So many may be open; one more is refused at once.
// - A request that fails tells the asker nothing of why, unless the application has thrown a refusal for it to read.
// - History is read, and moves nothing. A page ends right before the position that was named, and has no gap.

import type { EncodedFrame, HistFrame, Position, Refused, ReqFrame } from 'steadywire/protocol'
import { dataTextOf, isFault, isStorableName } from './content.ts'
import type { Context } from './context.ts'
import { askHook, isRefusal, type User } from './hooks.ts'
import type { LogExtent } from './store/store.ts'
import { encodeHistoryPage, encodeResponse, PAGE_BYTES, pageTexts } from './wire.ts'

/** What questions need of their connection. */
export interface QuestionLine {
  readonly user: User
  send(frame: EncodedFrame): void
  readonly isOver: boolean
}

const MAX_OPEN = 64

export class Questions {
  readonly #context: Context
  readonly #line: QuestionLine
  #openCount = 0

  constructor(context: Context, line: QuestionLine) {
    this.#context = context
    this.#line = line
  }

  request({ id, name, params }: ReqFrame): void {
    const { environment, hooks, settings } = this.#context
    const refuse = (error: Refused) => this.#line.send(encodeResponse(id, error, undefined))
    const answerer = hooks.requests?.(name)
    if (!answerer) return refuse({ code: 'invalid', message: 'There is no such request.' })
    if (!this.#begin()) return refuse(TOO_MANY)
    askHook<unknown>(
      environment,
      settings.hookTimeoutMs,
      (done) => answerer({ user: this.#line.user, name, params }, done),
      (answer) => {
        if (!this.#end()) return
        if ('error' in answer) return refuse(isRefusal(answer.error) ? wordsOf(answer.error) : TROUBLE)
        const text = answer.answer === undefined ? 'null' : dataTextOf(answer.answer)
        if (!isFault(text)) return this.#line.send(encodeResponse(id, undefined, text))
        environment.reportError(new Error(`The answer to the request ${name} is not sent. ${text.message}`))
        refuse(TROUBLE)
      },
    )
  }

  history({ id, channel, before, limit }: HistFrame): void {
    const refuse = (error: Refused) => this.#line.send(encodeHistoryPage({ id, more: false, epoch: '', error }, []))
    if (!isStorableName(channel) || limit === 0) return refuse({ code: 'invalid' })
    if (!this.#begin()) return refuse(TOO_MANY)
    this.#authorize(channel, (isAllowed) => {
      if (!isAllowed) return this.#end() && refuse({ code: 'forbidden' })
      this.#context.store.tops([channel], (extents) => {
        const extent = extents === 'unavailable' ? undefined : extents[0]
        if (!extent) return this.#end() && refuse(TROUBLE)
        if (before && before.epoch !== extent.epoch) return this.#end() && refuse({ code: 'history-lost' })
        const count = Math.min(limit, this.#context.settings.limits.pageCount)
        this.#read(channel, extent, before, count, (texts, start) => {
          if (!this.#end()) return
          if (!texts) return refuse({ code: 'history-lost' })
          const more = start >= extent.first
          this.#line.send(encodeHistoryPage({ id, more, epoch: extent.epoch }, texts))
        })
      })
    })
  }

  /** Reads up to `count` events that end before `before`; fewer where they are large. */
  #read(
    channel: string,
    extent: LogExtent,
    before: Position | undefined,
    count: number,
    done: (texts: readonly string[] | undefined, start: number) => void,
  ): void {
    const end = Math.min(extent.top, before ? before.offset - 1 : Infinity)
    const start = Math.max(extent.first - 1, end - count)
    if (start >= end) return done([], start)
    const position = { epoch: extent.epoch, offset: start }
    this.#context.store.page({ channel, position, count: end - start, dataLength: PAGE_BYTES }, (page) => {
      if (page === 'unavailable' || page.judgement === 'epoch-changed' || page.judgement === 'history-evicted')
        return done(undefined, start)
      const texts = pageTexts(page.events)
      // What is cut off is the end, and that was asked for.
      if (texts.length < end - start) return this.#read(channel, extent, before, Math.ceil((end - start) / 2), done)
      done(texts, start)
    })
  }

  #authorize(channel: string, done: (isAllowed: boolean) => void): void {
    const { environment, hooks, settings } = this.#context
    const { authorize } = hooks
    if (!authorize) return done(true)
    askHook<boolean>(
      environment,
      settings.hookTimeoutMs,
      (answered) => authorize({ user: this.#line.user, channel, action: 'history' }, answered),
      (answer) => done('answer' in answer && answer.answer === true),
    )
  }

  #begin(): boolean {
    if (this.#openCount === MAX_OPEN) return false
    this.#openCount++
    return true
  }

  /** Tells whether anybody still waits for the answer. */
  #end(): boolean {
    this.#openCount--
    return !this.#line.isOver
  }
}

const TOO_MANY: Refused = { code: 'too-many', message: 'Too many questions are open.' }
const TROUBLE: Refused = { code: 'internal', message: 'The server could not answer this.' }

function wordsOf({ code, message }: Refused): Refused {
  return { code, ...(message && { message }) }
}
