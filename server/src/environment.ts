// The port: everything the server's cores need of a platform, and nothing else. Interfaces only.
//
// Rules of this file:
// - No member returns a promise, so a simulator decides the moment of everything and a run is a plain synchronous loop.
// - `broker.ts` and all it is made of know time, chance and errors through this alone; `node.ts` supplies the real ones.

/** Takes back what was asked for; harmless when it has happened already. */
export type Cancel = () => void

/** What a broker needs of the machine it runs on. */
export interface ServerEnvironment {
  /** Milliseconds, never backwards; only differences mean anything. */
  monotonicNow(): number
  /** Unix milliseconds. May jump either way. */
  wallNow(): number
  /** Wakes once; possibly very late. */
  startTimer(delayMs: number, wake: () => void): Cancel
  /** Runs at the end of this tick, when everything that has arrived by now has been read. */
  soon(run: () => void): Cancel
  /** Unique and not to be guessed: 128 random bits as text. */
  createId(): string
  /** Where exceptions of the application's hooks go. Must not throw. */
  reportError(error: unknown): void
}
