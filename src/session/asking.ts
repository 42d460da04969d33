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
import { type Core, type Question, send, sweepAt } from './core.ts'
import { detailOf } from './receiving.ts'

/** How many may be unanswered on one socket. */
const MAX_OPEN = 64

export function ask(core: Core, input: InputOf<'ask'>): void {
  const dueAtMs = core.clock.awakeMs + input.timeoutMs
  const question = { ...input, dueAtMs, socketId: 0 }
  core.questions.set(input.id, question)
  const refusal = input.refusal || (PHASES[core.phase].accepts && core.closeDueAtMs === Infinity ? undefined : 'closed')
  if (refusal) fail(core, question, refusal)
  else sweepAt(core, dueAtMs)
}

/** Sends what may be sent. */
export function pumpQuestions(core: Core): void {
  let openCount = 0
  for (const question of core.questions.values()) {
    const { frame, socketId } = question
    if (openCount++ === MAX_OPEN) return
    if (socketId === core.socketId) continue
    if (core.features.includes(frame.type === 'req' ? 'requests' : 'history')) {
      question.socketId = core.socketId
      send(core, frame)
    } else fail(core, question, 'unsupported')
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

export function failQuestions(core: Core, code: ErrorCode, id?: string): void {
  for (const question of core.questions.values()) if (!id || question.id === id) fail(core, question, code)
}

export function answered(core: Core, { id, error, data }: ResFrame): void {
  answer(core, id, error, data)
}

export function historyAnswered(core: Core, { id, error, events, more, epoch }: HistpageFrame): void {
  answer(core, id, error, { messages: events.map((logged) => detailOf(logged, epoch, true, false)), hasMore: more })
}

function answer(core: Core, id: string, error: Refused | undefined, result: unknown): void {
  if (!core.questions.delete(id)) return
  core.effects.push({
    type: 'settle',
    id,
    result: error ? new RealtimeError(knownErrorCode(error.code, 'invalid'), { message: error.message }) : result,
  })
}

function fail(core: Core, { id, socketId }: Question, code: ErrorCode): void {
  core.questions.delete(id)
  core.effects.push({
    type: 'settle',
    id,
    result: new RealtimeError(code, { outcome: socketId ? 'unknown' : 'rejected' }),
  })
}
