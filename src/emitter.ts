// Listeners: nanoevents, plus isolation of those that throw.
//
// Rules of this file:
// - Names may be anything, also what the application and the server choose: the object that nanoevents keeps listeners in has
//   no prototype here, so that `constructor` is a name like any other.
// - A listener that throws is reported and stops nobody else; one that was removed during an emit is not called in it.
// - Every registration is one of its own: the same function may be registered twice and removed once.

import { createNanoEvents } from 'nanoevents'

export interface Emitter<Events> {
  /** Calls `listener` with each detail; returns the function that stops it. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => unknown): () => void
  /**
   * Tells how many have listened; 0 or nothing if nobody has. Gathers what they answer where that is asked for, one answer for
   * each: what fails is reported and answers nothing.
   */
  emit<Name extends keyof Events>(event: Name, detail: Events[Name], answers?: unknown[]): number | undefined
  /** Nobody listens any more. */
  clear(): void
}

export function createEmitter<Events>(reportError: (error: unknown) => void): Emitter<Events> {
  type Handlers = { [Name in keyof Events]: (detail: Events[Name], answers?: unknown[]) => void }
  const emitter = createNanoEvents<Handlers>()
  const clear = () => {
    emitter.events = Object.create(null) as typeof emitter.events
  }
  clear()
  return {
    clear,
    on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => unknown) {
      let isActive = true
      const guarded = (detail: Events[Name], answers?: unknown[]) => {
        let answer: unknown
        try {
          answer = isActive && listener(detail)
          // Also what is a promise by its behaviour alone.
          if ((answer as PromiseLike<unknown> | undefined)?.then) answer = Promise.resolve(answer).catch(reportError)
        } catch (error) {
          reportError(error)
        }
        answers?.push(answer)
      }
      const stop = emitter.on(event, guarded as Handlers[Name])
      return () => {
        isActive = false
        stop()
      }
    },
    emit(event, detail, answers) {
      const listeners = emitter.events[event]
      // What nanoevents' own `emit` does, without a list of arguments: messages come by the thousand.
      listeners?.forEach((listener) => listener(detail, answers))
      return listeners?.length
    },
  }
}
