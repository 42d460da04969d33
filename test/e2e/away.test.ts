// A subscriber that was away while very much was published: it gets all of it, or a new start, and never holds much.
//
// Rules of this file:
// - The subscriber is a process of its own with the built client; what it holds is measured there, after collections.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { createServer, memoryStore, type Server, type ServerOptions } from '@steadywire/server'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/until.ts'

const COUNT = process.env['LONG'] === undefined ? 5_000 : 50_000
const WARM_UP = 5_000
const AWAY = fileURLToPath(new URL('../support/away.ts', import.meta.url))
/** What a client may hold by G15, for one channel and default options: the socket, two bounds, a page, and 200 KiB. */
const MAX_HELD_BYTES = 32_768 + 262_144 + 32_768 + 262_144 + 204_800

interface Report {
  readonly status?: string
  readonly fresh?: boolean | null
  readonly offset?: number
  readonly count?: number
  readonly outOfOrder?: number
  readonly resets?: readonly { reason: string; snapshot?: unknown; offset: number }[]
  readonly heapGrowthBytes?: number
  readonly left?: true
}

let server: Server
let child: ChildProcessByStdio<Writable, Readable, null>
let last: Report

afterEach(async () => {
  child.kill()
  await server.close()
})

async function start(options: ServerOptions): Promise<void> {
  server = createServer(options)
  const { url } = await server.listen({ port: 0 })
  child = spawn(process.execPath, ['--expose-gc', AWAY, url], { stdio: ['pipe', 'pipe', 'inherit'] })
  last = {}
  createInterface(child.stdout).on('line', (line) => {
    last = JSON.parse(line) as Report
  })
  await until(() => last.fresh === true, 20_000)
}

/** Publishes 1 KiB at a time, numbered from `from`; answers the last position. */
async function publish(from: number, to: number) {
  const fill = 'x'.repeat(1_000)
  let receipt = { epoch: '', offset: 0 }
  for (let n = from; n < to; n++) receipt = await server.publish('room', 'n', { n, fill })
  return { epoch: receipt.epoch, offset: receipt.offset }
}

async function leave(): Promise<void> {
  child.stdin.write('leave\n')
  await until(() => last.left === true)
}

async function comeBack(top: number): Promise<Report> {
  child.stdin.write('return\n')
  await until(
    () => last.fresh === true && last.offset === top,
    120_000,
    () => JSON.stringify(last),
  )
  return last
}

test(`${COUNT} messages of 1 KiB that are kept arrive in order, and little is held at a time`, async () => {
  await start({ store: memoryStore({ historyLimit: 100_000 }) })
  // Code that has been compiled and optimised is on the heap too: what counts is what the messages add to it.
  await publish(0, WARM_UP)
  await until(() => last.count === WARM_UP && last.fresh === true)
  await leave()
  await publish(WARM_UP, WARM_UP + COUNT)
  const startedAtMs = performance.now()
  const { count, outOfOrder, resets, heapGrowthBytes } = await comeBack(WARM_UP + COUNT)
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1)
  console.log(
    `${count} messages in ${seconds} s; the heap grew by ${heapGrowthBytes} of ${MAX_HELD_BYTES} B at the most`,
  )
  expect({ count, outOfOrder, resets }).toEqual({ count: COUNT, outOfOrder: 0, resets: [] })
  expect(heapGrowthBytes).toBeLessThanOrEqual(MAX_HELD_BYTES)
})

test(`of ${COUNT} messages of which a fifth is kept: one new start with a snapshot, and all that follows it`, async () => {
  let snapshot: { data: { upTo: number }; position: { epoch: string; offset: number } } | undefined
  await start({ store: memoryStore({ historyLimit: COUNT / 5 }), snapshot: () => snapshot })
  const first = await publish(0, 1)
  snapshot = { data: { upTo: 0 }, position: first }
  await until(() => last.offset === 1)
  await leave()
  const upTo = 0.9 * COUNT
  const position = await publish(1, upTo + 1)
  snapshot = { data: { upTo }, position }
  await publish(upTo + 1, COUNT)
  const { count, outOfOrder, resets } = await comeBack(COUNT)
  expect(resets).toEqual([{ reason: 'history-evicted', snapshot: { upTo }, offset: position.offset }])
  expect({ count, outOfOrder }).toEqual({ count: COUNT - 1 - upTo, outOfOrder: 0 })
})
