// Virtual sockets between clients and one server, with the faults that networks have.
//
// Rules of this file:
// - What can go wrong inside one socket is `link.ts`; here is what concerns many of them, or the dial.

import type { SocketHandle, SocketHandlers } from '../env/environment.ts'
import type { Clock } from './clock.ts'
import { type Accept, type Dialler, Link, type NetworkWatch, type Surroundings } from './link.ts'
import type { Faults } from './network-faults.ts'
import type { Random } from './random.ts'

export class Network implements Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly links = new Set<Link>()
  faults: Faults
  /** The server, while it runs. */
  accept: Accept | undefined
  isRefusing = false
  /** Something in front of the server accepts every dial and closes it with this. */
  slam: { readonly code: number; readonly reason: string } | undefined
  watch: NetworkWatch | undefined
  /** Dials so far. */
  dialCount = 0

  constructor(clock: Clock, random: Random, faults: Faults) {
    this.clock = clock
    this.random = random
    this.faults = faults
  }

  openSocket(handlers: SocketHandlers, dialler: Dialler = { name: '', aheadMs: () => 0 }): SocketHandle {
    const link = new Link(this, handlers, dialler)
    this.links.add(link)
    this.dialCount++
    this.watch?.dialled(link)
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

  /** The server's process is gone with every connection; its machine says so, or falls silent with it. */
  crash(isTold: boolean): void {
    for (const link of [...this.links]) link.crash(isTold)
  }
}
