// The logs in a file of SQLite: they last as long as the file, and belong to one server at a time.
//
// Rules of this file:
// - Nothing is answered before the transaction is committed in which it was asked; reads see the writes before them.
// - If a transaction fails, all that was asked in it is answered `unavailable`, and nothing of it has happened. A `detach`
//   that is lost so costs one record its end until the process has its own.

import { randomUUID } from 'node:crypto'
import { Commits } from './commits.ts'
import { type RetentionOptions, retentionOf } from './retention.ts'
import { openFile } from './sqlite-file.ts'
import { SqliteLogs } from './sqlite-logs.ts'
import type { Done, Store } from './store.ts'

/** What {@link sqliteStore} keeps, for how long, and whom it tells of trouble. */
export interface SqliteStoreOptions extends RetentionOptions {
  /** Told why something could not be stored or read: the disk is full, the file is damaged. @defaultValue `console.error` */
  onError?: ((error: unknown) => void) | undefined
}

/** A store in a file. */
export interface SqliteStore extends Store {
  /** Answers what has been asked, and lets the file go. From then on every answer is `unavailable`. Twice is once. */
  close(): void
}

/**
 * A store that keeps everything in one file, which it creates if it is not there; beside it SQLite keeps another one
 * named `…-wal` while the store is open.
 *
 * What has been acknowledged is on the disk: it survives a crash of the process and the loss of power. All that arrives
 * in one tick is committed at once, so that a busy server waits for the disk as seldom as possible. The file has one
 * owner, until {@link SqliteStore.close} or the end of the process, however it ends. It must not be removed or replaced meanwhile:
 * what is then acknowledged goes into a file that nobody will open again. Needs Node 22.13.
 *
 * An older copy of the file in its place is a loss that nobody can see: clients would take what is new for what they know.
 * Run `UPDATE channel SET epoch = hex(randomblob(16)); DELETE FROM producer` on such a copy first.
 *
 * @param file - Its path. Its folder must exist.
 * @throws an Error that says what to do: no SQLite in this version of Node, no such folder, no right to write, a file of
 *   something else or of a newer version, another owner.
 * @example
 * const store = sqliteStore('messages.db')
 * const server = createServer({ store })
 */
export function sqliteStore(file: string, options: SqliteStoreOptions = {}): SqliteStore {
  const { onError = (error) => console.error(error) } = options
  const database = openFile(file)
  const logs = new SqliteLogs(database, retentionOf(options), randomUUID)
  const { records } = logs
  const transaction = {
    begin() {
      database.exec('BEGIN')
      records.begin()
    },
    commit() {
      database.exec('COMMIT')
      records.committed()
    },
    rollback: () => database.exec('ROLLBACK'),
  }
  const commits = new Commits(transaction, onError)
  const ask = <Answer>(done: Done<Answer>, answer: () => Answer) =>
    commits.add({
      run() {
        const given = answer()
        return () => done(given)
      },
      lost: () => done('unavailable'),
    })
  let trimAtMs = 0
  let isTrimming = false
  const trimOn = (from: number) => {
    isTrimming = true
    commits.add({
      run() {
        const to = logs.trim(trimAtMs, from)
        return () => {
          isTrimming = false
          if (to !== undefined) trimOn(to)
        }
      },
      lost() {
        isTrimming = false
      },
    })
  }
  let isClosed = false
  return {
    attach: (query, done) => ask(done, () => logs.attach(query)),
    detach: (query) => ask(nobody, () => logs.detach(query)),
    append: (query, done) => ask(done, () => logs.append(query)),
    page: (query, done) => ask(done, () => logs.page(query)),
    tops: (channels, done) => ask(done, () => logs.tops(channels)),
    mark: (query, done) => ask(done, () => logs.mark(query)),
    behind: (name, done) => ask(done, () => logs.behind(name)),
    trim(nowMs) {
      ask(nobody, () => records.expire(nowMs))
      trimAtMs = nowMs
      // One that is still at work goes on with the new time.
      if (!isTrimming) trimOn(0)
    },
    close() {
      if (isClosed) return
      isClosed = true
      commits.close()
      database.close()
    },
  }
}

function nobody(): void {}
