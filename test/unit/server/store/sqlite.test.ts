// The store in SQLite: what all stores promise, also when it is opened anew all the time, and what it says when it cannot.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type SqliteStore, sqliteStore } from '@steadywire/server/sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { storeConformance } from './conformance.ts'
import { pinningConformance, producerConformance } from './producer-conformance.ts'
import { anEvent, NOW_MS, type OpenStore, promising } from './promising.ts'
import { retentionConformance } from './retention-conformance.ts'
import { createScratch, type Scratch } from './scratch.ts'

// Not an import: Vite does not know it.
const { DatabaseSync } = process.getBuiltinModule('node:sqlite')

let scratch: Scratch
const stores: SqliteStore[] = []
beforeEach(() => {
  scratch = createScratch()
})
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  scratch.remove()
})

function opened(file: string, options: Parameters<typeof sqliteStore>[1] = {}): SqliteStore {
  const store = sqliteStore(file, options)
  stores.push(store)
  return store
}

describe('the store in SQLite as a store', () => {
  const open: OpenStore = (retention) => opened(scratch.file(), retention)
  storeConformance(open)
  producerConformance(open)
  pinningConformance(open)
  retentionConformance(open)
})

/** Closes and opens the file after every answer. */
const reopening: OpenStore = (retention) => {
  const file = scratch.file()
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

describe('opening a file', () => {
  test('a store comes back as it was, a new file has new epochs', async () => {
    const file = scratch.file()
    const before = opened(file)
    const epoch = await promising(before).add('a', '1', '2')
    before.close()
    const after = promising(opened(file))
    expect(await after.tops(['a'])).toEqual([{ epoch, top: 2, first: 1 }])
    const [other] = await promising(opened(scratch.file())).tops(['a'])
    expect(other?.epoch).not.toBe(epoch)
  })

  test('a file that is there and empty will do', async () => {
    const file = scratch.file()
    writeFileSync(file, '')
    expect(await promising(opened(file)).add('a', '1')).toEqual(expect.any(String))
  })

  test('a file has one owner, until that closes', async () => {
    const file = scratch.file()
    const owner = opened(file)
    expect(() => sqliteStore(file)).toThrow(`${file} is in use: a store has one owner.`)
    await promising(owner).add('a', '1')
    owner.close()
    expect(await promising(opened(file)).tops(['a'])).toMatchObject([{ top: 1 }])
  })

  test('in a folder that is not there', () => {
    const file = join(scratch.file(), 'store.db')
    expect(() => sqliteStore(file)).toThrow(`${file} cannot be opened. Its folder has to exist`)
  })

  test('a folder', () => {
    expect(() => sqliteStore(tmpdir())).toThrow(`${tmpdir()} cannot be opened. `)
  })

  test.each([
    ['no database', 'my diary, '.repeat(100)],
    ['no database, and short', 'no'],
  ])('of something else: %s', (_, text) => {
    const file = scratch.file()
    writeFileSync(file, text)
    expect(() => sqliteStore(file)).toThrow(`${file} holds something else than a store of steadywire.`)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  test('of another program: it stays as it was', () => {
    const file = scratch.file()
    const theirs = new DatabaseSync(file)
    theirs.exec('CREATE TABLE diary (text TEXT)')
    theirs.close()
    const before = readFileSync(file)
    expect(() => sqliteStore(file)).toThrow(`${file} holds something else than a store of steadywire.`)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('of a newer version: it stays as it was', () => {
    const file = scratch.file()
    opened(file).close()
    const theirs = new DatabaseSync(file)
    theirs.exec('PRAGMA user_version = 9')
    theirs.close()
    const before = readFileSync(file)
    expect(() => sqliteStore(file)).toThrow(`${file} was written by a newer version (schema 9; this one knows 1).`)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('that is damaged', () => {
    const file = scratch.file()
    opened(file).close()
    const bytes = readFileSync(file)
    bytes.fill(0xff, 100, 4_096)
    writeFileSync(file, bytes)
    expect(() => sqliteStore(file)).toThrow(`${file} is damaged. Move it away together with ${file}-wal`)
  })

  test('with a version of Node that has no SQLite', () => {
    const without = vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never)
    expect(() => sqliteStore(scratch.file())).toThrow(`needs Node 22.13 or newer, and this is ${process.version}.`)
    without.mockRestore()
  })
})

describe('closing', () => {
  test('answers what was asked before, and says of what is asked later that it does not know', async () => {
    const file = scratch.file()
    const store = opened(file)
    const answers: unknown[] = []
    const append = (id: string) =>
      store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent(id)] }, (answer) => answers.push(answer))
    append('before')
    store.close()
    append('after')
    store.detach({ channel: 'a', producerId: 'p', generation: 1 })
    store.trim(NOW_MS)
    store.close()
    expect(answers).toEqual([{ epoch: expect.any(String), outcomes: [expect.anything()] }, 'unavailable'])
    expect(await promising(opened(file)).tops(['a'])).toMatchObject([{ top: 1 }])
  })

  test('leaves one file', async () => {
    const file = scratch.file()
    const store = opened(file)
    await promising(store).add('a', '1')
    store.close()
    expect(readdirSync(dirname(file))).toEqual([basename(file)])
  })
})

describe('much to forget', () => {
  const COUNT = 2_000

  async function filled(): Promise<string> {
    const file = scratch.file()
    const store = opened(file)
    const ids = Array.from({ length: COUNT }, (_, i) => `${i}`)
    await promising(store).add('a', ...ids)
    store.close()
    return file
  }

  test('is forgotten in steps, beginning with the next message', async () => {
    const file = await filled()
    const store = promising(opened(file, { historyLimit: 10 }))
    await store.add('a', 'one more')
    const first = (await store.tops(['a']))[0]?.first
    expect(first).toBeGreaterThan(1)
    expect(first).toBeLessThan(COUNT / 2)
    let steps = 0
    await store.trim(NOW_MS)
    for (; ((await store.tops(['a']))[0]?.first ?? 0) < COUNT - 8; steps++) expect(steps).toBeLessThan(COUNT)
    expect(steps).toBeGreaterThan(1)
    expect(await store.tops(['a'])).toMatchObject([{ top: COUNT + 1, first: COUNT - 8 }])
    stores.pop()?.close()
    const database = new DatabaseSync(file)
    expect(database.prepare('SELECT count(*) AS count FROM event').get()).toEqual({ count: 10 })
    database.close()
  })

  test('is forgotten in steps when it is too old', async () => {
    const store = promising(opened(await filled(), { historyTtlMs: 1_000 }))
    await store.trim(NOW_MS + 1_001)
    for (let step = 0; ((await store.tops(['a']))[0]?.first ?? 0) <= COUNT; step++) expect(step).toBeLessThan(COUNT)
    expect(await store.tops(['a'])).toMatchObject([{ top: COUNT, first: COUNT + 1 }])
  })

  test('a step is bounded over all channels', async () => {
    const store = promising(opened(scratch.file(), { historyTtlMs: 1_000 }))
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) await store.add(name, ...Array.from({ length: 200 }, (_, i) => `${i}`))
    await store.trim(NOW_MS + 1_001)
    const dropped = (await store.tops(names)).reduce((sum, { first }) => sum + first - 1, 0)
    expect(dropped).toBeGreaterThan(200)
    expect(dropped).toBeLessThanOrEqual(600)
  })

  test('every channel is looked at, however many there are', async () => {
    const store = promising(opened(scratch.file(), { historyTtlMs: 1_000 }))
    const names = Array.from({ length: 600 }, (_, i) => `c${i}`)
    for (const name of names) void store.add(name, '1')
    await store.trim(NOW_MS + 1_001)
    const left = async () => (await store.tops(names)).filter(({ first }) => first === 1).length
    for (let step = 0; (await left()) > 0; step++) expect(step).toBeLessThan(names.length)
  })

  test('records that are too many are forgotten when the file is opened', async () => {
    const file = scratch.file()
    const claim = (id: string) => ({ id, userId: 'ann', generation: 1, settledBelow: 0, window: 4 })
    const names = ['a', 'b', 'c', 'd']
    const before = promising(opened(file))
    for (const id of names) await before.attach({ channel: 'a', producer: claim(id) })
    stores.pop()?.close()
    const after = promising(opened(file, { producerLimit: 1 }))
    const outcomes = []
    for (const producerId of names) {
      const origin = { producerId, generation: 1, sequence: 1 }
      const answer = await after.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('x', { origin })] })
      outcomes.push(answer.outcomes[0]?.type)
    }
    expect(outcomes).toEqual(['gone', 'gone', 'gone', 'stored'])
  })
})
