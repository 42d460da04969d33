// A server that is killed without a word, again and again, under a client that goes on publishing.
//
// Rules of this file:
// - The server is the command as it is installed, a process of its own, ended by SIGKILL.
// - With SQLite nothing may be lost, doubled or in doubt. In memory everything may be lost, and nothing in silence.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore } from '@steadywire/server/sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { numbersBelow, readLog, Room } from '../support/room.ts'
import { until } from '../support/until.ts'

const IS_LONG = process.env['LONG'] !== undefined
const KILLS = IS_LONG ? 100 : 4
const ACKED_BETWEEN_KILLS = 50
const IN_FLIGHT = 20
const COMMAND = fileURLToPath(new URL('../../server/bin/steadywire-server.js', import.meta.url))

let folder: string
let child: ChildProcess | undefined
let room: Room | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
})

afterEach(async () => {
  await room?.close()
  await kill()
  rmSync(folder, { recursive: true })
})

async function start(port: number, store: string): Promise<void> {
  const started = spawn(process.execPath, [COMMAND, '--port', String(port), '--store', store])
  child = started
  let printed = ''
  started.stderr.on('data', (text) => (printed += text))
  await new Promise<void>((resolve, reject) => {
    started.stdout.on('data', (text) => {
      printed += text
      if (printed.includes('listens at')) resolve()
    })
    started.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${printed}`)))
  })
}

async function kill(): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  child.removeAllListeners('exit')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Publishes without a pause while the server is killed `KILLS` times, and waits until everything has settled. */
async function run(store: string): Promise<Room> {
  const port = await freePort()
  await start(port, store)
  const publisher = new Room({
    url: `ws://127.0.0.1:${port}/realtime`,
    backoff: { baseDelayMs: 20, maxDelayMs: 100 },
    publish: { timeoutMs: Infinity },
  })
  room = publisher
  let isOver = false
  const publishing = (async () => {
    while (!isOver) {
      while (publisher.unsettledCount < IN_FLIGHT) publisher.publish()
      await new Promise((resume) => setTimeout(resume, 2))
    }
  })()
  for (let i = 0; i < KILLS; i++) {
    const wanted = publisher.ackedCount + ACKED_BETWEEN_KILLS
    await until(() => publisher.ackedCount >= wanted, 30_000)
    await kill()
    await start(port, store)
  }
  isOver = true
  await publishing
  await publisher.settled()
  await publisher.live()
  return publisher
}

test(`${KILLS} times, SQLite: nothing that was published is lost, doubled, in doubt or out of order`, async () => {
  const file = join(folder, 'log.db')
  const { results, seen, resets, client } = await run(`sqlite:${file}`)
  await until(() => seen.length >= results.length, 20_000)
  await client.close()
  await kill()
  const store = sqliteStore(file)
  const log = await readLog(store)
  store.close()
  const numbers = numbersBelow(results.length)
  expect(log.map(({ dataText }) => JSON.parse(dataText))).toEqual(numbers)
  expect(results.filter((result) => result instanceof Error)).toEqual([])
  expect(results).toEqual(log.map(({ id, offset }) => expect.objectContaining({ id, offset })))
  expect(seen.map(({ data }) => data)).toEqual(numbers)
  expect(resets).toEqual([])
  console.log(`${KILLS} kills, SQLite: ${results.length} published, all acknowledged, once and in order`)
})

test(`${KILLS} times, memory: what may be lost is said to be unknown, and every new start is told`, async () => {
  const { results, seen, resets } = await run('memory')
  const failed = results.filter((result) => result instanceof Error)
  expect(failed.filter(({ outcome, code }) => outcome !== 'unknown' || code !== 'epoch-changed')).toEqual([])
  expect(resets.map(({ reason }) => reason)).toEqual(Array.from({ length: KILLS }, () => 'epoch-changed'))
  // Between two starts nothing is missing, and what was acknowledged in the last history is all there.
  const last = resets.at(-1)?.position.epoch
  const offsets = seen.filter(({ epoch }) => epoch === last).map(({ offset }) => offset)
  expect(offsets).toEqual(numbersBelow(offsets.length).map((n) => n + 1))
  for (const [i, message] of seen.entries()) {
    const before = seen[i - 1]
    if (before?.epoch === message.epoch) expect(message.offset).toBe(before.offset + 1)
    else expect(message.offset).toBe(1)
  }
  console.log(
    `${KILLS} kills, memory: ${results.length} published, ${failed.length} unknown, ${resets.length} new starts`,
  )
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return address.port
}
