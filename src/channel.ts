// The channel as an application holds it.
//
// Rules of this file:
// - Every handler, and everything else that reads, counts as one reader of the channel; the session does the rest.

import type { Delivery, HistoryPage, Input, Message, Receipt, Reset, VolatileMessage } from './effects.ts'
import type { Resume } from './driver.ts'
import { createEmitter } from './emitter.ts'
import { RealtimeError } from './errors.ts'
import type { Position } from './protocol/frames.ts'
import type { ChannelSnapshot, Present } from './snapshots.ts'

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

/** Which publishes go first when the outbox is full and drops by priority. Never changes the order within a channel. */
export type Priority = 'low' | 'normal' | 'high'

/** How one publish differs from the client's defaults. */
export interface PublishOptions {
  /**
   * Gives up after this many milliseconds of awake time, counted from the call. Giving up does not recall a message already sent.
   *
   * @defaultValue `publish.timeoutMs` of the client, 60 000
   */
  timeoutMs?: number
  /** What may go for it, and what it may go for, where `outbox.overflow` is `drop-lowest-priority`. @defaultValue 'normal' */
  priority?: Priority
  /** Gives it up when this is aborted: rejects `aborted`, outcome `rejected` if it was never sent, else `unknown`. */
  signal?: AbortSignal
  /** As `state` or a receipt has it. Refused with `stale-base` if the channel has moved past this position, or has another history. */
  base?: Position
}

/** Gets one message, in the order of the channel. */
export type MessageHandler = (data: unknown, message: Message) => unknown

/** Gets the newest of what one sender says under one name and key. */
export type VolatileHandler = (data: unknown, message: VolatileMessage) => unknown

/** Gets a new start; may answer how far what it has loaded reaches. */
export type ResetHandler = (reset: Reset) => unknown

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
   * Calls `handler` with what others send by `sendVolatile`, and with what the server itself does: in no order with messages, and
   * possibly without what a newer one has replaced. One's own does not come back. Attaches the channel for reading as `on` does.
   *
   * @returns the function that stops it.
   */
  onVolatile(name: string, handler: VolatileHandler): () => void
  /**
   * Calls `handler` when continuity was lost: whatever was known of the channel no longer counts, and messages go on right
   * after `position`. With a `snapshot` that is the state to start from; without one, load it elsewhere or start empty.
   *
   * A handler may take its time: until the promise that it returns has settled, this channel's messages wait, within
   * `inbox.maxHeldBytes`, and other channels go on. Answering `{ position }`, the position of what it has loaded, leaves out the
   * messages up to there.
   */
  onReset(handler: ResetHandler): () => void
  /**
   * Asks the server for a new start of this channel, and resolves when the handlers of `onReset` are done with it.
   *
   * Waits for the connection where there is none. Reads the channel until then. A call while another one waits asks anew, and both
   * resolve with that answer: it is never older than the call. The server may answer with a snapshot that it has had
   * for a while: the messages since then follow.
   *
   * @throws RealtimeError `closed`: the client was closed. `forbidden` or another code of the server's: it refused the channel.
   */
  refresh(): Promise<void>
  /**
   * Sends `data` to everyone subscribed to this channel and resolves once the server has stored it.
   *
   * Before the connection is live, also while `disconnected` or `failed`, the message waits in the outbox; order per channel is
   * the order of calls. After a lost connection it is sent again, and the server keeps one copy. Forgetting the
   * promise is safe: a failure that nobody handles becomes an `error` event.
   *
   * @param name - Message name: 1 to 64 bytes of UTF-8.
   * @param data - JSON value, at most `maxFrameBytes` once encoded; encoded now, so later changes to it are not sent. Left out: `null`.
   * @returns The id and position the server gave it. Later messages in the same epoch have higher offsets.
   *
   * @throws RealtimeError `invalid`, outcome `rejected`: the name, the data, `priority`, `base` or `timeoutMs` cannot be used, or the server refused
   *   the message, with words of its own in `message`. Correct it.
   * @throws RealtimeError `frame-too-large`, outcome `rejected`: it passes `maxFrameBytes`, or the server accepts less.
   *   Outcome `unknown` where the connection was closed for a message that is too large, this one being the largest on its way. Send less.
   * @throws RealtimeError `outbox-full`, outcome `rejected`: `outbox.maxMessages` or `outbox.maxBytes` is reached. Publish less.
   * @throws RealtimeError `forbidden`: the server refused this channel; `too-many` or `internal`: a limit of the server is reached,
   *   or it failed. Outcome `rejected`, but `unknown` where an earlier connection had sent it. Only the last two may pass by themselves.
   * @throws RealtimeError `stale-base`, outcome `rejected`: the channel has moved past `base`. Look again, then decide.
   * @throws RealtimeError `superseded`, outcome `rejected`: the server had refused it, and the reason was lost with the connection.
   * @throws RealtimeError `timeout`, outcome `rejected` if it was never sent, else `unknown`: the server has it once or not at all.
   * @throws RealtimeError `aborted`, outcome as for `timeout`: `signal` was aborted. `closed`: the client was closed first.
   * @throws RealtimeError `record-lost` or `epoch-changed`, outcome `unknown`: the server lost its memory of this client, or the
   *   channel's history, while the message was on its way. Look whether it is there before you publish it again.
   * @throws RealtimeError `replaced`, outcome `unknown`: another connection acts for this client now.
   * @throws RealtimeError `connection-lost`, outcome `unknown`: the same, from a server of protocol level 1, after every loss.
   *
   * @example
   * const { offset } = await room.publish('message', { text: 'hi' })
   */
  publish(name: string, data?: unknown, options?: PublishOptions): Promise<Receipt>
  /**
   * Tells everyone who reads the channel what is true now: a cursor, a progress. Neither stored nor answered. While there is no
   * connection it is left out; while it waits for its turn, the newest of its `key` takes its place.
   *
   * The channel stays attached for writing for `channels.lingerMs` after the last one. A server that refuses the channel, or has no
   * volatile messages (`unsupported`), or takes no message of this size (`frame-too-large`) is told of by an `error` event.
   *
   * @param name - 1 to 64 bytes of UTF-8.
   * @param data - JSON value; encoded now. Left out: `null`.
   * @throws RealtimeError `invalid`: name, data, `key` or `everyMs` cannot be used.
   */
  sendVolatile(name: string, data?: unknown, options?: VolatileOptions): void
  /** Who is here, and being seen by them. */
  readonly presence: Presence
  /**
   * Reads the messages before a position, or the newest: the oldest first. Changes nothing else: no handler is called, no position
   * moves, the channel need not be attached.
   *
   * @throws RealtimeError `history-lost`: `before` is of a history that is no more. `forbidden`: this user may not. `timeout`,
   *   `aborted`, `closed`, `logged-out`, `invalid`, `unsupported`: as with `client.request`; a lost connection is waited out.
   */
  history(options?: HistoryOptions): Promise<HistoryPage>
  /** Keeps the channel attached for reading until the returned function is called, without a handler. */
  retain(): () => void
  /** Status, freshness, position and pending publishes. Reading it attaches nothing. */
  readonly state: Readable<ChannelSnapshot>
}

