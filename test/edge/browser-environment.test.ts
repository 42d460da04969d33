// The browser's environment on real sockets, timers and message ports, as Node has them too.

import type { AddressInfo } from 'node:net'
import { createClient } from 'steadywire'
import { isIdentifier } from 'steadywire/protocol'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocketServer, type WebSocket as ServerSocket } from 'ws'
import { createBrowserEnvironment } from '../../src/env/browser.ts'
import type { SocketHandle } from '../../src/env/environment.ts'
import { until } from '../support/until.ts'

const environment = createBrowserEnvironment()
let server: WebSocketServer | undefined

afterEach(async () => {
  const closing = server
  server = undefined
  for (const socket of closing?.clients ?? []) socket.terminate()
  if (closing) await new Promise((closed) => closing.close(closed))
})

/** Starts a server that does `connected` with every socket; answers its address. */
async function listen(connected: (socket: ServerSocket) => void = () => {}): Promise<string> {
  const starting = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server = starting
  starting.on('connection', connected)
  await new Promise((listening) => starting.once('listening', listening))
  return `ws://127.0.0.1:${(starting.address() as AddressInfo).port}/`
}

function dial(url: string): { socket: SocketHandle; said: unknown[] } {
  const said: unknown[] = []
  const socket = environment.openSocket?.(
    { url, protocol: 'steadywire.v1', token: '' },
    {
      opened: () => said.push(['opened']),
      received: (data) => said.push(['received', data]),
      ended: (closeCode, reason) => said.push(['ended', closeCode, reason]),
    },
  )
  if (!socket) throw new Error('needs a Node with a global WebSocket')
  return { socket, said }
}

const quiet = (ms = 50) => new Promise((resume) => setTimeout(resume, ms))

describe('a socket', () => {
  test.each([1000, 1001, 1008, 1011, 4400, 4401, 4429, 4503])(
    'ends with the code that the server gave: %i',
    async (code) => {
      const url = await listen((socket) => socket.close(code, 'why; retry=5'))
      const { said } = dial(url)
      await until(() => said.length >= 2)
      await quiet()
      expect(said).toEqual([['opened'], ['ended', code, 'why; retry=5']])
    },
  )

  test('that is cut off ends once, with 1006', async () => {
    const { said } = dial(await listen((socket) => socket.terminate()))
    await until(() => said.length >= 2)
    await quiet()
    expect(said).toEqual([['opened'], ['ended', 1006, '']])
  })

  test('that is refused ends once, with 1006, and never opens', async () => {
    const { said } = dial('ws://127.0.0.1:1/')
    await until(() => said.length > 0)
    await quiet()
    expect(said).toEqual([['ended', 1006, expect.any(String)]])
  })

  test('calls nobody before it has been handed over', async () => {
    const { said } = dial('ws://not an address/')
    expect(said).toEqual([])
    await until(() => said.length > 0)
    expect(said).toEqual([['ended', 1006, '']])
  })

  test('carries text both ways, whole and in order', async () => {
    const texts = ['', 'ü🎈\u2028', 'x'.repeat(300_000)]
    const { socket, said } = dial(
      await listen((peer) => peer.on('message', (data) => peer.send(String(data as Buffer)))),
    )
    await until(() => said.length === 1)
    for (const text of texts) socket.send(text)
    await until(() => said.length === 1 + texts.length)
    expect(said.slice(1)).toEqual(texts.map((text) => ['received', text]))
  })

  test('hands over binary messages as something that is no text', async () => {
    const { said } = dial(await listen((peer) => peer.send(Buffer.from([1, 2, 3]))))
    await until(() => said.length > 1)
    expect((said[1] as unknown[])[1]).toBeTypeOf('object')
  })

  test('tells how much has not left yet', async () => {
    const { socket, said } = dial(await listen())
    await until(() => said.length > 0)
    socket.send('x'.repeat(100_000))
    expect(socket.bufferedBytes()).toBeGreaterThanOrEqual(100_000)
    await until(() => socket.bufferedBytes() === 0)
  })

  test('that is closed here tells the server why, and this side nothing more', async () => {
    const ends: unknown[] = []
    const url = await listen((peer) => {
      peer.on('close', (code, reason) => ends.push([code, String(reason)]))
      setInterval(() => peer.send('on and on'), 1).unref()
    })
    const { socket, said } = dial(url)
    await until(() => said.length > 2)
    socket.close(4000, 'abandoned')
    const { length } = said
    await until(() => ends.length > 0)
    await quiet()
    expect(ends).toEqual([[4000, 'abandoned']])
    expect(said).toHaveLength(length)
  })

  test('that is closed while dialling never opens', async () => {
    const { socket, said } = dial(await listen())
    socket.close(1000, '')
    await quiet()
    expect(said).toEqual([])
  })

  test('takes what is sent before it is open and after it has ended, and throws nothing', async () => {
    const { socket, said } = dial(await listen((peer) => peer.close()))
    socket.send('early')
    await until(() => said.length > 1)
    socket.send('late')
    socket.close(1000, '')
    expect(said).toHaveLength(2)
  })
})

