// Listeners: nanoevents, plus isolation of those that throw.
//
// Rules of this file:
// - Names fixed in this library reach nanoevents as they are. Message and channel names, which the application and the server
//   choose, have a colon in front: `emit('constructor')` would throw there, and `:constructor` is no name that objects have.
// - A listener that throws is reported and stops nobody else; one that was removed during an emit is not called in it.
// - Every registration is one of its own: the same function may be registered twice and removed once.

import { createNanoEvents } from 'nanoevents'

export interface Emitter<Events> {
  /** Calls `listener` with each detail; returns the function that stops it. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => unknown): () => void
  /** Gathers what the listeners answer, one answer for each: what fails is reported and answers nothing. */
  emit<Name extends keyof Events>(event: Name, detail: Events[Name]): unknown[]
}

export function createEmitter<Events>(reportError: (error: unknown) => void): Emitter<Events> {
  type Handlers = { [Name in keyof Events]: (detail: Events[Name], answers: unknown[]) => void }
  const emitter = createNanoEvents<Handlers>()
  return {
    on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => unknown) {
      let isActive = true
      const guarded = (detail: Events[Name], answers: unknown[]) => {
        let answer: unknown
        try {
          answer = isActive && listener(detail)
          // Also what is a promise by its behaviour alone.
          if ((answer as PromiseLike<unknown> | undefined)?.then) answer = Promise.resolve(answer).catch(reportError)
        } catch (error) {
          reportError(error)
        }
        answers.push(answer)
      }
      const stop = emitter.on(event, guarded as Handlers[Name])
      return () => {
        isActive = false
        stop()
      }
    },
    emit(event, detail) {
      const answers: unknown[] = []
      emitter.emit(event, ...([detail, answers] as Parameters<Handlers[typeof event]>))
      return answers
    },
  }
}
