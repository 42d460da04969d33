// What a checker may look at. Each invariant is a file of its own, outside the code it judges.

import type { Page } from 'steadywire/testing'
import type { Effect, Input, Message, Receipt, Reset } from '../../../src/effects.ts'
import type { RealtimeError } from '../../../src/errors.ts'
import type { Session } from '../../../src/session.ts'
import type { ChannelSnapshot } from '../../../src/snapshots.ts'

/** A publish as the application remembers it. */
export interface Published {
  readonly id: string
  readonly channel: string
  /** Its place among this client's publishes to that channel, from 0. */
  readonly order: number
  readonly atMs: number
  readonly timeoutMs: number
  result: Receipt | RealtimeError | undefined
}

/** A client as the checkers see it. */
export interface Watched {
  readonly name: string
  readonly page: Page
  readonly session: Session
  readonly publishes: ReadonlyMap<string, Published>
  /** How many handlers read each channel. */
  readonly subscribed: ReadonlyMap<string, number>
  /** The newest position that was handed over, by channel. */
  readonly handed: ReadonlyMap<string, { readonly epoch: string; readonly offset: number }>
  /** Channels that nobody read for a while: the next message may be any. */
  readonly mayBeginAnew: ReadonlySet<string>
  /** How many new starts of each channel were asked for and are not made. */
  readonly refreshing: ReadonlyMap<string, number>
  /** What the application sees of a channel when it looks at this moment. */
  look(channel: string): ChannelSnapshot
  /** The application has closed it. */
  readonly hasLeft: boolean
  /** How long its page could not run, or ran its timers late, in milliseconds. */
  readonly awayMs: number
  /** When its page's clocks were last tampered with. */
  readonly trickedAtMs: number
}

/** Throws where its invariant does not hold. */
export interface Checker {
  received?(client: Watched, channel: string, message: Message): void
  reset?(client: Watched, channel: string, reset: Reset): void
  settled?(client: Watched, published: Published | undefined, result: Receipt | RealtimeError): void
  /** After every step of a client's session. */
  stepped?(client: Watched, input: Input, effects: readonly Effect[], statusBefore: string): void
  /** Now and then, between two events of the world. */
  looked?(clients: readonly Watched[]): void
  /** At the end, when all faults are over and the world has had its time. */
  finished?(clients: readonly Watched[]): void
  /** After everything was closed. */
  closed?(clients: readonly Watched[]): void
}

/** Fails the run. */
export function violation(guarantee: string, what: string): never {
  throw new Error(`${guarantee} broken: ${what}`)
}
