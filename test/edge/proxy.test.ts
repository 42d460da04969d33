// The proxy that the fault tests lean on: each fault is seen by a plain TCP client and server.
//
// Rules of this file:
// - That nothing happens is never shown by waiting: another link, or another direction, serves as the clock.

import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type FaultProxy, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

// One end of a connection and all that it has seen.
interface End {
  readonly socket: Socket
  readonly chunks: Buffer[]
  text(): string
  ending(): 'open' | 'fin' | 'rst'
}

let target: Server
let proxy: FaultProxy
let targetEnds: End[]
let echoing: boolean

beforeEach(async () => {
  targetEnds = []
  echoing = true
  target = createServer({ allowHalfOpen: true }, (socket) => {
    targetEnds.push(watch(socket))
    socket.on('data', (bytes) => echoing && socket.write(bytes))
    socket.on('end', () => socket.end())
  })
  await new Promise<void>((listening) => target.listen(0, '127.0.0.1', listening))
  proxy = await startProxy((target.address() as AddressInfo).port)
})

afterEach(() => {
  proxy.close()
  target.close()
  for (const { socket } of targetEnds) socket.destroy()
})

describe('without faults', () => {
  test('bytes pass both ways and are counted', async () => {
    const client = await connect()
    client.socket.write('hello')
    await until(() => client.text() === 'hello')
    expect(targetEnds[0]?.text()).toBe('hello')
    expect(proxy.counters).toMatchObject({ accepted: 1, cut: 0, bytesUp: 5, bytesDown: 5 })
    expect(proxy.open).toBe(1)
  })

  test('an orderly end passes, and the link is over', async () => {
    const client = await connect()
    client.socket.end('bye')
    await until(() => client.ending() === 'fin')
    expect(client.text()).toBe('bye')
    expect(targetEnds[0]?.ending()).toBe('fin')
    await until(() => proxy.open === 0)
  })

  test('a reset by the target passes', async () => {
    const client = await connect()
    await until(() => targetEnds.length === 1)
    targetEnds[0]?.socket.resetAndDestroy()
    await until(() => client.ending() === 'rst')
    await until(() => proxy.open === 0)
  })

  test('a target that is not there resets the client', async () => {
    target.close()
    const client = await connect()
    await until(() => client.ending() === 'rst')
  })

  test('a megabyte passes whole to a reader that keeps the sender waiting', async () => {
    const client = await connect()
    const megabyte = Buffer.alloc(1_048_576, 'steadywire ')
    client.socket.write(megabyte)
    await until(() => Buffer.concat(client.chunks).equals(megabyte))
  })
})

describe('cut', () => {
  test('with FIN both sides see an end and no error', async () => {
    const client = await connect()
    await until(() => targetEnds.length === 1)
    expect(proxy.cut('fin')).toBe(1)
    await until(() => client.ending() === 'fin' && targetEnds[0]?.ending() === 'fin')
    client.socket.end()
    await until(() => proxy.open === 0)
    expect(proxy.counters.cut).toBe(1)
  })

  test('with RST both sides see a reset', async () => {
    const client = await connect()
    await until(() => targetEnds.length === 1)
    expect(proxy.cut('rst')).toBe(1)
    await until(() => client.ending() === 'rst' && targetEnds[0]?.ending() === 'rst')
    await until(() => proxy.open === 0)
  })

  test('leaves later connections alone', async () => {
    await connect()
    proxy.cut('rst')
    const later = await connect()
    later.socket.write('again')
    await until(() => later.text() === 'again')
  })
})

