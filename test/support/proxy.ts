// A TCP proxy that does to a connection what networks do to it.
//
// Rules of this file:
// - It knows bytes and TCP, nothing of WebSocket: what it breaks, it breaks the way a network would.
// - Nothing is dropped, doubled or reordered inside a link that lives: TCP never does that. Faults are cuts, silence and slowness.
// - A black hole is silence, not loss: nothing is read, written or closed. Once `pass()` ends it, what waited goes on,
//   as TCP's retransmissions would. New connections are taken by the kernel and then hear nothing.
// - A link is one connection of a client and the connection to the target that belongs to it.
//   Up is from the client to the target, down the way back.

import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'

/** The ways of silence: towards the target, towards the client, or both. */
export type Direction = 'up' | 'down' | 'both'

/** How slow the way is, each way. Whatever is left out is not limited. */
export interface Shape {
  /** Added to every piece of bytes, so twice to a round trip. */
  readonly latencyMs?: number
  readonly bytesPerSecond?: number
  /** Bytes handed on at once; 1 splits everything into single bytes, each in an event loop turn of its own. */
  readonly pieceBytes?: number
}

export interface Counters {
  /** Connections taken since the start. */
  accepted: number
  /** Links ended by `cut()`. */
  cut: number
  /** Bytes handed on. */
  bytesUp: number
  bytesDown: number
}

export interface FaultProxy {
  readonly port: number
  readonly counters: Readonly<Counters>
  /** Links that are not over yet. */
  readonly open: number
  /** Ends every link at once, both ways, losing what is under way. Returns how many there were. FIN comes without a close frame. */
  cut(how: 'fin' | 'rst'): number
  /** Silence on every link, and on later ones too unless `spareNew`. Until `pass()`. */
  blackHole(direction?: Direction, options?: { readonly spareNew?: boolean }): void
  /** Takes slowness into effect for bytes that arrive from now on. */
  shape(shape: Shape): void
  /** Closes the door: connecting fails with ECONNREFUSED. Links stay. Until `pass()`. */
  refuse(): void
  /** No faults from now on. */
  pass(): Promise<void>
  /** Ends everything. */
  close(): void
}

// What may wait in one direction before its sender is made to wait too.
const MAX_WAITING_BYTES = 65_536
// On a narrow line, what one piece takes.
const SLICE_MS = 20

/** Starts a proxy on a port of its own in front of `targetPort`, both on 127.0.0.1. */
export async function startProxy(targetPort: number): Promise<FaultProxy> {
  const links = new Set<Link>()
  const counters: Counters = { accepted: 0, cut: 0, bytesUp: 0, bytesDown: 0 }
  let shape: Shape = {}
  let silence: Direction | undefined
  let door: Server | undefined = await openDoor(0, accept)
  const { port } = door.address() as AddressInfo

  function accept(client: Socket): void {
    counters.accepted++
    const target = createConnection({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const link = new Link(
      client,
      target,
      () => shape,
      counters,
      () => links.delete(link),
    )
    links.add(link)
    link.hold(silence)
  }

  function shut(): void {
    door?.close()
    door = undefined
  }

  return {
    port,
    counters,
    get open() {
      return links.size
    },
    cut(how) {
      const cut = [...links]
      counters.cut += cut.length
      for (const link of cut) link.cut(how)
      return cut.length
    },
    blackHole(direction = 'both', { spareNew = false } = {}) {
      silence = spareNew ? undefined : direction
      for (const link of links) link.hold(direction)
    },
    shape(next) {
      shape = next
    },
    refuse: shut,
    async pass() {
      silence = undefined
      shape = {}
      for (const link of links) link.hold(undefined)
      door ??= await openDoor(port, accept)
    },
    close() {
      shut()
      for (const link of links) link.cut('rst')
    },
  }
}

function openDoor(port: number, accept: (client: Socket) => void): Promise<Server> {
  const door = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept)
  return new Promise((resolve, reject) => {
    door.once('error', reject)
    door.listen(port, '127.0.0.1', () => resolve(door))
  })
}

class Link {
  readonly #client: Socket
  readonly #target: Socket
  readonly #up: Flow
  readonly #down: Flow

  constructor(client: Socket, target: Socket, shape: () => Shape, counters: Counters, over: () => void) {
    this.#client = client
    this.#target = target
    this.#up = new Flow(client, target, shape, (bytes) => {
      counters.bytesUp += bytes
    })
    this.#down = new Flow(target, client, shape, (bytes) => {
      counters.bytesDown += bytes
    })
    const closed = () => {
      if (client.destroyed && target.destroyed) over()
    }
    client.on('close', closed)
    target.on('close', closed)
  }

  hold(direction: Direction | undefined): void {
    this.#up.hold(direction === 'up' || direction === 'both')
    this.#down.hold(direction === 'down' || direction === 'both')
  }

  cut(how: 'fin' | 'rst'): void {
    this.#up.stop()
    this.#down.stop()
    for (const socket of [this.#client, this.#target]) {
      if (how === 'rst') socket.resetAndDestroy()
      else leave(socket)
    }
  }
}

