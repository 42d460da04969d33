// The channel as an application holds it.
//
// Rules of this file:
// - Every handler, and everything else that reads, counts as one reader of the channel; the session does the rest.

import type { Delivery, HistoryPage, Input, Message, Receipt, Reset } from './effects.ts'
import type { Resume } from './driver.ts'
import { createEmitter } from './emitter.ts'
import { RealtimeError } from './errors.ts'
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

export function createChannel(name: string, port: ChannelPort): ChannelHandle {
  const named = createEmitter<Record<string, Message>>(port.reportError)
  const handlers = createEmitter<{ message: Message; reset: Reset }>(port.reportError)

  /** What was registered before it last changed is for nobody. */
  let life = 0
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
      on: (messageName, handler) => reading(named.on(messageName, (message) => handler(message.data, message))),
      onAny: (handler) => reading(handlers.on('message', handler)),
      onReset: (handler) => reading(handlers.on('reset', handler)),
      publish: (...publish) => port.publish(name, ...publish),
      refresh,
      history: (options) => port.history(name, options),
      retain: () => reading(),
      state: port.state,
    },
    deliver(delivery, resume) {
      const { event, detail } = delivery
      if (event === 'message') {
        named.emit(detail.name, detail)
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
      named.clear()
      handlers.clear()
    },
    refreshed(error) {
      for (const settle of refreshing.splice(0)) settle(error)
    },
  }
}
