// A server that keeps to a script: polite by itself, and whatever a test makes of it otherwise.
//
// Rules of this file:
// - It sits on the world's network, where the real server would, and hears exactly what the client sends.
// - An answer is a list of frames, of anything: it is the client that has to judge them.

import type { ClientFrame, ServerFrame } from 'steadywire/protocol'
import type { Network } from 'steadywire/testing'

type FrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>

/** What the server says to each kind of frame; a kind that is left out is answered politely. */
export type Answers = {
  [T in ClientFrame['type']]?: (frame: FrameOf<T>, connection: FakeConnection) => readonly unknown[]
}

/** The history that polite answers count in. */
export const EPOCH = 'epoch-1'

export function aWelcome(change: object = {}): Extract<ServerFrame, { type: 'welcome' }> {
  return {
    type: 'welcome',
    version: 1,
    level: 1,
    features: [],
    member: 'member-1',
    heartbeat: { intervalMs: 25_000 },
    limits: {
      window: 64,
      windowBytes: 262_144,
      messageBytes: 1_048_576,
      snapshotBytes: 1_048_576,
      pageCount: 256,
      publishesPerSecond: 1_000,
      publishBurst: 2_000,
    },
    ...change,
  }
}

export function anEvent(channel: string, offset: number, change: object = {}): Extract<ServerFrame, { type: 'event' }> {
  return { type: 'event', channel, offset, id: `id-${offset}`, name: 'm', data: offset, storedAtMs: 1, ...change }
}

/** The same without channel and type, as it stands in a page. */
export function anEntry(offset: number, change: object = {}): object {
  return { offset, id: `id-${offset}`, name: 'm', data: offset, storedAtMs: 1, ...change }
}

export class FakeServer {
  readonly connections: FakeConnection[] = []
  answers: Answers
  /** Per channel: the entry of offset 1, of 2, and so on. */
  readonly #logs = new Map<string, object[]>()

  constructor(network: Network, answers: Answers) {
    this.answers = answers
    network.accept = (peer) => {
      const connection = new FakeConnection(this, peer)
      this.connections.push(connection)
      return { received: (text) => connection.received(text), ended: () => (connection.isEnded = true) }
    }
  }

  get last(): FakeConnection {
    return this.connections.at(-1) as FakeConnection
  }

  /** Every frame of one kind, over all connections. */
  framesOf<T extends ClientFrame['type']>(type: T): FrameOf<T>[] {
    return this.connections.flatMap((connection) => connection.framesOf(type))
  }

  topOf(channel: string): number {
    return this.#logOf(channel).length
  }

  /** Stores a message; answers its offset. */
  grow(channel: string, change: object = {}): number {
    const offset = this.topOf(channel) + 1
    this.#logOf(channel).push(anEntry(offset, change))
    return offset
  }

  /** What is stored after an offset. */
  after(channel: string, offset: number): readonly object[] {
    return this.#logOf(channel).slice(offset)
  }

  #logOf(channel: string): object[] {
    let log = this.#logs.get(channel)
    if (!log) this.#logs.set(channel, (log = []))
    return log
  }
}

type Peer = Parameters<NonNullable<Network['accept']>>[0]

export class FakeConnection {
  /** Every frame that has come, in order. */
  readonly frames: ClientFrame[] = []
  /** How many frames each WebSocket message brought. */
  readonly batches: number[] = []
  /** The client has closed it, or the network has lost it. */
  isEnded = false
  readonly #server: FakeServer
  readonly #peer: Peer

  constructor(server: FakeServer, peer: Peer) {
    this.#server = server
    this.#peer = peer
  }

  framesOf<T extends ClientFrame['type']>(type: T): FrameOf<T>[] {
    return this.frames.filter((frame): frame is FrameOf<T> => frame.type === type)
  }

  /** The newest number by which the client has asked for a channel. */
  requestOf(channel: string): number {
    return this.#subOf(channel)?.request ?? 0
  }

  /** Says each frame in a message of its own. */
  say(...frames: readonly unknown[]): void {
    for (const frame of frames) this.raw(JSON.stringify(frame))
  }

  /** Says all frames in one message. */
  sayTogether(...frames: readonly unknown[]): void {
    this.raw(JSON.stringify(frames))
  }

  raw(data: string | ArrayBuffer): void {
    this.#peer.send(data as string)
  }

  close(code: number, reason = ''): void {
    this.#peer.close(code, reason)
  }

  /** Stores a message and pushes it. */
  event(channel: string, change: object = {}): void {
    this.say(anEvent(channel, this.#server.grow(channel, change), change))
  }

  received(text: string): void {
    const parsed: unknown = JSON.parse(text)
    const frames = (Array.isArray(parsed) ? parsed : [parsed]) as ClientFrame[]
    this.batches.push(frames.length)
    for (const frame of frames) {
      this.frames.push(frame)
      const answer = this.#server.answers[frame.type] as ((frame: ClientFrame, it: this) => unknown[]) | undefined
      this.say(...(answer ? answer(frame, this) : this.#politeAnswer(frame)))
    }
  }

  #politeAnswer(frame: ClientFrame): readonly unknown[] {
    switch (frame.type) {
      case 'hello':
        return [aWelcome()]
      case 'sub':
        return [this.#attached(frame)]
      case 'pub': {
        const { channel, sequence, id, name, data } = frame
        const offset = this.#server.grow(channel, { id, name, data })
        const ack = { type: 'ack', channel, sequence, offset }
        return this.#subOf(channel)?.want.includes('read') ? [ack, anEvent(channel, offset, { id, name, data })] : [ack]
      }
      case 'fetch': {
        const { channel, request, position } = frame
        const top = { epoch: EPOCH, offset: this.#server.topOf(channel) }
        const events = this.#server.after(channel, position.offset)
        return [{ type: 'page', channel, request, from: position.offset + 1, events, more: false, top }]
      }
      case 'ping':
        return [{ type: 'pong', n: frame.n, tops: [] }]
      default:
        return []
    }
  }

  #subOf(channel: string): FrameOf<'sub'> | undefined {
    return this.framesOf('sub')
      .filter((sub) => sub.channel === channel)
      .at(-1)
  }

  #attached({ channel, request, want, position }: FrameOf<'sub'>): object {
    const top = this.#server.topOf(channel)
    const mode = position && position.offset < top ? 'catching-up' : 'live'
    return anAttached(channel, request, want, top, { mode })
  }
}

export function anAttached(
  channel: string,
  request: number,
  grants: readonly string[],
  offset = 0,
  change: object = {},
): object {
  return { type: 'attached', channel, request, grants, top: { epoch: EPOCH, offset }, mode: 'live', ...change }
}
