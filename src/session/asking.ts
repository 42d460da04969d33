// Questions that have one answer: requests, and pages of history.
//
// Rules of this file:
// - A request is sent at most once: where the socket that carried it is lost, nobody can tell whether it was heard, and it
//   ends unknown. A page of history changes nothing, so it is asked for again on the next socket.
// - While there is no connection both wait, until their time is up.
// - At most MAX_OPEN wait for their answers on a socket; the others wait here.

import { PHASES } from '../connection/phases.ts'
import type { InputOf } from '../effects.ts'
import { type ErrorCode, knownErrorCode, RealtimeError } from '../errors.ts'
import type { HistpageFrame, Refused, ResFrame } from '../protocol/frames.ts'
import { channelRecord, complain, type Core, type Question, reading, send, sweepAt } from './core.ts'
import { detailOf } from './receiving.ts'

/** How many may be unanswered on one socket. */
const MAX_OPEN = 64
/** What the server must be able to do. */
const FEATURES = { req: 'requests', hist: 'history', pres: 'presence' } as const

export function ask(core: Core, input: InputOf<'ask'>): void {
  const dueAtMs = core.clock.awakeMs + input.timeoutMs
  const question = { ...input, dueAtMs, socketId: 0 }
  core.questions.set(input.id, question)
  const refusal = input.refusal || (PHASES[core.phase].accepts && core.closeDueAtMs === Infinity ? undefined : 'closed')
  if (refusal) return fail(core, question, refusal)
  sweepAt(core, dueAtMs)
  if (input.frame.type === 'pres') channelRecord(core, input.frame.channel).presence = question
}

/** Sends what may be sent. */
export function pumpQuestions(core: Core): void {
  let openCount = 0
  for (const question of core.questions.values()) {
    const { frame, socketId } = question
    if (openCount++ === MAX_OPEN) return
    if (socketId === core.socketId) continue
    if (!core.features.includes(FEATURES[frame.type])) fail(core, question, 'unsupported')
    else if (frame.type !== 'pres' || reading(core, frame)) {
      question.socketId = core.socketId
      send(core, { ...frame, id: question.id })
    } else {
      // Presence waits for its channel, which may be refused.
      const { askedAtMs, trouble } = channelRecord(core, frame.channel)
      if (trouble && askedAtMs === Infinity) fail(core, question, trouble.code)
    }
  }
}

/** The socket is gone. */
export function loseQuestions(core: Core): void {
  for (const question of core.questions.values())
    if (question.socketId && question.frame.type === 'req') fail(core, question, 'connection-lost')
}

/** Gives up what is past its time; the rest has a later one. */
export function expireQuestions(core: Core): void {
  for (const question of core.questions.values()) {
    if (question.dueAtMs <= core.clock.awakeMs) fail(core, question, 'timeout')
    else sweepAt(core, question.dueAtMs)
  }
}

export function failQuestions(core: Core, code: ErrorCode, isMeant: (question: Question) => boolean): void {
  for (const question of core.questions.values()) if (isMeant(question)) fail(core, question, code)
}

export function answered(core: Core, { id, error, data }: ResFrame): void {
  answer(core, id, error, data)
}

export function historyAnswered(core: Core, { id, error, events, more, epoch }: HistpageFrame): void {
  answer(core, id, error, { messages: events.map((logged) => detailOf(logged, epoch, true, false)), hasMore: more })
}

function answer(core: Core, id: string, error: Refused | undefined, result: unknown): void {
  const question = core.questions.get(id)
  if (!question) return
  core.questions.delete(id)
  const trouble = error && new RealtimeError(knownErrorCode(error.code, 'invalid'), { message: error.message })
  const { frame, dueAtMs } = question
  if (trouble && frame.type === 'pres') {
    const record = channelRecord(core, frame.channel)
    if (record.presence?.id === id) record.presence = undefined
    // Said again on this socket: the promise of the first time has settled long ago.
    if (dueAtMs === Infinity) complain(core, trouble, frame.channel)
  }
  core.effects.push({ type: 'settle', id, result: trouble ?? result })
}

function fail(core: Core, { id, socketId }: Question, code: ErrorCode): void {
  core.questions.delete(id)
  core.effects.push({
    type: 'settle',
    id,
    result: new RealtimeError(code, { outcome: socketId ? 'unknown' : 'rejected' }),
  })
}
