// The logs in a file: what each question to the store is in SQL.
//
// Rules of this file:
// - Every method is part of a transaction. Nobody else writes the file.
// - What retention no longer covers goes as far as `SLICE` messages at a time: a log of a million is dropped in many steps.
// - Lengths are counted in JavaScript, as in memory: SQLite would count characters otherwise.

import type { DatabaseSync } from 'node:sqlite'
import type { Position } from 'steadywire/protocol'
import { claimRecord, judgePublish, recordPublish, toldOf } from './records.ts'
import type { Retention } from './retention.ts'
import { SqliteRecords } from './sqlite-records.ts'
import {
  type AppendAnswer,
  type AppendOutcome,
  type AppendQuery,
  type AttachAnswer,
  type AttachQuery,
  type ClaimRefusal,
  type DetachQuery,
  judge,
  type LogExtent,
  type MarkQuery,
  type NewEvent,
  type PageAnswer,
  type PageQuery,
  type ProducerClaim,
  type ProducerRecord,
  REMEMBERED_IDS,
  type StoredEvent,
} from './store.ts'

/** Messages dropped, and channels looked at, in one step. */
const SLICE = 256

export class SqliteLogs {
  readonly records: SqliteRecords
  readonly #retention: Retention
  readonly #createId: () => string
  readonly #sql: Statements
  /** Empty channels, since the first trim after somebody asked. Begins anew with the process. */
  readonly #idleSinceMs = new Map<number, number>()

  constructor(database: DatabaseSync, retention: Retention, createId: () => string) {
    this.records = new SqliteRecords(database, retention)
    this.#retention = retention
    this.#createId = createId
    this.#sql = statementsOf(database)
  }