describe('black hole', () => {
  test('is silent both ways, closes nothing, and what waited arrives afterwards', async () => {
    const client = await connect()
    client.socket.write('before ')
    await until(() => client.text() === 'before ')

    proxy.blackHole('both', { spareNew: true })
    client.socket.write('up ')
    targetEnds[0]?.socket.write('down ')
    await roundTrips(20)
    expect(client.text()).toBe('before ')
    expect(targetEnds[0]?.text()).toBe('before ')
    expect(client.ending()).toBe('open')

    await proxy.pass()
    await until(() => targetEnds[0]?.text() === 'before up ')
    await until(() => client.text() === 'before down up ')
  })

  test('hides that a side has left', async () => {
    const client = await connect()
    await until(() => targetEnds.length === 1)
    proxy.blackHole('both', { spareNew: true })
    targetEnds[0]?.socket.end()
    client.socket.end()
    await roundTrips(20)
    expect(client.ending()).toBe('open')
    expect(targetEnds[0]?.ending()).toBe('open')
  })

  test.each([
    { direction: 'up', heard: 'down ', reached: '' },
    { direction: 'down', heard: '', reached: 'up ' },
  ] as const)('$direction alone leaves the other way open', async ({ direction, heard, reached }) => {
    echoing = false
    const client = await connect()
    await until(() => targetEnds.length === 1)
    proxy.blackHole(direction, { spareNew: true })
    client.socket.write('up ')
    targetEnds[0]?.socket.write('down ')
    echoing = true
    await roundTrips(20)
    expect(client.text()).toBe(heard)
    expect(targetEnds[0]?.text()).toBe(reached)
  })

  test('takes new connections and never answers them', async () => {
    const spared = await connect()
    proxy.blackHole()
    const client = await connect()
    client.socket.write('anyone?')
    await proxy.pass()
    spared.socket.write('x')
    await until(() => client.text() === 'anyone?' && spared.text() === 'x')
  })

  test('can be cut', async () => {
    const client = await connect()
    proxy.blackHole()
    proxy.cut('fin')
    await until(() => client.ending() === 'fin')
  })
})

describe('refuse', () => {
  test('closes the door to new connections and keeps the links', async () => {
    const client = await connect()
    proxy.refuse()
    await expect(connect()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    client.socket.write('still here')
    await until(() => client.text() === 'still here')

    await proxy.pass()
    const later = await connect()
    later.socket.write('open')
    await until(() => later.text() === 'open')
  })
})

describe('shape', () => {
  test('latency is added each way', async () => {
    const client = await connect()
    proxy.shape({ latencyMs: 60 })
    const startMs = performance.now()
    client.socket.write('slow')
    await until(() => client.text() === 'slow')
    // Timers may fire up to a millisecond early.
    expect(performance.now() - startMs).toBeGreaterThan(118)
  })

  test('bytes arrive one by one', async () => {
    const client = await connect()
    proxy.shape({ pieceBytes: 1 })
    const text = 'one byte at a time, and all of them '.repeat(5)
    client.socket.write(text)
    await until(() => client.text() === text)
    // The kernel may join some; a whole write would be one or two.
    expect(client.chunks.length).toBeGreaterThan(20)
  })

  test('a narrow line takes its time, and makes the sender wait', async () => {
    const client = await connect()
    proxy.shape({ bytesPerSecond: 200_000 })
    const startMs = performance.now()
    client.socket.write(Buffer.alloc(50_000))
    await until(() => Buffer.concat(client.chunks).length === 50_000)
    expect(performance.now() - startMs).toBeGreaterThan(225)

    proxy.shape({ bytesPerSecond: 1_000 })
    client.socket.write(Buffer.alloc(32_000_000))
    await roundTrips(5)
    expect(client.socket.writableLength).toBeGreaterThan(0)
  })
})

function watch(socket: Socket): End {
  const chunks: Buffer[] = []
  let ending: 'open' | 'fin' | 'rst' = 'open'
  socket.on('data', (bytes) => chunks.push(bytes))
  socket.on('end', () => {
    ending = 'fin'
  })
  socket.on('error', () => {
    ending = 'rst'
  })
  return { socket, chunks, text: () => Buffer.concat(chunks).toString(), ending: () => ending }
}

function connect(): Promise<End> {
  const socket = createConnection({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
  const end = watch(socket)
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(end))
    socket.once('error', reject)
  })
}

// As good as a while: whatever was going to arrive on another link has had `count` round trips to do so.
async function roundTrips(count: number): Promise<void> {
  const clock = await connect()
  for (let trip = 1; trip <= count; trip++) {
    clock.socket.write('.')
    await until(() => clock.text().length === trip)
  }
  clock.socket.destroy()
}
