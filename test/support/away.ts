// A subscriber in a process of its own, so that its heap can be told from everybody else's: started by `away.test.ts`.
//
// Rules of this file:
// - Says one line of JSON for each thing that happens, and does what it is told line by line: `leave`, `return`.
// - The heap is measured after a collection, before leaving and again and again while everything arrives.

import { createInterface } from 'node:readline'
import { createClient } from 'steadywire'

const [url = ''] = process.argv.slice(2)
const SAMPLE_EVERY = 2_500
const collect = (globalThis as { gc?: () => void }).gc

const client = createClient({ url, backoff: { baseDelayMs: 20, maxDelayMs: 100 }, onError: say })
const room = client.channel('room')
let count = 0
let lastNumber = -1
let outOfOrder = 0
let heapBytes = 0
let peakBytes = 0
let resets: object[] = []

room.onReset(({ reason, snapshot, position }) => {
  resets.push({ reason, snapshot, offset: position.offset })
  lastNumber = (snapshot as { upTo: number } | undefined)?.upTo ?? lastNumber
})
room.onAny(({ data }) => {
  const { n } = data as { n: number }
  if (n !== lastNumber + 1) outOfOrder++
  lastNumber = n
  if (++count % SAMPLE_EVERY === 0) peakBytes = Math.max(peakBytes, heapNow())
})
room.state.subscribe(report)
client.state.subscribe(report)

for await (const line of createInterface(process.stdin)) {
  if (line === 'leave') {
    client.disconnect()
    heapBytes = heapNow()
    say({ left: true })
  } else if (line === 'return') {
    count = 0
    resets = []
    peakBytes = 0
    client.connect()
  }
}
await client.close()

function report(): void {
  const { status, fresh, position } = room.state.getSnapshot()
  const heapGrowthBytes = Math.max(peakBytes, heapNow()) - heapBytes
  say({ status, fresh, offset: position?.offset, count, outOfOrder, resets, heapGrowthBytes })
}

function heapNow(): number {
  collect?.()
  return process.memoryUsage().heapUsed
}

function say(what: object): void {
  console.log(JSON.stringify(what))
}
