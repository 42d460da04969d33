// One channel as a test uses it: numbered publishes, what became of each, and what handlers saw.
//
// Rules of this file:
// - The log is read from the store itself, not through a server: it is the truth the rest is compared with.

import { type Client, createClient, type Message, type Receipt, RealtimeError, type Reset } from 'steadywire'
import type { Store, StoredEvent } from '@steadywire/server'
import { until } from './until.ts'

type ClientOptions = Parameters<typeof createClient>[0]

export const CHANNEL = 'room'

export class Room {
  readonly client: Client
  /** By number, from 0: what each publish resolved with, or why it did not. */
  readonly results: (Receipt | RealtimeError | undefined)[] = []
  readonly seen: Message[] = []
  readonly resets: Reset[] = []
  ackedCount = 0
  unsettledCount = 0
  readonly #release: () => void

  /** Reads the room by handlers, unless it is only to publish. */
  constructor(options: ClientOptions) {
    this.client = createClient(options)
    const room = this.client.channel(CHANNEL)
    const stops = [
      room.onAny((message) => this.seen.push(message)),
      room.onReset((reset) => void this.resets.push(reset)),
    ]
    this.#release = () => stops.forEach((stop) => stop())
  }

  /** Publishes the next number. */
  publish(): void {
    const n = this.results.push(undefined) - 1
    this.unsettledCount++
    this.client
      .channel(CHANNEL)
      .publish('n', n)
      .then(
        (receipt) => {
          this.results[n] = receipt
          this.ackedCount++
        },
        (error: RealtimeError) => {
          this.results[n] = error
        },
      )
      .finally(() => this.unsettledCount--)
  }

  get state() {
    return this.client.channel(CHANNEL).state.getSnapshot()
  }

  /** The numbers that handlers saw, in that order. */
  get seenNumbers(): unknown[] {
    return this.seen.map(({ data }) => data)
  }

  async live(withinMs = 20_000): Promise<void> {
    await until(() => this.client.state.getSnapshot().status === 'connected' && this.state.status === 'live', withinMs)
  }

  async settled(withinMs = 60_000): Promise<void> {
    await until(
      () => this.unsettledCount === 0,
      withinMs,
      () => `${this.unsettledCount} publishes are not settled`,
    )
  }

  async close(): Promise<void> {
    this.#release()
    await this.client.close()
  }
}

/** Everything that the room's log holds, in order. */
export async function readLog(store: Store): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  const extent = await new Promise<{ epoch: string; first: number }>((resolve, reject) =>
    store.tops([CHANNEL], (tops) =>
      tops === 'unavailable' || !tops[0] ? reject(new Error('the store is not available')) : resolve(tops[0]),
    ),
  )
  let offset = extent.first - 1
  for (;;) {
    const query = { channel: CHANNEL, position: { epoch: extent.epoch, offset }, count: 1_000, dataLength: 1e9 }
    const page = await new Promise<readonly StoredEvent[]>((resolve, reject) =>
      store.page(query, (answer) => (answer === 'unavailable' ? reject(new Error(answer)) : resolve(answer.events))),
    )
    if (page.length === 0) return events
    events.push(...page)
    offset += page.length
  }
}

/** The numbers that were stored, in the order of the log. */
export async function loggedNumbers(store: Store): Promise<unknown[]> {
  return (await readLog(store)).map(({ dataText }) => JSON.parse(dataText) as unknown)
}

/** 0, 1, 2 … */
export function numbersBelow(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}