/** How one volatile message goes. */
export interface VolatileOptions {
  /** Of one key the newest counts: 1 to 64 bytes of UTF-8. @defaultValue one for each name */
  key?: string
  /** Sends of this key at most one in so many milliseconds. @defaultValue 33, about 30 a second */
  everyMs?: number
}

/** Who is here. */
export interface Presence {
  /**
   * Tells everyone who watches this channel that this client is here, with `data`; again to change it. It holds until `clear()`, also
   * through lost connections, for 10 s of which nobody notices. Attaches the channel for reading until then.
   *
   * Resolves when the server has taken it.
   *
   * @param data - Any JSON value but `null`; encoded now. The reference server takes up to 4,096 bytes.
   * @throws RealtimeError `forbidden`: this user may not. `too-large` as `frame-too-large`, `too-many`: the server's limits. Then
   *   nothing has changed. `timeout`, after 10 s: it is told once there is a connection. `unsupported`: this server knows no presence.
   *   `aborted`: `clear()` came first. `closed`, `logged-out`, `invalid`: as with `publish`. A refusal that comes later,
   *   with another connection, is an `error` event.
   */
  set(data: unknown): Promise<void>
  /** Tells them that it is gone. Does nothing where `set` was not called. */
  clear(): void
  /**
   * Everyone who is here, this client too, in no particular order; nobody until the server has told. Subscribing attaches the channel for
   * reading. Without a connection it stays as it was.
   */
  readonly state: Readable<readonly Present[]>
}

/** Which part of a channel's history. */
export interface HistoryOptions {
  /** Messages before this position, which must be of the present epoch. Absent: the newest. */
  before?: Position | undefined
  /** At most this many; the server may answer fewer, and says whether there are more. @defaultValue 50 */
  limit?: number
  /** Gives up after this many milliseconds of awake time. @defaultValue 10_000 */
  timeoutMs?: number
  signal?: AbortSignal | undefined
}

