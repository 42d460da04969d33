// Producers' records in a file.
//
// Rules of this file:
// - Every method is part of a transaction, from `begin` to `committed`. Who is attached is known here alone, not in the
//   file, and changes with `committed`. When the process ends, all have left.
// - A record that has to go is deleted at the beginning of a transaction, some at a time, unless somebody attaches first.

import type { DatabaseSync } from 'node:sqlite'
import type { KeptRecord } from './records.ts'
import type { Retention } from './retention.ts'
import { Unattached } from './unattached.ts'

/** Deleted in one transaction, at most. */
const SLICE = 256

export class SqliteRecords {
  readonly #unattached: Unattached<number>
  readonly #leaving = new Set<number>()
  #changes: (() => void)[] = []
  readonly #sql

  constructor(database: DatabaseSync, { producerLimit, producerTtlMs }: Retention) {
    this.#sql = {
      find: database.prepare('SELECT * FROM producer WHERE channel = ? AND producer = ?'),
      findId: database.prepare('SELECT id FROM producer WHERE channel = ? AND producer = ? AND generation = ?'),
      isAny: database.prepare('SELECT 1 FROM producer WHERE channel = ? LIMIT 1'),
      put: database.prepare(
        `INSERT INTO producer (channel, producer, user, incarnation, generation, window, last, done)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (channel, producer) DO UPDATE SET
          generation = excluded.generation, window = excluded.window, last = excluded.last, done = excluded.done
          RETURNING id`,
      ),
      remove: database.prepare('DELETE FROM producer WHERE id = ?'),
    }
    this.#unattached = new Unattached(producerLimit, producerTtlMs)
    for (const { id } of database.prepare('SELECT id FROM producer ORDER BY id').iterate()) this.#left(Number(id))
  }

  find(channelId: number, producerId: string): KeptRecord | undefined {
    const row = this.#sql.find.get(channelId, producerId) as unknown as ProducerRow | undefined
    if (!row) return undefined
    const { incarnation, user: userId, generation, window, last } = row
    return { incarnation, userId, generation, window, last, done: JSON.parse(row.done) as KeptRecord['done'] }
  }

  /** Returns its number, which {@link attached} and {@link detached} take. */
  put(channelId: number, producerId: string, record: KeptRecord): number {
    const { userId, incarnation, generation, window, last } = record
    const done = JSON.stringify(record.done)
    const row = this.#sql.put.get(channelId, producerId, userId, incarnation, generation, window, last, done)
    return Number(row?.id)
  }

  findId(channelId: number, producerId: string, generation: number): number | undefined {
    const row = this.#sql.findId.get(channelId, producerId, generation)
    return row && Number(row.id)
  }

  isAny(channelId: number): boolean {
    return this.#sql.isAny.get(channelId) !== undefined
  }

  attached(id: number): void {
    this.#changes.push(() => {
      this.#unattached.delete(id)
      this.#leaving.delete(id)
    })
  }

  detached(id: number): void {
    this.#changes.push(() => this.#left(id))
  }

  expire(nowMs: number): void {
    this.#changes.push(() => {
      for (const id of this.#unattached.expire(nowMs)) this.#leaving.add(id)
    })
  }

  begin(): void {
    this.#changes = []
    for (const id of [...this.#leaving].slice(0, SLICE)) {
      this.#sql.remove.run(id)
      this.#changes.push(() => this.#leaving.delete(id))
    }
  }

  committed(): void {
    for (const change of this.#changes) change()
  }

  #left(id: number): void {
    const oldest = this.#unattached.add(id)
    if (oldest !== undefined) this.#leaving.add(oldest)
  }
}

interface ProducerRow {
  readonly user: string
  readonly incarnation: string
  readonly generation: number
  readonly window: number
  readonly last: number
  readonly done: string
}
