// The port: everything the client needs of a platform, and nothing else. Interfaces only.
//
// Rules of this file:
// - No member returns a promise. Answers come through callbacks, so a simulator decides the moment of every one of them
//   and a run is a plain synchronous loop.
// - What a platform may refuse is optional here.
// - Hints are rumours: they may hurry a check, never decide one.

/** Takes back what was asked for; harmless when it has happened already. */
export type Cancel = () => void

/** What the platform says about the page or the network, mostly in its own words. Never more than a reason to look. */
export type Hint = 'online' | 'offline' | 'visible' | 'hidden' | 'resume' | 'pageshow' | 'gap'

export interface SocketRequest {
  readonly url: string
  readonly protocol: string
  /** Travels as a subprotocol of its own; nothing where it does not. */
  readonly token: string
}

export interface SocketHandlers {
  /** The socket can send. At most once, before anything is received. */
  opened(): void
  /** Text, or whatever the platform makes of other messages: nobody reads those. */
  received(data: unknown): void
  /** The socket is gone, or never came to be. Exactly once, and last; never before `openSocket` has returned. */
  ended(closeCode: number, reason: string): void
}

export interface SocketHandle {
  /** Sends text. Only between `opened` and `ended`; never throws. */
  send(text: string): void
  /** Bytes handed over that the platform has not yet given to the network. */
  bufferedBytes(): number
  /** Starts closing. `ended` may follow late, or not at all. */
  close(closeCode: number, reason: string): void
}

export interface Environment {
  /** Milliseconds, never backwards; only differences mean anything. May stop while the machine sleeps. */
  monotonicNow(): number
  /** Unix milliseconds. May jump either way. */
  wallNow(): number
  /** A microtask: the one flush at the end of a tick. */
  soon(run: () => void): void
  /** A macrotask that hidden tabs do not throttle. */
  defer(run: () => void): void
  /** Before the next paint; in a hidden page within 250 ms. */
  frame(run: () => void): Cancel
  /** Wakes once; possibly very late. */
  startTimer(delayMs: number, wake: () => void): Cancel
  /** [0, 1). For jitter only, never for identifiers. */
  random(): number
  /** Unique: 128 random bits. */
  createId(): string
  /** Absent where there are no sockets, as when a page is rendered on a server. Never throws. */
  openSocket?(request: SocketRequest, handlers: SocketHandlers): SocketHandle
  onHint(listener: (hint: Hint) => void): Cancel
  /** Where exceptions of listeners and broken invariants go. Must not throw. */
  reportError(error: unknown): void
}