/** What a channel needs of its client. */
export interface ChannelPort {
  readonly reportError: (error: unknown) => void
  readonly state: Readable<ChannelSnapshot>
  /** Takes in what may be the first use of the client. */
  use(input: Input): void
  feed(input: Input): void
  publish(channel: string, name: string, data: unknown, options?: PublishOptions): Promise<Receipt>
  history(channel: string, options?: HistoryOptions): Promise<HistoryPage>
  sendVolatile(channel: string, name: string, data: unknown, options?: VolatileOptions): void
  present(channel: string, data: unknown): Promise<void>
  getRoster(channel: string): readonly Present[]
}

/** The handle, and the client's way to hand over what has arrived. */
export interface ChannelHandle {
  readonly channel: Channel
  /** Tells whether the channel must wait until `resume` is called. */
  deliver(delivery: Delivery, resume: Resume): boolean
  /** Forgets every handler: what they return has no effect any more. */
  wipe(): void
  /** The new start that was asked for is made, or will not be. */
  refreshed(error: RealtimeError | undefined): void
}

/** What handlers of one name listen to. */
const MESSAGE = '+'
const VOLATILE = '-'

export function createChannel(name: string, port: ChannelPort): ChannelHandle {
  // By what they hear of: `message`, `reset`, or one of these two and a name.
  const handlers = createEmitter<Record<string, unknown>>(port.reportError)
  const listening = (prefix: string) => (messageName: string, handler: (data: unknown, message: never) => unknown) =>
    reading(handlers.on(prefix + messageName, (message) => handler((message as Message).data, message as never)))

  /** What was registered before it last changed is for nobody. */
  let life = 0
  /** Ends being here. */
  let release: (() => void) | undefined
  /** What waits for the next new start. */
  const refreshing = [] as ((error: RealtimeError | undefined) => void)[]

  function refresh(): Promise<void> {
    const release = reading()
    const settlement = new Promise<void>((resolve, reject) => {
      refreshing.push((error) => {
        if (error) reject(error)
        else resolve()
        release()
      })
    })
    // A refusal is told of by an `error` event anyway.
    settlement.catch(() => {})
    port.feed({ type: 'refresh', channel: name })
    return settlement
  }

  /** Reads until the function it answers is called, which calls `stop` too. */
  function reading(stop?: () => void): () => void {
    let mine: number | undefined = life
    port.use({ type: 'subscribe', channel: name })
    return () => {
      stop?.()
      if (mine === life) port.feed({ type: 'unsubscribe', channel: name })
      mine = undefined
    }
  }

  return {
    channel: {
      name,
      on: listening(MESSAGE),
      onAny: (handler) => reading(handlers.on('message', handler as (message: unknown) => unknown)),
      onVolatile: listening(VOLATILE),
      sendVolatile: (...volatile) => port.sendVolatile(name, ...volatile),
      presence: {
        set(data) {
          release ??= reading()
          return port.present(name, data)
        },
        clear() {
          port.feed({ type: 'leave', channel: name })
          release?.()
          release = undefined
        },
        state: {
          getSnapshot: () => port.getRoster(name),
          subscribe: (listener) => reading(port.state.subscribe(listener)),
        },
      },
      onReset: (handler) => reading(handlers.on('reset', handler as (reset: unknown) => unknown)),
      publish: (...publish) => port.publish(name, ...publish),
      refresh,
      history: (options) => port.history(name, options),
      retain: () => reading(),
      state: port.state,
    },
    deliver(delivery, resume) {
      const { event, detail } = delivery
      if (event !== 'reset') {
        handlers.emit((event === 'message' ? MESSAGE : VOLATILE) + detail.name, detail)
        handlers.emit(event, detail)
        return false
      }
      const answers: unknown[] = []
      handlers.emit(event, detail, answers)
      // Left out is only what all of them have.
      const reach = (answer: unknown) => {
        const position = (answer as { readonly position?: Position } | undefined)?.position
        return position?.epoch === detail.position.epoch ? position.offset : 0
      }
      const waits = answers.some(Boolean)
      if (waits) void Promise.all(answers).then((settled) => resume(delivery, Math.min(...settled.map(reach))))
      return waits
    },
    wipe() {
      life++
      release = undefined
      handlers.clear()
    },
    refreshed(error) {
      for (const settle of refreshing.splice(0)) settle(error)
    },
  }
}
