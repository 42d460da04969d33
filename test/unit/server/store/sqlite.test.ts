// The store in SQLite: what all stores promise, also when it is opened anew all the time, and what it says when it cannot.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SqliteStore, sqliteStore } from '@steadywire/server/sqlite'
import { afterEach, describe } from 'vitest'
import { storeConformance } from './conformance.ts'
import { pinningConformance, producerConformance } from './producer-conformance.ts'
import type { OpenStore } from './promising.ts'
import { retentionConformance } from './retention-conformance.ts'

let folder: string | undefined
const stores: SqliteStore[] = []
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  if (folder) rmSync(folder, { recursive: true })
  folder = undefined
})

function freshFile(): string {
  folder ??= mkdtempSync(join(tmpdir(), 'steadywire-'))
  return join(folder, `${stores.length}.db`)
}

function opened(file: string, options: Parameters<typeof sqliteStore>[1] = {}): SqliteStore {
  const store = sqliteStore(file, options)
  stores.push(store)
  return store
}

describe('the store in SQLite as a store', () => {
  const open: OpenStore = (retention) => opened(freshFile(), retention)
  storeConformance(open)
  producerConformance(open)
  pinningConformance(open)
  retentionConformance(open)
})

/** Closes and opens the file after every answer. */
const reopening: OpenStore = (retention) => {
  const file = freshFile()
  let store = opened(file, retention)
  const again =
    <Query, Answer>(ask: (query: Query, done: (answer: Answer) => void) => void) =>
    (query: Query, done: (answer: Answer) => void) => {
      store.close()
      store = opened(file, retention)
      ask(query, done)
    }
  return {
    attach: again((query, done) => store.attach(query, done)),
    detach: (query) => store.detach(query),
    append: again((query, done) => store.append(query, done)),
    page: again((query, done) => store.page(query, done)),
    tops: again((query, done) => store.tops(query, done)),
    mark: again((query, done) => store.mark(query, done)),
    behind: again((query, done) => store.behind(query, done)),
    trim: (nowMs) => store.trim(nowMs),
  }
}

describe('the store in SQLite, opened anew before every question', () => {
  storeConformance(reopening)
  producerConformance(reopening)
})
