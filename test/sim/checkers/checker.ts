// What a checker may look at. Each invariant is a file of its own, outside the code it judges.

import type { Message, Receipt, Reset } from '../../../src/effects.ts'
import type { RealtimeError } from '../../../src/errors.ts'
import type { Published, SimClient } from '../sim-client.ts'

/** Throws where its invariant does not hold. */
export interface Checker {
  received?(client: SimClient, channel: string, message: Message): void
  reset?(client: SimClient, channel: string, reset: Reset): void
  settled?(client: SimClient, published: Published | undefined, result: Receipt | RealtimeError): void
  /** After every step of a client's session. */
  stepped?(client: SimClient): void
  /** After every event of the world. */
  step?(clients: readonly SimClient[]): void
  /** At the end, when all faults are over and the world has had its time. */
  finished?(clients: readonly SimClient[]): void
}

/** Fails the run. */
export function violation(guarantee: string, what: string): never {
  throw new Error(`${guarantee} broken: ${what}`)
}
