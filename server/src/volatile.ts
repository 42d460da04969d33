// Volatile messages: what is true now, passed on to whoever reads the channel, and kept nowhere.
//
// Rules of this file:
// - Of what waits only the newest of each slot counts: of one sender, channel, name and key. It takes the place of the older.
// - What one connection sends beyond its pace waits for its turn; what goes to one connection waits until it has rested.
// - Both wait in bounded number and size. What does not fit is left out and counted; nobody is closed for it.
// - Nobody who is behind in the channel, or has too much unsent, is sent any.

import { type EncodedFrame, MAX_ID_BYTES, type Sender, type VolFrame } from 'steadywire/protocol'
import { Cadence } from './cadence.ts'
import type { Channels, Volatile } from './channels.ts'
import { dataTextOf, type Fault, invalid, isFault, isStorableId } from './content.ts'
import type { Cancel, ServerEnvironment } from './environment.ts'
import type { Settings } from './options.ts'
import { Pace } from './pace.ts'
import { encodeVolatile } from './wire.ts'

export interface VolatileCounters {
  /** Volatile messages that were left out for somebody: not allowed, not acceptable, or more than the receiver or the server could take. */
  volatilesLeftOut: number
}

/** Who reads a channel on a connection. */
export interface VolatileReader {
  /** Whether it has everything that came before. */
  readonly isLevel: boolean
}

/** What volatile messages need of the connection they go to. */
export interface VolatileLine {
  send(frame: EncodedFrame): void
  /** Whether so much is unsent that nothing should be pushed. */
  isCongested(): boolean
}

/** A connection is sent no more than one batch in this time. */
const REST_MS = 33
/** What waits for one connection, at most: slots, and bytes or one message. */
const MAX_WAITING = 1_024
const MAX_WAITING_BYTES = 262_144

/** What the parts of this file share; a node's context has it all. */
export interface VolatileParts {
  readonly environment: ServerEnvironment
  readonly channels: Channels
  readonly counters: VolatileCounters
  readonly settings: Settings
}

export type VolatileContent = Pick<VolFrame, 'channel' | 'name' | 'data' | 'key'>

export class Volatiles {
  readonly #parts: VolatileParts
  readonly #cadence: Cadence<VolatileOutlet>

  constructor(parts: VolatileParts) {
    this.#parts = parts
    this.#cadence = new Cadence(parts.environment, REST_MS, (outlet) => outlet.flush())
  }

  /** Passes on what the server itself has to say. */
  send(content: VolatileContent): Fault | undefined {
    const { channels, settings } = this.#parts
    const volatile = newVolatile(content, undefined, settings.limits.maxMessageBytes)
    if (isFault(volatile)) return volatile
    channels.pass(volatile)
    return undefined
  }

