// What the store in SQLite keeps when its process is killed in the middle, or its disk is full.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StoredEvent } from '@steadywire/server'
import { sqliteStore } from '@steadywire/server/sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { promising } from '../unit/server/store/promising.ts'

const WRITER = fileURLToPath(new URL('../support/store-writer.ts', import.meta.url))
const WINDOW = 64
const KILLS = 28

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

class Writer {
  readonly #process: ChildProcess
  #printed = ''

  /** `limitKb` is how large a file it may write, in kilobytes. */
  constructor(file: string, generation: number, limitKb = 'unlimited') {
    const command = `ulimit -f ${limitKb}; exec "$0" "$@"`
    this.#process = spawn('bash', ['-c', command, process.execPath, WRITER, file, `${generation}`])
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on('data', (text: Buffer) => {
        this.#printed += text.toString()
      })
  }

  /** What it has printed, but for a line that is not complete. */
  get lines(): string[] {
    return this.#printed.split('\n').slice(0, -1)
  }

  async says(word: string): Promise<void> {
    await until(
      () => this.lines.some((line) => line.startsWith(word)),
      20_000,
      () => this.#printed,
    )
  }

  async kill(): Promise<void> {
    const end = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await end
  }

  async ended(): Promise<void> {
    if (this.#process.exitCode === null) await once(this.#process, 'close')
  }
}

/** Acknowledged offsets by the ids of their messages. */
type Acknowledged = Map<string, number>

function note(acknowledged: Acknowledged, lines: readonly string[]): void {
  for (const line of lines) {
    const [, sequence, offset] = /^ack (\d+) (\d+)$/.exec(line) ?? []
    if (sequence && offset) acknowledged.set(`m${sequence}`, Number(offset))
  }
}

/** That the log has what was acknowledged, once and in order, and that the producer's record says the same. */
async function examine(file: string, acknowledged: Acknowledged, generation: number): Promise<string> {
  const opened = sqliteStore(file, { historyLimit: 1_000_000 })
  try {
    const store = promising(opened)
    const producer = { id: 'p', userId: 'ann', generation, settledBelow: 0, window: WINDOW }
    const { extent, producer: record } = await store.attach({ channel: 'a', producer })
    const events: StoredEvent[] = []
    while (events.length < extent.top) {
      const position = { epoch: extent.epoch, offset: events.length }
      events.push(...(await store.page({ channel: 'a', position, count: 1_000, dataLength: 1_000_000 })).events)
    }
    expect(events.map(({ offset }) => offset)).toEqual(events.map((_, i) => i + 1))
    const sequences = events.map(({ id }) => Number(id.slice(1)))
    expect(sequences.every((sequence, i) => sequence > (sequences[i - 1] ?? 0))).toBe(true)
    const stored = new Map(events.map(({ id, offset }) => [id, offset]))
    expect([...acknowledged].filter(([id, offset]) => stored.get(id) !== offset)).toEqual([])
    expect(record).toEqual({
      incarnation: expect.any(String),
      last: sequences.at(-1) ?? 0,
      done: events.slice(-WINDOW).map(({ id, offset }) => [Number(id.slice(1)), id, offset]),
    })
    return extent.epoch
  } finally {
    opened.close()
  }
}

test(`what was acknowledged is there after ${KILLS} kills, once and in order, and the record agrees with the log`, async () => {
  const file = join(folder, 'killed.db')
  const acknowledged: Acknowledged = new Map()
  const epochs = new Set<string>()
  for (let generation = 1; generation <= KILLS; generation++) {
    const writer = new Writer(file, generation)
    // Every fourth is killed anywhere, perhaps before it is open; the others in the middle of writing.
    if (generation % 4 > 0) await writer.says('ack')
    await wait(Math.random() * (generation % 4 > 0 ? 30 : 200))
    await writer.kill()
    note(acknowledged, writer.lines)
    epochs.add(await examine(file, acknowledged, generation))
  }
  expect(epochs.size).toBe(1)
  expect(acknowledged.size).toBeGreaterThan(KILLS)
})

test('a file is its owner’s until that is killed', async () => {
  const file = join(folder, 'owned.db')
  const writer = new Writer(file, 1)
  await writer.says('ack')
  expect(() => sqliteStore(file)).toThrow(`${file} is in use: a store has one owner.`)
  await writer.kill()
  const acknowledged: Acknowledged = new Map()
  note(acknowledged, writer.lines)
  await examine(file, acknowledged, 2)
})

test.each(['400', '1600', '6000'])(
  'on a disk that is full at %s KB nothing is lost that was acknowledged',
  async (kilobytes) => {
    const file = join(folder, `full-${kilobytes}.db`)
    const writer = new Writer(file, 1, kilobytes)
    await writer.says('lost')
    await writer.ended()
    const acknowledged: Acknowledged = new Map()
    note(acknowledged, writer.lines)
    expect(acknowledged.size).toBeGreaterThan(0)
    await examine(file, acknowledged, 2)
  },
)
