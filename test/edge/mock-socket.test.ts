// The browser's environment, and a client on it, against mock-socket: a stand-in that applications test with.
//
// Rules of this file:
// - mock-socket lies: a failed dial closes with 1000, `bufferedAmount` is missing, an error comes without a close. What is
//   tested here is that the client keeps its feet; what a close code means is tested where there are real sockets.
// - `{ mock: false }`: the class is put in place by the test, and taken back.

import { Server, WebSocket as MockWebSocket } from 'mock-socket'
import { createClient } from 'steadywire'
import type { ClientFrame } from 'steadywire/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createBrowserEnvironment } from '../../src/env/browser.ts'
import type { SocketHandle } from '../../src/env/environment.ts'
import { anAttached, aWelcome } from '../support/fake-server.ts'
import { until } from '../support/until.ts'

type MockClient = ReturnType<Server['clients']>[number]

const URL_OF_SERVER = 'ws://mock.test:1234/realtime'
let original: typeof WebSocket | undefined
let server: Server | undefined

beforeEach(() => {
  original = globalThis.WebSocket
  globalThis.WebSocket = MockWebSocket as unknown as typeof WebSocket
})

afterEach(() => {
  server?.stop()
  server = undefined
  globalThis.WebSocket = original as typeof WebSocket
})

/** A socket of the browser's environment, and everything it has said. */
function dial(url = URL_OF_SERVER): { socket: SocketHandle; said: unknown[] } {
  const said: unknown[] = []
  const socket = createBrowserEnvironment().openSocket?.(
    { url, protocol: 'steadywire.v1', token: '' },
    {
      opened: () => said.push(['opened']),
      received: (data) => said.push(['received', data]),
      ended: (closeCode, reason) => said.push(['ended', closeCode, reason]),
    },
  )
  if (!socket) throw new Error('an environment without sockets')
  return { socket, said }
}

function listen(connected: (socket: MockClient) => void = () => {}): Server {
  server = new Server(URL_OF_SERVER, { mock: false })
  server.on('connection', connected)
  return server
}

/** Long enough for a stand-in to say what else it may have to say. */
const quiet = () => new Promise((resume) => setTimeout(resume, 60))

describe('a socket', () => {
  test('opens, receives and ends, each told once and in order', async () => {
    listen((socket) => {
      socket.send('hello')
      socket.close({ code: 4429, reason: 'busy', wasClean: true })
    })
    const { said } = dial()
    expect(said).toEqual([])
    await until(() => said.length >= 3)
    await quiet()
    expect(said).toEqual([['opened'], ['received', 'hello'], ['ended', 4429, 'busy']])
  })

  test('sends what it is given once it is open', async () => {
    const received: unknown[] = []
    listen((socket) => socket.on('message', (data) => received.push(data)))
    const { socket, said } = dial()
    await until(() => said.length > 0)
    socket.send('one')
    socket.send('two')
    await until(() => received.length === 2)
    expect(received).toEqual(['one', 'two'])
  })

  test('that cannot be dialled ends once, whatever code the stand-in makes up', async () => {
    const { said } = dial('ws://nobody.test:1/')
    await until(() => said.length > 0)
    await quiet()
    expect(said).toEqual([['ended', expect.any(Number), '']])
  })

  test('whose constructor throws ends once, later and with 1006', async () => {
    globalThis.WebSocket = class {
      constructor() {
        throw new DOMException('insecure', 'SecurityError')
      }
    } as unknown as typeof WebSocket
    const { socket, said } = dial()
    expect(said).toEqual([])
    socket.send('into nothing')
    expect(socket.bufferedBytes()).toBe(0)
    await until(() => said.length > 0)
    expect(said).toEqual([['ended', 1006, '']])
  })

  test('has 0 bytes buffered where the stand-in does not know', async () => {
    listen()
    const { socket, said } = dial()
    await until(() => said.length > 0)
    expect(socket.bufferedBytes()).toBe(0)
  })

  test('that was closed says nothing any more', async () => {
    let peer: MockClient | undefined
    listen((socket) => (peer = socket))
    const { socket, said } = dial()
    await until(() => peer !== undefined && said.length > 0)
    socket.close(4000, 'abandoned')
    peer?.send('late')
    await quiet()
    expect(said).toEqual([['opened']])
  })

  test('that was closed while dialling says nothing at all', async () => {
    listen()
    const { socket, said } = dial()
    socket.close(1000, '')
    await quiet()
    expect(said).toEqual([])
  })

  test('that was closed takes what is sent, and loses it', async () => {
    const received: unknown[] = []
    listen((socket) => socket.on('message', (data) => received.push(data)))
    const { socket, said } = dial()
    await until(() => said.length > 0)
    socket.close(1000, '')
    socket.send('late')
    socket.close(1000, '')
    await quiet()
    expect(received).toEqual([])
  })

  test('does not throw on what is sent before it is open', () => {
    listen()
    const { socket } = dial()
    expect(() => socket.send('early')).not.toThrow()
  })

  test('hands over binary messages as they are', async () => {
    listen((socket) => socket.send(new Uint8Array([1, 2]).buffer))
    const { said } = dial()
    await until(() => said.length > 1)
    expect(said[1]).toMatchObject(['received', expect.any(ArrayBuffer)])
  })
})

/** A server of a few lines: says welcome, attaches, acknowledges. */
function aTinyServer(socket: MockClient, seen: string[] = []): void {
  let offset = 0
  const say = (frame: object) => socket.send(JSON.stringify(frame))
  socket.on('message', (text) => {
    const parsed = JSON.parse(text as string) as ClientFrame | ClientFrame[]
    for (const frame of [parsed].flat()) {
      const { type } = frame
      seen.push(type)
      if (type === 'hello') say(aWelcome())
      if (type === 'sub') say(anAttached(frame.channel, frame.request, frame.want, offset))
      if (type === 'pub') say({ type: 'ack', channel: frame.channel, sequence: frame.sequence, offset: ++offset })
      if (type === 'ping') say({ type: 'pong', n: frame.n, tops: [] })
    }
  })
}

describe('a client', () => {
  test('connects, publishes and closes', async () => {
    const seen: string[] = []
    listen((socket) => aTinyServer(socket, seen))
    const client = createClient({ url: URL_OF_SERVER })
    await expect(client.channel('a').publish('m', 1)).resolves.toMatchObject({ offset: 1 })
    expect(seen).toEqual(['hello', 'sub', 'pub'])
    await client.close()
    await until(() => server?.clients().length === 0)
  })

  test('whose dial the stand-in ends with a clean 1000 tries again all the same', async () => {
    const client = createClient({ url: URL_OF_SERVER, backoff: { baseDelayMs: 20, maxDelayMs: 20 } })
    client.connect()
    await until(() => client.state.getSnapshot().cause !== null)
    expect(client.state.getSnapshot()).toMatchObject({ status: 'connecting', cause: { code: 'connection-refused' } })
    listen((socket) => aTinyServer(socket))
    await until(() => client.state.getSnapshot().status === 'connected')
    await client.close()
  })

  test('whose socket fails without a close is saved by its heartbeat', async () => {
    let connections = 0
    listen((socket) => {
      connections++
      aTinyServer(socket)
    })
    const client = createClient({
      url: URL_OF_SERVER,
      heartbeat: { intervalMs: 100, timeoutMs: 100 },
      backoff: { baseDelayMs: 1 },
    })
    client.connect()
    await until(() => client.state.getSnapshot().status === 'connected')
    server?.simulate('error')
    await until(() => connections === 2)
    await client.close()
  })
})