  createInlet(sender: Sender): VolatileInlet {
    return new VolatileInlet(this.#parts, sender)
  }

  createOutlet(line: VolatileLine): VolatileOutlet {
    return new VolatileOutlet(this.#parts.counters, line, (outlet) => this.#cadence.ask(outlet))
  }
}

/** Where one connection's volatile messages come in. */
export class VolatileInlet {
  readonly #parts: VolatileParts
  readonly #sender: Sender
  readonly #pace: Pace
  /** Those that have to wait for their turn: no more than a second's worth. */
  readonly #waiting: Waiting<Volatile>
  #cancelTurn: Cancel = () => {}

  constructor(parts: VolatileParts, sender: Sender) {
    const { volatilePerSecond } = parts.settings.limits
    this.#parts = parts
    this.#sender = sender
    this.#pace = new Pace(volatilePerSecond, volatilePerSecond)
    this.#waiting = new Waiting(Math.min(volatilePerSecond, MAX_WAITING))
  }

  offer(content: VolatileContent): void {
    const { channels, counters, settings } = this.#parts
    const volatile = newVolatile(content, this.#sender, settings.limits.maxMessageBytes)
    if (isFault(volatile)) counters.volatilesLeftOut++
    else if (this.#waiting.isEmpty && this.#hasTurn()) channels.pass(volatile)
    else if (!this.#waiting.put(volatile)) counters.volatilesLeftOut++
  }

  /** The connection is gone, and what waits with it. */
  end(): void {
    this.#cancelTurn()
  }

  /** Whether it is the first one's turn; if not, there will be a call when it is. */
  #hasTurn(): boolean {
    const { environment } = this.#parts
    const nowMs = environment.monotonicNow()
    const delayMs = this.#pace.turnAtMs(nowMs) - nowMs
    if (delayMs > 0) this.#cancelTurn = environment.startTimer(delayMs, () => this.#next())
    return delayMs <= 0
  }

  #next(): void {
    do {
      const [first] = this.#waiting.take(1)
      if (first) this.#parts.channels.pass(first)
    } while (!this.#waiting.isEmpty && this.#hasTurn())
  }
}

/** Where volatile messages leave to one connection. */
export class VolatileOutlet {
  readonly #counters: VolatileCounters
  readonly #line: VolatileLine
  readonly #ask: (outlet: VolatileOutlet) => void
  readonly #waiting = new Waiting<Addressed>(MAX_WAITING)

  /** `ask` asks for a call of {@link flush} when the connection has rested. */
  constructor(counters: VolatileCounters, line: VolatileLine, ask: (outlet: VolatileOutlet) => void) {
    this.#counters = counters
    this.#line = line
    this.#ask = ask
  }

  offer(volatile: Volatile, reader: VolatileReader): void {
    if (!reader.isLevel || !this.#waiting.put({ ...volatile, reader })) this.#counters.volatilesLeftOut++
    else this.#ask(this)
  }

  flush(): void {
    // It may have left the channel, or fallen behind, while this waited.
    for (const { reader, frame } of this.#waiting.take(Infinity))
      if (reader.isLevel && !this.#line.isCongested()) this.#line.send(frame)
      else this.#counters.volatilesLeftOut++
  }
}

interface Addressed extends Volatile {
  readonly reader: VolatileReader
}

/** What waits, the newest of each slot, in the order in which the slots were first taken. */
class Waiting<Item extends Volatile> {
  readonly #maxCount: number
  readonly #items = new Map<string, Item>()
  #bytes = 0

  constructor(maxCount: number) {
    this.#maxCount = maxCount
  }

  get isEmpty(): boolean {
    return this.#items.size === 0
  }

  /** False if there is no room. */
  put(item: Item): boolean {
    const { slot, frame } = item
    const before = this.#items.get(slot)
    const count = this.#items.size + (before ? 0 : 1)
    const bytes = this.#bytes + frame.bytes - (before?.frame.bytes ?? 0)
    if (count > this.#maxCount || (count > 1 && bytes > MAX_WAITING_BYTES)) return false
    this.#items.set(slot, item)
    this.#bytes = bytes
    return true
  }

  /** The first `count`, which wait no longer. */
  take(count: number): Item[] {
    const taken: Item[] = []
    for (const [slot, item] of this.#items) {
      if (taken.length === count) break
      taken.push(item)
      this.#items.delete(slot)
      this.#bytes -= item.frame.bytes
    }
    return taken
  }
}

function newVolatile(
  { channel, name, data, key }: VolatileContent,
  sender: Sender | undefined,
  maxBytes: number,
): Volatile | Fault {
  if (!isStorableId(name)) return invalid(`A name has 1 to ${MAX_ID_BYTES} bytes.`)
  if (key !== undefined && !isStorableId(key)) return invalid(`A key has 1 to ${MAX_ID_BYTES} bytes.`)
  const dataText = dataTextOf(data)
  if (isFault(dataText)) return dataText
  const head = { channel, name, ...(key !== undefined && { key }), ...(sender && { sender }) }
  const frame = encodeVolatile(head, dataText)
  if (frame.bytes > maxBytes) return { code: 'too-large', message: `A message has ${maxBytes} bytes at most.` }
  // NUL stands in none of these, so no two of them make the same text; and no key is one more key.
  const slot = [sender?.member ?? '', channel, name, key ?? ''].join('\0')
  return { channel, member: sender?.member, slot, frame }
}
