// What receiving costs: `JSON.parse` and a handler alone, beside the whole client with the same handler, in one process.
//
// Run with `npm run build && npx node bench/receive.ts`. Read the ratios: 1 would be a client that costs nothing.
//
// Rules of this file:
// - The built client, from the text of a WebSocket message to the application's handler, on an environment without a socket.
// - Both sides take turns in short rounds, so that whatever slows the machine down slows both. The median round counts.

import { createClient } from 'steadywire'

const ROUNDS = 60
const EVENTS_PER_ROUND = 25_600

type Environment = NonNullable<Parameters<typeof createClient>[0]['environment']>
type Handlers = Parameters<NonNullable<Environment['openSocket']>>[1]

/** A client that is live on one channel, and the way to its socket. */
function liveClient(handle: (data: unknown) => void): (text: string) => void {
  let socket: Handlers | undefined
  const later: (() => void)[] = []
  const run = () => {
    for (let next = later.shift(); next; next = later.shift()) next()
  }
  const environment: Environment = {
    monotonicNow: () => performance.now(),
    wallNow: Date.now,
    soon: (task) => void later.push(task),
    defer: (task) => void later.push(task),
    frame: () => () => {},
    startTimer: () => () => {},
    random: () => 0.5,
    createId: () => crypto.randomUUID(),
    openSocket(_, handlers) {
      socket = handlers
      return { send: () => {}, bufferedBytes: () => 0, close: () => {} }
    },
    onHint: () => () => {},
    reportError: (error) => {
      throw error
    },
  }
  const client = createClient({ url: 'ws://bench.test/realtime', environment })
  client.channel('room').on('n', handle)
  const received = (text: string) => {
    socket?.received(text)
    run()
  }
  socket?.opened('steadywire.v1')
  const limits = {
    window: 64,
    windowBytes: 262_144,
    messageBytes: 1_048_576,
    snapshotBytes: 1_048_576,
    pageCount: 256,
    publishesPerSecond: 1_000,
    publishBurst: 2_000,
  }
  const heartbeat = { intervalMs: 25_000 }
  received(JSON.stringify({ type: 'welcome', version: 1, level: 2, features: [], member: 'm', heartbeat, limits }))
  const top = { epoch: 'e', offset: 0 }
  received(JSON.stringify({ type: 'attached', channel: 'room', request: 1, grants: ['read'], top, mode: 'live' }))
  return received
}

function eventFrame(offset: number): object {
  return {
    type: 'event',
    channel: 'room',
    offset,
    id: '4294967295-4294967295-4294967295-4294967295',
    name: 'n',
    data: { text: 'hello', tags: ['a', 'b'], at: { x: offset, y: 2 } },
    sender: { user: 'ada', member: 'Zz4rC2hQ0fW8m1oXvK7n3A' },
    storedAtMs: 1_750_000_000_000,
  }
}

let sum = 0
function handle(data: unknown): void {
  sum += (data as { at: { x: number } }).at.x
}

function measure(perMessage: number): void {
  const receive = liveClient(handle)
  const ratios: number[] = []
  let bareNs = 0
  let wholeNs = 0
  let offset = 0
  for (let round = 0; round < ROUNDS; round++) {
    const texts = Array.from({ length: EVENTS_PER_ROUND / perMessage }, () => {
      const frames = Array.from({ length: perMessage }, () => eventFrame(++offset))
      return JSON.stringify(perMessage === 1 ? frames[0] : frames)
    })
    const bare = () => {
      for (const text of texts) {
        const parsed = JSON.parse(text) as { data: unknown } | { data: unknown }[]
        if (!Array.isArray(parsed)) handle(parsed.data)
        else for (const { data } of parsed) handle(data)
      }
    }
    const whole = () => {
      for (const text of texts) receive(text)
    }
    const before = sum
    const first = round % 2 ? timed(bare) : timed(whole)
    const second = round % 2 ? timed(whole) : timed(bare)
    const [bareMs, wholeMs] = round % 2 ? [first, second] : [second, first]
    // Both must have handed over everything: an offset that was left out would show.
    if (sum - before !== 2 * sumOf(offset - EVENTS_PER_ROUND + 1, offset)) throw new Error('not every event arrived')
    // The first rounds warm up.
    if (round < 10) continue
    ratios.push(bareMs / wholeMs)
    bareNs += (bareMs * 1e6) / EVENTS_PER_ROUND / (ROUNDS - 10)
    wholeNs += (wholeMs * 1e6) / EVENTS_PER_ROUND / (ROUNDS - 10)
  }
  ratios.sort((a, b) => a - b)
  const [low, median, high] = [0.1, 0.5, 0.9].map((p) =>
    (ratios[Math.floor(ratios.length * p)] ?? Number.NaN).toFixed(2),
  )
  console.log(
    `${perMessage === 1 ? 'single events' : `arrays of ${perMessage}`}: ratio ${median} (p10 ${low}, p90 ${high});` +
      ` ${Math.round(bareNs)} ns an event by itself, ${Math.round(wholeNs)} ns through the client`,
  )
}

function timed(run: () => void): number {
  const startedAtMs = performance.now()
  run()
  return performance.now() - startedAtMs
}

function sumOf(from: number, to: number): number {
  return ((from + to) * (to - from + 1)) / 2
}

for (const perMessage of process.argv[2] ? [Number(process.argv[2])] : [1, 4, 16, 64]) measure(perMessage)
