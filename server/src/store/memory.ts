// The logs in memory: they last as long as this object, which more than one broker may share.
//
// Rules of this file:
// - Every answer is given before the method returns.
// - Retention by count and by bytes is exact after each append; by age it is checked at `trim`.
// - A log is forgotten whole only when it holds nothing and nobody has asked about it for `idleMs`: a question
//   from a subscriber's ping counts, so a channel in use keeps its epoch however quiet it is.

import type { Position } from 'steadywire/protocol'
import {
  type AppendOutcome,
  judge,
  type LogExtent,
  type NewEvent,
  REMEMBERED_IDS,
  type Store,
  type StoredEvent,
} from './store.ts'

/** How long {@link memoryStore} keeps what. */
export interface MemoryStoreOptions {
  /** Creates epochs: unique, 128 random bits. A simulator passes its own. @defaultValue `crypto.randomUUID` */
  createId?: (() => string) | undefined
  /** Messages of one channel that are kept, at most. @defaultValue 10_000 */
  historyLimit?: number | undefined
  /** Characters of data of one channel that are kept, at most; the newest message is always kept. @defaultValue 67_108_864 */
  historyLength?: number | undefined
  /** How long a message is kept, in milliseconds. `Infinity` keeps it until it is pushed out. @defaultValue 86_400_000 */
  historyTtlMs?: number | undefined
  /** How long an empty channel is remembered that nobody asks about, in milliseconds. @defaultValue 1_800_000 */
  idleMs?: number | undefined
}

/**
 * A store that keeps everything in this object and nothing on disk.
 *
 * When the process ends, every channel's history ends: subscribers get a reset, and publishes that were not
 * acknowledged end `unknown`.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const {
    createId = () => crypto.randomUUID(),
    historyLimit = 10_000,
    historyLength = 67_108_864,
    historyTtlMs = 86_400_000,
    idleMs = 1_800_000,
  } = options
  const logs = new Map<string, Log>()
  const open = (channel: string): Log => {
    let log = logs.get(channel)
    if (!log) logs.set(channel, (log = new Log(createId(), historyLimit, historyLength)))
    log.wasAsked = true
    return log
  }
  return {
    attach({ channel, position }, done) {
      const { extent } = open(channel)
      done({ extent, judgement: position ? judge(position, extent) : 'live' })
    },
    append({ channel, nowMs, events }, done) {
      const log = open(channel)
      done({ epoch: log.epoch, outcomes: events.map((event) => log.append(event, nowMs)) })
    },
    page({ channel, position, count, dataLength }, done) {
      const log = open(channel)
      const judgement = judge(position, log.extent)
      const events = judgement === 'catching-up' ? log.read(position.offset + 1, count, dataLength) : []
      done({ extent: log.extent, judgement, events })
    },
    tops(channels, done) {
      done(channels.map((channel) => open(channel).extent))
    },
    trim(nowMs) {
      for (const [channel, log] of logs) {
        log.dropBefore(nowMs - historyTtlMs)
        if (log.wasAsked || !log.isEmpty) log.idleSinceMs = nowMs
        log.wasAsked = false
        if (nowMs - log.idleSinceMs >= idleMs) logs.delete(channel)
      }
    },
  }
}

class Log {
  readonly epoch: string
  wasAsked = false
  idleSinceMs = 0
  readonly #historyLimit: number
  readonly #historyLength: number
  // Keyed by offset, so that dropping the oldest moves nothing.
  readonly #events = new Map<number, StoredEvent>()
  #top = 0
  #first = 1
  #length = 0
  readonly #onceIds = new Map<string, number>()

  constructor(epoch: string, historyLimit: number, historyLength: number) {
    this.epoch = epoch
    this.#historyLimit = historyLimit
    this.#historyLength = historyLength
  }

  get extent(): LogExtent {
    return { epoch: this.epoch, top: this.#top, first: this.#first }
  }

  get isEmpty(): boolean {
    return this.#events.size === 0
  }

  append({ base, once, ...content }: NewEvent, nowMs: number): AppendOutcome {
    const known = once ? this.#onceIds.get(content.id) : undefined
    if (known !== undefined) return { type: 'repeated', offset: known }
    if (base && !this.#isTop(base)) return { type: 'stale-base' }
    const event = { ...content, offset: ++this.#top, storedAtMs: nowMs }
    this.#events.set(event.offset, event)
    this.#length += event.dataText.length
    if (once) this.#remember(event)
    while (this.#events.size > 1 && (this.#events.size > this.#historyLimit || this.#length > this.#historyLength))
      this.#dropFirst()
    return { type: 'stored', event }
  }

  /** Up to `count` events from `offset` on, which must be one of this log's, and up to `dataLength` characters of data. */
  read(offset: number, count: number, dataLength: number): StoredEvent[] {
    const found: StoredEvent[] = []
    let length = 0
    for (let event = this.#events.get(offset); event && found.length < count; event = this.#events.get(++offset)) {
      length += event.dataText.length
      if (found.length > 0 && length > dataLength) break
      found.push(event)
    }
    return found
  }

  dropBefore(oldestMs: number): void {
    for (const event of this.#events.values()) {
      if (event.storedAtMs >= oldestMs) return
      this.#dropFirst()
    }
  }

  #isTop(position: Position): boolean {
    return position.epoch === this.epoch && position.offset === this.#top
  }

  #remember({ id, offset }: StoredEvent): void {
    this.#onceIds.set(id, offset)
    if (this.#onceIds.size <= REMEMBERED_IDS) return
    for (const oldest of this.#onceIds.keys()) {
      this.#onceIds.delete(oldest)
      return
    }
  }

  #dropFirst(): void {
    this.#length -= this.#events.get(this.#first)?.dataText.length ?? 0
    this.#events.delete(this.#first++)
  }
}
