// One socket between a page and the server, from dial to end.
//
// Rules of this file:
// - A WebSocket is ordered and reliable until it is gone. Nothing is dropped, doubled or reordered inside one; a cut loses a
//   suffix of each direction of its own, and each end learns of it in its own time, or never.
// - A silent link looks healthy and carries nothing. What was sent into it arrives if it is let go on: also long after the
//   client has moved on.
// - An abandoned socket may still speak: its events reach the handlers late, as some browsers' do.

import type { SocketHandle, SocketHandlers } from '../env/environment.ts'
import type { Clock } from './clock.ts'
import type { Faults } from './network-faults.ts'
import { Pipe } from './pipe.ts'
import type { Random } from './random.ts'

/** The server's end of a socket, as the broker calls it. */
export interface ServerPeer {
  send(data: string | ArrayBuffer): void
  close(code: number, reason: string): void
  terminate(): void
  bufferedBytes(): number
}
/** What the broker answers for a socket it has accepted. */
export interface ServerSocket {
  received(text: string): void
  /** With the close code, if the client has closed it. */
  ended(code?: number): void
  /** What was sent has left. */
  drained?(): void
}
export type Accept = (peer: ServerPeer, owner: string) => ServerSocket

/** Sees everything that is sent, for tests that judge it. */
export interface NetworkWatch {
  dialled(link: Link): void
  sentUp(link: Link, text: string): void
  sentDown(link: Link, text: string): void
  /** The server has let go of it; with this code, if it closed it. */
  leftByServer(link: Link, code?: number, reason?: string): void
}

/** What links have in common. */
export interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly faults: Faults
  /** The server, while it runs. */
  readonly accept: Accept | undefined
  readonly isRefusing: boolean
  /** Something in front of the server accepts every dial and closes it with this. */
  readonly slam: { readonly code: number; readonly reason: string } | undefined
  readonly watch: NetworkWatch | undefined
  /** All that have not ended. */
  readonly links: Set<Link>
}

/** Who dials: a page's name, and how far its own time is ahead of the world's. */
export interface Dialler {
  readonly name: string
  aheadMs(): number
}

const ABNORMAL = 1006
/** What a frame that only closes weighs. */
const CLOSE_BYTES = 8

export class Link {
  /** The page that dialled. */
  readonly owner: string
  readonly up: Pipe
  readonly down: Pipe
  readonly #network: Surroundings
  readonly #dialler: Dialler
  readonly #handlers: SocketHandlers
  #server: ServerSocket | undefined
  #clientHeardEnd = false
  #isAbandoned = false

  constructor(network: Surroundings, handlers: SocketHandlers, dialler: Dialler) {
    this.#network = network
    this.#dialler = dialler
    this.#handlers = handlers
    this.owner = dialler.name
    const { clock, random } = network
    const delayMs = () => random.between(network.faults.minDelayMs, network.faults.maxDelayMs)
    const kernelBytes = () => network.faults.kernelBytes
    this.up = new Pipe(clock, { delayMs, kernelBytes, bytesPerMs: () => network.faults.upBytesPerMs })
    this.down = new Pipe(clock, { delayMs, kernelBytes, bytesPerMs: () => network.faults.downBytesPerMs })
  }

  /** Whether the client still counts on this socket. */
  get isInUse(): boolean {
    return !this.#clientHeardEnd && !this.#isAbandoned
  }

  /** Whether the server has it. */
  get isAccepted(): boolean {
    return this.#server !== undefined
  }

  dial(): SocketHandle {
    const network = this.#network
    const { clock, faults, random } = network
    const dialMs = random.between(faults.minDelayMs, faults.maxDelayMs) * 2 + random.between(0, faults.maxDialMs)
    const isRefused = network.isRefusing || random.chance(faults.refuseChance)
    clock.schedule(this.#dialler.aheadMs() + dialMs, () => {
      if (this.#isAbandoned || this.up.isCut) return
      const { accept, slam } = network
      if (isRefused || network.isRefusing || !accept) return this.#endClient(ABNORMAL, '')
      if (!slam) this.#server = accept(this.#peer(), this.owner)
      this.#tell(() => this.#handlers.opened())
      if (slam) this.down.send(CLOSE_BYTES, () => this.#endClient(slam.code, slam.reason))
    })
    return {
      send: (text) => this.#sendUp(text),
      bufferedBytes: () => this.up.bufferedBytes,
      close: (code, reason) => {
        this.#isAbandoned = true
        const ahead = this.#dialler.aheadMs()
        this.up.send(
          CLOSE_BYTES,
          () => {
            this.#endServer(code)
            this.down.send(CLOSE_BYTES, () => this.#endClient(code, reason))
          },
          ahead,
        )
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

  /** Something on the way ends it in good order, with a code for the client. */
  close(code: number, reason: string): void {
    this.down.cut(this.down.inFlight, () => this.#endClient(code, reason))
    this.up.cut(this.up.inFlight, () => this.#endServer())
  }

  /** Carries nothing any more in the given directions, and says nothing of it. */
  silence(direction: 'up' | 'down' | 'both'): void {
    if (direction !== 'down') this.up.silence()
    if (direction !== 'up') this.down.silence()
  }

  /** What was held back by silence arrives after all. */
  release(): void {
    this.up.release()
    this.down.release()
  }

  /** The server's process is gone: the client is told, or finds out when it is answered by a machine that knows nothing of this. */
  crash(isTold: boolean): void {
    if (this.#server) this.#network.watch?.leftByServer(this)
    this.#server = undefined
    if (isTold) return this.cut()
    this.down.cut(0)
    this.up.silence()
  }

  /** Says something in the other side's place. */
  inject(direction: 'up' | 'down', text: string): void {
    if (direction === 'up') this.#sendUp(text)
    else this.#sendDown(text)
  }

  #sendUp(text: string): void {
    this.#network.watch?.sentUp(this, text)
    this.up.send(
      text.length,
      () => {
        if (this.#server) this.#server.received(text)
        else if (this.down.isCut) this.#endClient(ABNORMAL, '')
      },
      this.#dialler.aheadMs(),
    )
  }

  #sendDown(data: string | ArrayBuffer): void {
    if (typeof data === 'string') this.#network.watch?.sentDown(this, data)
    this.down.send(typeof data === 'string' ? data.length : data.byteLength, () => {
      this.#tell(() => this.#handlers.received(data))
      if (this.down.bufferedBytes === 0) this.#server?.drained?.()
    })
  }

  #peer(): ServerPeer {
    const leave = (code?: number, reason?: string): void => {
      this.#server = undefined
      this.#network.watch?.leftByServer(this, code, reason)
      this.#forget()
    }
    return {
      send: (data) => this.#sendDown(data),
      close: (code, reason) => {
        leave(code, reason)
        this.down.send(CLOSE_BYTES, () => this.#endClient(code, reason))
      },
      terminate: () => {
        leave()
        const keepCount = this.#network.random.between(0, this.down.inFlight)
        this.down.cut(keepCount, () => this.#endClient(ABNORMAL, ''))
      },
      bufferedBytes: () => this.down.bufferedBytes,
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
    this.#forget()
  }

  #endServer(code?: number): void {
    const server = this.#server
    if (server) this.#network.watch?.leftByServer(this)
    this.#server = undefined
    server?.ended(code)
    this.#forget()
  }

  /** Once neither end has it any more, it is gone. */
  #forget(): void {
    if (!this.isInUse && !this.#server) this.#network.links.delete(this)
  }
}
