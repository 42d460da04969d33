// How long the server's event loop is held up at 1,000 publishes a second: 20 clients over real sockets on this machine.
//
// Run with `npm run build && npx node bench/event-loop-delay.ts [memory | sqlite | FILE] [SECONDS]`; FILE is a file of SQLite, for a disk
// of your choice. Prints percentiles of the delay and of the time from publish to acknowledgement, as the clients see it.
//
// Rules of this file:
// - The clients are another process: what they do does not hold up the loop that is measured.
// - Four clients share a channel and read it, so 1,000 publishes are 4,000 events. Nothing is measured in the first seconds.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { createServer, memoryStore, type Store } from '@steadywire/server'
import { sqliteStore } from '@steadywire/server/sqlite'
import { WebSocket } from 'ws'

const CLIENTS = 20
const CLIENTS_PER_CHANNEL = 4
const PUBLISHES_PER_SECOND = 1_000
const TICK_MS = 10
const WARM_UP_MS = 3_000

const [what = 'memory', seconds = '20'] = process.argv.slice(2)
if (what === 'clients') await runClients(seconds)
else await runServer(what, Number(seconds))

async function runServer(kind: string, durationSeconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-bench-'))
  const file = kind === 'sqlite' ? join(folder, 'bench.db') : kind
  const store: Store & { close?(): void } = kind === 'memory' ? memoryStore() : sqliteStore(file)
  const server = createServer({ store })
  const { url } = await server.listen({ port: 0 })
  const clients = fork(import.meta.filename, ['clients', url])
  await once(clients, 'message')
  await wait(WARM_UP_MS)
  await ask(clients)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const cpuBefore = process.cpuUsage()
  delay.enable()
  await wait(durationSeconds * 1_000)
  delay.disable()
  const cpu = process.cpuUsage(cpuBefore)
  const latencies = (await ask(clients)).sort((a, b) => a - b)
  const ofLoop = [50, 99, 99.9, 100].map((percent) => `p${percent} ${(delay.percentile(percent) / 1e6).toFixed(1)}`)
  const ofAcks = [0.5, 0.99, 0.999].map(
    (part) => `p${part * 100} ${latencies[Math.floor(latencies.length * part)]?.toFixed(1)}`,
  )
  console.log(`${kind}: ${Math.round(latencies.length / durationSeconds)} publishes a second for ${durationSeconds} s`)
  console.log(`  event loop, ms between turns (1 is none): ${ofLoop.join('  ')}`)
  console.log(`  publish to acknowledgement, ms: ${ofAcks.join('  ')}`)
  console.log(`  processor: ${Math.round((cpu.user + cpu.system) / durationSeconds / 1e4)} %`)
  clients.kill()
  await server.close()
  store.close?.()
  rmSync(folder, { recursive: true })
}

/** The times to acknowledgement since last asked. */
async function ask(clients: ChildProcess): Promise<number[]> {
  clients.send('report')
  const [latencies] = (await once(clients, 'message')) as [number[]]
  return latencies
}

async function runClients(url: string): Promise<void> {
  let latencies: number[] = []
  const publishers = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => publisher(url, i, (latencyMs) => latencies.push(latencyMs))),
  )
  const startedAtMs = performance.now()
  let published = 0
  setInterval(() => {
    const due = ((performance.now() - startedAtMs) / 1_000) * PUBLISHES_PER_SECOND
    for (; published < due; published++) publishers[published % CLIENTS]?.()
  }, TICK_MS)
  process.on('message', () => {
    process.send?.(latencies)
    latencies = []
  })
  process.send?.('ready')
}

async function publisher(url: string, number: number, acknowledged: (latencyMs: number) => void): Promise<() => void> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const channel = `bench:${Math.floor(number / CLIENTS_PER_CHANNEL)}`
  const sentAtMs = new Map<number, number>()
  let sequence = 0
  let n = 0
  const say = (frame: object) => socket.send(JSON.stringify(frame))
  const attached = new Promise<void>((resolve) => {
    socket.on('message', (text: Buffer) => {
      for (const frame of [JSON.parse(text.toString()) as Heard | Heard[]].flat()) {
        if (frame.type === 'attached') resolve()
        if (frame.type === 'ping') say({ type: 'ping', n: n++ })
        if (frame.type === 'nack') throw new Error('a publish was refused')
        if (frame.type !== 'ack') continue
        acknowledged(performance.now() - (sentAtMs.get(frame.sequence) ?? NaN))
        sentAtMs.delete(frame.sequence)
      }
    })
  })
  socket.on('close', (code, reason) => {
    throw new Error(`closed: ${code} ${reason.toString()}`)
  })
  say({ type: 'hello', version: 1, producer: `bench-${process.pid}-${number}`, generation: 1 })
  say({ type: 'sub', channel, request: 1, want: ['read', 'write'] })
  await attached
  return () => {
    sequence++
    sentAtMs.set(sequence, performance.now())
    const data = { text: 'A message of about the length that people write.', at: sequence }
    say({ type: 'pub', channel, sequence, id: `${number}-${sequence}-${'0'.repeat(24)}`, name: 'message', data })
  }
}

interface Heard {
  readonly type: string
  readonly sequence: number
}