// Says FIN and stays until the other side has said it too: closing a socket with unread bytes would send RST instead.
function leave(socket: Socket): void {
  socket.on('end', () => socket.destroy())
  socket.end()
  socket.resume()
}

// One direction of a link: what has been read and not yet handed on, oldest first.
class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #shape: () => Shape
  readonly #count: (bytes: number) => void
  #queue: { readonly readyMs: number; readonly content: Buffer | 'fin' | 'rst' }[] = []
  #waitingBytes = 0
  // The instant at which the line has finished with the piece before.
  #freeMs = 0
  #held = false
  #stopped = false
  #cancelTimer = () => {}

  constructor(from: Socket, to: Socket, shape: () => Shape, count: (bytes: number) => void) {
    this.#from = from
    this.#to = to
    this.#shape = shape
    this.#count = count
    from.setNoDelay(true)
    from.on('data', (bytes) => this.#take(bytes))
    from.on('end', () => this.#take('fin'))
    from.on('error', () => this.#take('rst'))
    to.on('drain', () => this.#breathe())
    this.#breathe()
  }

  hold(held: boolean): void {
    this.#held = held
    this.#breathe()
    this.#pump()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimer()
    this.#queue = []
  }

  #take(content: Buffer | 'fin' | 'rst'): void {
    if (this.#stopped) return
    if (typeof content !== 'string') this.#waitingBytes += content.length
    this.#queue.push({ readyMs: performance.now() + (this.#shape().latencyMs ?? 0), content })
    this.#breathe()
    this.#pump()
  }

  #pump(): void {
    this.#cancelTimer()
    while (!this.#held && !this.#stopped) {
      const next = this.#queue[0]
      if (!next) return
      const waitMs = Math.max(next.readyMs, this.#freeMs) - performance.now()
      if (waitMs > 0) return this.#pumpAfter(waitMs)
      this.#queue.shift()
      if (typeof next.content === 'string') {
        this.#finish(next.content)
      } else {
        const piece = next.content.subarray(0, this.#pieceBytes())
        const rest = next.content.subarray(piece.length)
        if (rest.length > 0) this.#queue.unshift({ readyMs: next.readyMs, content: rest })
        this.#handOn(piece)
        // A turn of the event loop between two pieces, or the kernel would join them again.
        if (this.#shape().pieceBytes !== undefined) return this.#pumpAfter(0)
      }
    }
  }

  #pumpAfter(waitMs: number): void {
    if (waitMs > 0) {
      const timer = setTimeout(() => this.#pump(), waitMs)
      this.#cancelTimer = () => clearTimeout(timer)
    } else {
      const immediate = setImmediate(() => this.#pump())
      this.#cancelTimer = () => clearImmediate(immediate)
    }
  }

  // A narrow line carries small pieces steadily, not large ones in jumps.
  #pieceBytes(): number {
    const { pieceBytes = Infinity, bytesPerSecond = Infinity } = this.#shape()
    return Math.min(pieceBytes, Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1_000)))
  }

  #handOn(piece: Buffer): void {
    const { bytesPerSecond = Infinity } = this.#shape()
    this.#freeMs = Math.max(performance.now(), this.#freeMs) + (piece.length * 1_000) / bytesPerSecond
    this.#waitingBytes -= piece.length
    this.#count(piece.length)
    if (this.#to.writable) this.#to.write(piece)
    this.#breathe()
  }

  #finish(how: 'fin' | 'rst'): void {
    if (how === 'rst') this.#to.resetAndDestroy()
    else this.#to.end()
  }

  #breathe(): void {
    if (this.#stopped) return
    const full = this.#waitingBytes > MAX_WAITING_BYTES || this.#to.writableNeedDrain
    if (this.#held || full) this.#from.pause()
    else this.#from.resume()
  }
}
