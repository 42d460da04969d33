// Virtual sockets between clients and one server, with the faults that networks have.
//
// Rules of this file:
// - A WebSocket is ordered and reliable until it is gone. Nothing is dropped, doubled or reordered inside one; a cut loses a
//   suffix of each direction of its own, and each end learns of it in its own time, or never.
// - A silent link looks healthy and carries nothing. What was sent into it arrives if it is let go on: also long after the
//   client has moved on.
// - An abandoned socket may still speak: its events reach the handlers late, as some browsers' do.

import type { SocketHandle, SocketHandlers } from '../env/environment.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** What can go wrong, as options of the network. Probabilities are per connection or per fault drawn. */
export interface Faults {
  /** One-way delay of every message, in milliseconds. */
  minDelayMs: number
  maxDelayMs: number
  /** A dial is refused. */
  refuseChance: number
  /** A dial takes this much longer than the delay, in milliseconds, at most. */
  maxDialMs: number
  /** What an abandoned socket still had to say arrives after all. */
  lateChance: number
}

export const NO_FAULTS: Faults = { minDelayMs: 5, maxDelayMs: 5, refuseChance: 0, maxDialMs: 0, lateChance: 0 }

/** The server's end of a socket, as the broker calls it. */
export interface ServerPeer {
  send(text: string): void
  close(code: number, reason: string): void
  terminate(): void
  bufferedBytes(): number
}
/** What the broker answers for a socket it has accepted. */
export interface ServerSocket {
  received(text: string): void
  ended(): void
}
export type Accept = (peer: ServerPeer) => ServerSocket

const ABNORMAL = 1006

/** One direction of a link: what has been sent arrives in order, each after its delay. */
class Pipe {
  readonly #clock: Clock
  readonly #delayMs: () => number
  #queue: (() => void)[] = []
  #arrivesAtMs = 0
  isSilent = false
  isCut = false

  constructor(clock: Clock, delayMs: () => number) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  send(arrive: () => void): void {
    if (this.isCut) return
    this.#queue.push(arrive)
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, this.#clock.now() + this.#delayMs())
    this.#clock.schedule(this.#arrivesAtMs - this.#clock.now(), () => {
      if (!this.isSilent) this.#queue.shift()?.()
    })
  }

  /** Whatever was held back goes on its way. */
  release(): void {
    this.isSilent = false
    const held = this.#queue
    this.#queue = []
    for (const arrive of held) this.send(arrive)
  }

  /** Loses a suffix: what is left arrives. */
  cut(keepCount: number): void {
    this.#queue.length = Math.min(this.#queue.length, keepCount)
    this.isCut = true
  }

  get inFlight(): number {
    return this.#queue.length
  }
}

/** One socket, from dial to end. */
export class Link {
  /** The page that dialled. */
  readonly owner: string
  readonly up: Pipe
  readonly down: Pipe
  readonly #network: Network
  #server: ServerSocket | undefined
  #clientHeardEnd = false
  #isAbandoned = false
  readonly #handlers: SocketHandlers

  constructor(network: Network, handlers: SocketHandlers, owner: string) {
    this.#network = network
    this.owner = owner
    this.#handlers = handlers
    const delayMs = () => network.random.between(network.faults.minDelayMs, network.faults.maxDelayMs)
    this.up = new Pipe(network.clock, delayMs)
    this.down = new Pipe(network.clock, delayMs)
  }

  /** Whether the client still counts on this socket. */
  get isInUse(): boolean {
    return !this.#clientHeardEnd && !this.#isAbandoned
  }

  dial(): SocketHandle {
    const { clock, faults, random } = this.#network
    const dialMs = random.between(faults.minDelayMs, faults.maxDelayMs) * 2 + random.between(0, faults.maxDialMs)
    const isRefused = this.#network.isRefusing || random.chance(faults.refuseChance)
    clock.schedule(dialMs, () => {
      if (this.#isAbandoned || this.up.isCut) return
      const { accept } = this.#network
      if (isRefused || this.#network.isRefusing || !accept) return this.#endClient(ABNORMAL, '')
      this.#server = accept(this.#peer())
      this.#tell(() => this.#handlers.opened())
    })
    return {
      send: (text) => this.up.send(() => this.#server?.received(text)),
      bufferedBytes: () => 0,
      close: () => {
        this.#isAbandoned = true
        this.up.send(() => this.#endServer())
      },
    }
  }

  /** Ends the link between the two: each end hears of it in its own time. */
  cut(): void {
    const { clock, random, faults } = this.#network
    this.up.cut(random.between(0, this.up.inFlight))
    this.down.cut(random.between(0, this.down.inFlight))
    clock.schedule(faults.maxDelayMs + random.between(0, 20), () => this.#endClient(ABNORMAL, ''))
    clock.schedule(faults.maxDelayMs + random.between(0, 20), () => this.#endServer())
  }

  /** Carries nothing any more in the given directions, and says nothing of it. */
  silence(direction: 'up' | 'down' | 'both'): void {
    if (direction !== 'down') this.up.isSilent = true
    if (direction !== 'up') this.down.isSilent = true
  }

  /** What was held back by silence arrives after all. */
  release(): void {
    this.up.release()
    this.down.release()
  }

  #peer(): ServerPeer {
    return {
      send: (text) => this.down.send(() => this.#tell(() => this.#handlers.received(text))),
      close: (code, reason) => {
        this.#server = undefined
        this.down.send(() => this.#endClient(code, reason))
      },
      terminate: () => {
        this.#server = undefined
        this.down.send(() => this.#endClient(ABNORMAL, ''))
      },
      bufferedBytes: () => 0,
    }
  }

  /** Speaks to the client; to one that has abandoned this socket only as often as the faults say. */
  #tell(say: () => void): void {
    if (this.#clientHeardEnd) return
    if (!this.#isAbandoned || this.#network.random.chance(this.#network.faults.lateChance)) say()
  }

  #endClient(code: number, reason: string): void {
    this.#tell(() => {
      this.#clientHeardEnd = true
      this.#handlers.ended(code, reason)
    })
    this.#clientHeardEnd = true
    this.#network.links.delete(this)
  }

  #endServer(): void {
    const server = this.#server
    this.#server = undefined
    server?.ended()
    this.#network.links.delete(this)
  }
}

export class Network {
  readonly clock: Clock
  readonly random: Random
  readonly links = new Set<Link>()
  faults: Faults
  /** The server, while it runs. */
  accept: Accept | undefined
  isRefusing = false
  /** Dials so far. */
  dialCount = 0

  constructor(clock: Clock, random: Random, faults: Faults) {
    this.clock = clock
    this.random = random
    this.faults = faults
  }

  openSocket(handlers: SocketHandlers, owner = ''): SocketHandle {
    const link = new Link(this, handlers, owner)
    this.links.add(link)
    this.dialCount++
    return link.dial()
  }

  /** Cuts every connection that there is now. */
  cut(): void {
    for (const link of [...this.links]) link.cut()
  }

  /** Every connection that there is now goes silent: nothing arrives, nothing ends. New ones work. */
  silence(direction: 'up' | 'down' | 'both' = 'both'): void {
    for (const link of this.links) link.silence(direction)
  }

  /** Whatever silence held back arrives, also on sockets that nobody uses any more. */
  release(): void {
    for (const link of [...this.links]) link.release()
  }
}