  attach({ channel, position, producer }: AttachQuery): AttachAnswer {
    const log = this.#open(channel)
    const extent = extentOf(log)
    const judgement = position ? judge(position, extent) : 'live'
    return { extent, judgement, ...(producer && { producer: this.#claim(log, producer) }) }
  }

  detach({ channel, producerId, generation }: DetachQuery): void {
    const log = this.#find(channel)
    const recordId = log && this.records.findId(log.id, producerId, generation)
    if (recordId !== undefined) this.records.detached(recordId)
  }

  append({ channel, nowMs, events }: AppendQuery): AppendAnswer {
    const log = this.#open(channel)
    const outcomes = events.map((event) => this.#append(log, event, nowMs))
    this.#put(log)
    return { epoch: log.epoch, outcomes }
  }

  page({ channel, position, count, dataLength }: PageQuery): PageAnswer {
    const log = this.#open(channel)
    const extent = extentOf(log)
    const judgement = judge(position, extent)
    const events: StoredEvent[] = []
    if (judgement !== 'catching-up') return { extent, judgement, events }
    let length = 0
    for (const row of this.#sql.read.iterate(log.id, position.offset, count) as Iterable<unknown>) {
      const event = eventOf(row as EventRow)
      length += event.dataText.length
      if (events.length > 0 && length > dataLength) break
      events.push(event)
    }
    return { extent, judgement, events }
  }

  tops(channels: readonly string[]): readonly LogExtent[] {
    return channels.map((channel) => extentOf(this.#open(channel)))
  }

  mark({ name, channel, position }: MarkQuery): Position | null {
    const { id } = this.#open(channel)
    if (position) this.#sql.setCursor.run(id, name, position.epoch, position.offset)
    const row = this.#sql.cursor.get(id, name) as unknown as Position | undefined
    return row ? { epoch: row.epoch, offset: row.offset } : null
  }

  behind(name: string): readonly string[] {
    return this.#sql.behind.all(name).map((row) => String(row.name))
  }

  /** Looks at some channels with a higher number than `after`. Returns the last one it is done with; undefined at the end. */
  trim(nowMs: number, after: number): number | undefined {
    const logs = this.#sql.after.all(after, SLICE) as unknown as LogRow[]
    let left = SLICE
    for (const log of logs) {
      const { first } = log
      const isDone = this.#drop(log, nowMs - this.#retention.historyTtlMs, left)
      if (!isDone) return log.id - 1
      left -= log.first - first
      this.#forgetIfIdle(log, nowMs)
    }
    return logs.length < SLICE ? undefined : logs.at(-1)?.id
  }

  #claim(log: LogRow, producer: ProducerClaim): ProducerRecord | ClaimRefusal {
    const record = claimRecord(this.records.find(log.id, producer.id), producer, this.#createId)
    if (typeof record === 'string') return record
    this.records.attached(this.records.put(log.id, producer.id, record))
    return toldOf(record)
  }

  #append(log: LogRow, { base, once, origin, ...content }: NewEvent, nowMs: number): AppendOutcome {
    const record = origin && this.records.find(log.id, origin.producerId)
    const known = origin && judgePublish(record, origin, content.id)
    if (known) return known
    const before = once ? this.#sql.stored.get(log.id, content.id) : undefined
    if (before) return { type: 'repeated', offset: Number(before.offset) }
    if (base && (base.epoch !== log.epoch || base.offset !== log.top)) return { type: 'stale-base' }
    const event = { ...content, offset: log.top + 1, storedAtMs: nowMs }
    this.#insert(log, event)
    if (once) this.#remember(log, event)
    if (record && origin) {
      const { producerId, sequence } = origin
      this.records.put(log.id, producerId, recordPublish(record, sequence, event.id, event.offset))
    }
    if (this.#isTooMuch(log)) this.#drop(log, -Infinity, SLICE)
    return { type: 'stored', event }
  }

  #insert(log: LogRow, { offset, id, name, dataText, sender, storedAtMs }: StoredEvent): void {
    const { user, member } = sender ?? { user: null, member: null }
    this.#sql.insert.run(log.id, offset, id, name, dataText, dataText.length, user, member, storedAtMs)
    log.top = offset
    log.length += dataText.length
  }

  #remember(log: LogRow, { id, offset }: StoredEvent): void {
    this.#sql.remember.run(log.id, id, offset)
    this.#sql.unremember.run({ channel: log.id, kept: REMEMBERED_IDS })
  }

  /** Drops what is too much or too old, at most so many. Returns whether that was all. */
  #drop(log: LogRow, oldestMs: number, most: number): boolean {
    const from = log.first
    for (const row of this.#sql.oldest.iterate(log.id, from, most)) {
      if (Number(row.stored_at_ms) >= oldestMs && !this.#isTooMuch(log)) break
      log.first++
      log.length -= Number(row.length)
    }
    if (log.first > from) {
      this.#sql.drop.run(log.id, log.first)
      this.#put(log)
    }
    return log.first - from < most
  }

  #isTooMuch({ top, first, length }: LogRow): boolean {
    const { historyLimit, historyLength } = this.#retention
    return first < top && (top - first + 1 > historyLimit || length > historyLength)
  }

  /** An empty log goes when nobody has asked about it for long, and all that is of it. */
  #forgetIfIdle({ id, top, first }: LogRow, nowMs: number): void {
    if (first <= top || this.records.isAny(id)) return
    const idleSinceMs = this.#idleSinceMs.get(id) ?? nowMs
    this.#idleSinceMs.set(id, idleSinceMs)
    if (nowMs - idleSinceMs < this.#retention.idleMs) return
    this.#idleSinceMs.delete(id)
    for (const statement of this.#sql.forget) statement.run(id)
  }

  #open(channel: string): LogRow {
    let log = this.#find(channel)
    if (!log) {
      this.#sql.begin.run(channel, this.#createId())
      log = this.#find(channel)
    }
    if (!log) throw new Error('A channel that has just been made is not there.')
    this.#idleSinceMs.delete(log.id)
    return log
  }

  #find(channel: string): LogRow | undefined {
    return this.#sql.find.get(channel) as unknown as LogRow | undefined
  }

  #put({ id, top, first, length }: LogRow): void {
    this.#sql.put.run(top, first, length, id)
  }
}

interface LogRow {
  readonly id: number
  readonly epoch: string
  top: number
  first: number
  length: number
}

interface EventRow {
  readonly offset: number
  readonly id: string
  readonly name: string
  readonly data: string
  readonly user: string | null
  readonly member: string | null
  readonly stored_at_ms: number
}

type Statements = ReturnType<typeof statementsOf>

function statementsOf(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql)
  return {
    find: prepare('SELECT id, epoch, top, first, length FROM channel WHERE name = ?'),
    begin: prepare('INSERT INTO channel (name, epoch, top, first, length) VALUES (?, ?, 0, 1, 0)'),
    put: prepare('UPDATE channel SET top = ?, first = ?, length = ? WHERE id = ?'),
    after: prepare('SELECT id, epoch, top, first, length FROM channel WHERE id > ? ORDER BY id LIMIT ?'),
    forget: [
      prepare('DELETE FROM channel WHERE id = ?'),
      prepare('DELETE FROM once WHERE channel = ?'),
      prepare('DELETE FROM cursor WHERE channel = ?'),
    ],
    insert: prepare(
      `INSERT INTO event (channel, offset, id, name, data, length, user, member, stored_at_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    read: prepare(
      `SELECT offset, id, name, data, user, member, stored_at_ms FROM event
        WHERE channel = ? AND offset > ? ORDER BY offset LIMIT ?`,
    ),
    oldest: prepare('SELECT length, stored_at_ms FROM event WHERE channel = ? AND offset >= ? ORDER BY offset LIMIT ?'),
    drop: prepare('DELETE FROM event WHERE channel = ? AND offset < ?'),
    stored: prepare('SELECT offset FROM once WHERE channel = ? AND id = ?'),
    remember: prepare('INSERT INTO once (channel, id, offset) VALUES (?, ?, ?)'),
    unremember: prepare(
      `DELETE FROM once WHERE channel = :channel AND offset <=
        (SELECT offset FROM once WHERE channel = :channel ORDER BY offset DESC LIMIT 1 OFFSET :kept)`,
    ),
    cursor: prepare('SELECT epoch, offset FROM cursor WHERE channel = ? AND name = ?'),
    setCursor: prepare(
      `INSERT INTO cursor (channel, name, epoch, offset) VALUES (?, ?, ?, ?)
        ON CONFLICT (channel, name) DO UPDATE SET epoch = excluded.epoch, offset = excluded.offset`,
    ),
    behind: prepare(
      `SELECT channel.name FROM cursor JOIN channel ON channel.id = cursor.channel
        WHERE cursor.name = ? AND top > 0 AND (cursor.epoch <> channel.epoch OR cursor.offset <> top)`,
    ),
  }
}

function extentOf({ epoch, top, first }: LogRow): LogExtent {
  return { epoch, top, first }
}

function eventOf({ offset, id, name, data, user, member, stored_at_ms }: EventRow): StoredEvent {
  const sender = user !== null && member !== null ? { sender: { user, member } } : {}
  return { offset, id, name, dataText: data, ...sender, storedAtMs: stored_at_ms }
}
