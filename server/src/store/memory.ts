// The logs in memory: they last as long as this object, which the next broker may be handed when one has closed.
//
// Rules of this file:
// - Every answer is given before the method returns.
// - Retention by count and by length is exact after each append; by age it is checked at `trim`.
// - A log is forgotten whole only when it holds neither message nor record and nobody has asked about it for `idleMs`:
//   a question from a subscriber's ping counts, so a channel in use keeps its epoch however quiet it is.

import type { Position } from 'steadywire/protocol'
import { claimRecord, judgePublish, type KeptRecord, recordPublish, toldOf } from './records.ts'
import { type Retention, type RetentionOptions, retentionOf } from './retention.ts'
import {
  type AppendOutcome,
  type ClaimRefusal,
  judge,
  type LogExtent,
  type NewEvent,
  type ProducerClaim,
  type ProducerRecord,
  REMEMBERED_IDS,
  type Store,
  type StoredEvent,
} from './store.ts'
import { Unattached } from './unattached.ts'

/** What {@link memoryStore} keeps, and for how long. */
export interface MemoryStoreOptions extends RetentionOptions {
  /** Creates epochs and incarnations: unique, 128 random bits. A simulator passes its own. @defaultValue `crypto.randomUUID` */
  createId?: (() => string) | undefined
}

/** Logs above which empty ones go before their time, and how many are looked at for one that comes. */
const MAX_LOGS = 50_000
const LOOKED_AT = 16

/**
 * A store that keeps everything in this object and nothing on disk.
 *
 * When the process ends, every channel's history ends: subscribers get a reset, and publishes that were not
 * acknowledged end `unknown`.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { createId = () => crypto.randomUUID() } = options
  const retention = retentionOf(options)
  const logs = new Map<string, Log>()
  const unattached = new Unattached<Holding>(retention.producerLimit, retention.producerTtlMs)
  const open = (channel: string): Log => {
    let log = logs.get(channel)
    if (!log) {
      makeRoom()
      log = new Log(createId(), retention)
    }
    if (log.isEmpty) {
      // The order in which those that hold nothing were last asked for.
      logs.delete(channel)
      logs.set(channel, log)
    }
    log.idleSinceMs = undefined
    return log
  }
  /** Names cost a client nothing: of the logs that hold nothing, those go that nobody has asked for the longest. That costs whoever reads them a reset to nothing. */
  const makeRoom = () => {
    if (logs.size < MAX_LOGS) return
    let left = LOOKED_AT
    for (const [channel, log] of logs) {
      if (left-- === 0) return
      logs.delete(channel)
      // To the end, so that the next look begins behind those that stay.
      if (!log.isEmpty) logs.set(channel, log)
    }
  }
  const claim = (log: Log, producer: ProducerClaim): ProducerRecord | ClaimRefusal => {
    const known = log.holdings.get(producer.id)
    const record = claimRecord(known?.record, producer, createId)
    if (typeof record === 'string') return record
    const holding = known ?? { log, producerId: producer.id, record }
    holding.record = record
    log.holdings.set(producer.id, holding)
    unattached.delete(holding)
    return toldOf(record)
  }
  const forget = ({ log, producerId }: Holding) => log.holdings.delete(producerId)
  return {
    attach({ channel, position, producer }, done) {
      const log = open(channel)
      const { extent } = log
      const judgement = position ? judge(position, extent) : 'live'
      done({ extent, judgement, ...(producer && { producer: claim(log, producer) }) })
    },
    detach({ channel, producerId, generation }) {
      const holding = logs.get(channel)?.holdings.get(producerId)
      if (holding?.record.generation !== generation) return
      const leaving = unattached.add(holding)
      if (leaving) forget(leaving)
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
    mark({ name, channel, position }, done) {
      const { cursors } = open(channel)
      if (position) cursors.set(name, position)
      done(cursors.get(name) ?? null)
    },
    behind(name, done) {
      done([...logs].filter(([, log]) => log.isBehind(name)).map(([channel]) => channel))
    },
    trim(nowMs) {
      unattached.expire(nowMs).forEach(forget)
      for (const [channel, log] of logs) {
        log.dropBefore(nowMs - retention.historyTtlMs)
        if (!log.isEmpty) continue
        log.idleSinceMs ??= nowMs
        if (nowMs - log.idleSinceMs >= retention.idleMs) logs.delete(channel)
      }
    },
  }
}

/** A producer's record and where it is. */
interface Holding {
  readonly log: Log
  readonly producerId: string
  record: KeptRecord
}

class Log {
  readonly epoch: string
  readonly holdings = new Map<string, Holding>()
  readonly cursors = new Map<string, Position>()
  /** The first `trim` since somebody asked. */
  idleSinceMs: number | undefined
  readonly #retention: Retention
  // Keyed by offset, so that dropping the oldest moves nothing.
  readonly #events = new Map<number, StoredEvent>()
  #top = 0
  #first = 1
  #length = 0
  readonly #onceIds = new Map<string, number>()

  constructor(epoch: string, retention: Retention) {
    this.epoch = epoch
    this.#retention = retention
  }

  get extent(): LogExtent {
    return { epoch: this.epoch, top: this.#top, first: this.#first }
  }

  get isEmpty(): boolean {
    return this.#events.size === 0 && this.holdings.size === 0
  }

  append({ base, once, origin, ...content }: NewEvent, nowMs: number): AppendOutcome {
    const holding = origin && this.holdings.get(origin.producerId)
    const known = origin && judgePublish(holding?.record, origin, content.id)
    if (known) return known
    const offset = once ? this.#onceIds.get(content.id) : undefined
    if (offset !== undefined) return { type: 'repeated', offset }
    if (base && !this.#isTop(base)) return { type: 'stale-base' }
    const event = { ...content, offset: ++this.#top, storedAtMs: nowMs }
    this.#events.set(event.offset, event)
    this.#length += event.dataText.length
    if (once) this.#remember(event)
    if (holding) holding.record = recordPublish(holding.record, origin.sequence, event.id, event.offset)
    const { historyLimit, historyLength } = this.#retention
    while (this.#events.size > 1 && (this.#events.size > historyLimit || this.#length > historyLength))
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

  isBehind(name: string): boolean {
    const cursor = this.cursors.get(name)
    return cursor !== undefined && this.#top > 0 && !this.#isTop(cursor)
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
