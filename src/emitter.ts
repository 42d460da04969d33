// The client's few fixed events: nanoevents, plus isolation of listeners that throw.
//
// Rules of this file:
// - Only names from the list of events reach nanoevents: `emit('constructor')` would throw there. Message names, which the
//   application and the server choose, live in Maps.
// - A listener that throws is reported and stops nobody else; one that was removed during an emit is not called in it.

import { createNanoEvents } from 'nanoevents'

export interface Emitter<Events extends { [Name in keyof Events]: unknown }> {
  /** Calls `listener` with each detail; returns the function that stops it. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => void): () => void
  emit<Name extends keyof Events>(event: Name, detail: Events[Name]): void
}

export function createEmitter<Events extends { [Name in keyof Events]: unknown }>(
  reportError: (error: unknown) => void,
): Emitter<Events> {
  type Handlers = { [Name in keyof Events]: (detail: Events[Name]) => void }
  const emitter = createNanoEvents<Handlers>()
  return {
    on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => void) {
      let isActive = true
      const guarded = (detail: Events[Name]) => {
        if (isActive) isolate(() => listener(detail), reportError)
      }
      const stop = emitter.on(event, guarded as Handlers[Name])
      return () => {
        isActive = false
        stop()
      }
    },
    emit(event, detail) {
      emitter.emit(event, ...([detail] as Parameters<Handlers[typeof event]>))
    },
  }
}

/** Runs an application's function: whatever it throws, or its promise rejects with, is reported and goes no further. */
export function isolate(run: () => unknown, reportError: (error: unknown) => void): void {
  try {
    const result = run()
    if (result instanceof Promise) result.catch(reportError)
  } catch (error) {
    reportError(error)
  }
}
