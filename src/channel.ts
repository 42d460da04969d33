// The channel as an application holds it.
//
// Rules of this file:
// - Handlers are kept in a Map: a message may be named `constructor`.
// - Every handler, and everything else that reads, counts as one reader of the channel; the session does the rest.

import type { Effect, Input, Message, Receipt, Reset } from './effects.ts'
import { createEmitter, type Emitter, emitterOf } from './emitter.ts'
import type { Position } from './protocol/frames.ts'
import type { ChannelSnapshot } from './snapshots.ts'

/** Something that can be read at any time and tells when it looks different: the store contract of React and others. */
export interface Readable<T> {
  /** The same reference until something visible has changed. */
  getSnapshot(): T
  /**
   * Calls `listener` after every visible change; returns the function that stops it.
   *
   * Changes made by the application's own call are told before that call returns, changes from the network once per frame.
   */
  subscribe(listener: () => void): () => void
}

/** How one publish differs from the client's defaults. */
export interface PublishOptions {
  /**
   * Gives up after this many milliseconds of awake time, counted from the call. Giving up does not recall a message already sent.
   *
   * @defaultValue `publish.timeoutMs` of the client, 60 000
   */
  timeoutMs?: number
  /** Refused with `stale-base` if the channel has moved past this position, or has another history. */
  base?: Position
}

/** Gets one message, in the order of the channel. */
export type MessageHandler = (data: unknown, message: Message) => unknown

/** A named stream of messages. Every function is bound: it can be passed on by itself. */
export interface Channel {
  readonly name: string
  /**
   * Calls `handler` with every message of this name, in the order of their offsets, each exactly once.
   *
   * Takes effect at once where the channel is attached, else when the server has answered; earlier messages are not delivered.
   * A server that refuses the channel is told of by an `error` event and `state` (`denied`); it is asked again on the next
   * connection. Once a channel has stopped lingering, the next handler starts at the newest message.
   * A handler that throws is reported and changes nothing for the others. Your own messages come too, possibly before
   * `publish` has returned.
   *
   * @returns the function that stops it; the last one to stop lets the channel linger for `channels.lingerMs`.
   */
  on(name: string, handler: MessageHandler): () => void
  /** Calls `handler` with every message, whatever its name; otherwise as `on`. */
  onAny(handler: (message: Message) => unknown): () => void
  /**
   * Calls `handler` when continuity was lost: whatever was known of the channel no longer counts, and messages go on right
   * after `position`. With a `snapshot` that is the state to start from; without one, load it elsewhere or start empty.
   */
  onReset(handler: (reset: Reset) => unknown): () => void
  /**
   * Sends `data` to everyone subscribed to this channel and resolves once the server has stored it.
   *
   * Before the connection is live, also while `disconnected` or `failed`, the message waits in the outbox; order per channel is
   * the order of calls. Forgetting the
   * promise is safe: a failure that nobody handles becomes an `error` event.
   *
   * @param name - Message name: 1 to 64 bytes of UTF-8.
   * @param data - JSON value, at most `maxFrameBytes` once encoded; encoded now, so later changes to it are not sent. Left out: `null`.
   * @returns The id and position the server gave it. Later messages in the same epoch have higher offsets.
   *
   * @throws RealtimeError `invalid`, outcome `rejected`: the name, the data or `timeoutMs` cannot be used, or the server refused
   *   the message, with words of its own in `message`. Correct it.
   * @throws RealtimeError `frame-too-large`, outcome `rejected`: nothing was queued. Send less.
   * @throws RealtimeError `outbox-full`, outcome `rejected`: `outbox.maxMessages` or `outbox.maxBytes` is reached. Publish less.
   * @throws RealtimeError `forbidden`, outcome `rejected`: the server refused this channel. Trying again will not help.
   * @throws RealtimeError `too-many` or `internal`, outcome `rejected`: a limit of the server is reached, or it failed. Try later.
   * @throws RealtimeError `stale-base`, outcome `rejected`: the channel has moved past `base`. Look again, then decide.
   * @throws RealtimeError `timeout`, outcome `rejected` if it was never sent, else `unknown`.
   * @throws RealtimeError `connection-lost`, outcome `unknown`: it was sent, and the answer was lost with the connection.
   *   The server has it once or not at all; it is not sent again.
   * @throws RealtimeError `closed`, outcome as for `timeout`: the client was closed first.
   *
   * @example
   * const { offset } = await room.publish('message', { text: 'hi' })
   */
  publish(name: string, data?: unknown, options?: PublishOptions): Promise<Receipt>
  /** Keeps the channel attached for reading until the returned function is called, without a handler. */
  retain(): () => void
  /** Status, freshness, position and pending publishes. Reading it attaches nothing. */
  readonly state: Readable<ChannelSnapshot>
}

/** What a channel needs of its client. */
export interface ChannelPort {
  readonly reportError: (error: unknown) => void
  readonly state: Readable<ChannelSnapshot>
  /** Takes in what may be the first use of the client. */
  use(input: Input): void
  feed(input: Input): void
  publish(channel: string, name: string, data: unknown, options?: PublishOptions): Promise<Receipt>
}

/** The handle, and the client's way to hand over what has arrived. */
export interface ChannelHandle {
  readonly channel: Channel
  deliver(effect: Extract<Effect, { type: 'deliver' }>): void
}

export function createChannel(name: string, port: ChannelPort): ChannelHandle {
  const named = new Map<string, Emitter<{ message: Message }>>()
  const all = createEmitter<{ message: Message; reset: Reset }>(port.reportError)

  /** Reads until the function it answers is called, which calls `stop` too. */
  function reading(stop?: () => void): () => void {
    let isReading = true
    port.use({ type: 'subscribe', channel: name })
    return () => {
      stop?.()
      if (isReading) port.feed({ type: 'unsubscribe', channel: name })
      isReading = false
    }
  }

  return {
    channel: {
      name,
      on(messageName, handler) {
        const emitter = emitterOf(named, messageName, port.reportError)
        return reading(emitter.on('message', (message) => handler(message.data, message)))
      },
      onAny: (handler) => reading(all.on('message', handler)),
      onReset: (handler) => reading(all.on('reset', handler)),
      publish: (...publish) => port.publish(name, ...publish),
      retain: () => reading(),
      state: port.state,
    },
    deliver({ event, detail }) {
      if (event === 'message') named.get(detail.name)?.emit(event, detail)
      all.emit(event, detail)
    },
  }
}