describe('defer', () => {
  test('runs after what is at hand and every promise, before a timer would', async () => {
    const order: string[] = []
    setTimeout(() => order.push('timer'), 20)
    environment.defer(() => order.push('deferred'))
    void Promise.resolve().then(() => order.push('promise'))
    order.push('at hand')
    await until(() => order.length === 4)
    expect(order).toEqual(['at hand', 'promise', 'deferred', 'timer'])
  })

  test('runs in the order of calls', async () => {
    const order: number[] = []
    for (let i = 0; i < 20; i++) environment.defer(() => order.push(i))
    await until(() => order.length === 20)
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })
})

describe('soon', () => {
  test('runs with the promises, in the order of calls', async () => {
    const order: string[] = []
    void Promise.resolve().then(() => order.push('before'))
    environment.soon(() => order.push('soon'))
    void Promise.resolve().then(() => order.push('after'))
    order.push('at hand')
    await quiet(0)
    expect(order).toEqual(['at hand', 'before', 'soon', 'after'])
  })
})

describe('startTimer', () => {
  test('wakes once', async () => {
    let woken = 0
    environment.startTimer(1, () => woken++)
    await quiet()
    expect(woken).toBe(1)
  })

  test('is taken back', async () => {
    let woken = 0
    environment.startTimer(1, () => woken++)()
    await quiet()
    expect(woken).toBe(0)
  })
})

describe('without a page', () => {
  test('a frame comes soon', async () => {
    let frames = 0
    environment.frame(() => frames++)
    await until(() => frames === 1, 250)
    environment.frame(() => frames++)()
    await quiet()
    expect(frames).toBe(1)
  })

  test('there are no hints, and stopping to listen is fine', () => {
    expect(environment.onHint(() => {})).not.toThrow()
  })
})

describe('createId', () => {
  test('can name a message, and is never the same', () => {
    const ids = Array.from({ length: 1_000 }, () => environment.createId())
    expect(ids.filter((id) => !isIdentifier(id))).toEqual([])
    expect(new Set(ids).size).toBe(1_000)
  })

  test('is made of 128 bits that nobody can guess', () => {
    const draw = vi.spyOn(crypto, 'getRandomValues')
    environment.createId()
    const bits = draw.mock.results.map(({ value }) => (value as Uint8Array).byteLength * 8)
    draw.mockRestore()
    expect(bits).toEqual([128])
  })
})

describe('where there are no sockets', () => {
  test('the environment says so, and a client stays idle', () => {
    const original = globalThis.WebSocket
    Reflect.deleteProperty(globalThis, 'WebSocket')
    try {
      const client = createClient({ url: 'ws://127.0.0.1:1/' })
      client.connect()
      client.channel('a').on('m', () => {})
      expect(client.state.getSnapshot().status).toBe('idle')
    } finally {
      globalThis.WebSocket = original
    }
  })
})
