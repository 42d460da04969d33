// The server over real sockets, met by clients that are not ours.

import { createServer as createHttpServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { CLOSE_TOO_MANY, type ServerFrame } from 'steadywire/protocol'
import { createServer, reject, type ServerOptions } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { attached, cleanUps, Client, HELLO, PUB, serve, SUB } from './server-client.ts'

describe('the handshake', () => {
  test('takes the subprotocol where it is offered, and never echoes a token', async () => {
    const { url } = await serve()
    const protocolOf = async (protocols: string[]) => (await new Client(url, protocols).opened()).socket.protocol
    expect(await protocolOf(['steadywire.v1'])).toBe('steadywire.v1')
    expect(await protocolOf(['steadywire.auth.c2VjcmV0', 'steadywire.v1'])).toBe('steadywire.v1')
    expect(await protocolOf([])).toBe('')
  })

  test('compresses nothing', async () => {
    const { url } = await serve()
    expect((await new Client(url).opened()).socket.extensions).toBe('')
  })

  test('carries a publish from one client to another and back to its sender', async () => {
    const { url } = await serve()
    const [writer, reader] = [await attached(url, 'p1'), await attached(url, 'p2')]
    writer.say(PUB)
    expect(await writer.heard('ack')).toMatchObject([{ sequence: 1, offset: 1 }])
    expect(await reader.heard('event')).toMatchObject([{ offset: 1, id: 'm1', data: { x: 'ä' } }])
    expect(await writer.heard('event')).toEqual(await reader.heard('event'))
  })

  test.each([
    ['another page', { origin: 'https://evil.example' }, 'Unexpected server response: 403'],
    ['a page without a name', { origin: 'null' }, 'Unexpected server response: 403'],
    ['a page of this machine', { origin: 'http://localhost:5173' }, undefined],
    ['no page', {}, undefined],
  ])('of %s', async (_, headers, end) => {
    const { url } = await serve()
    expect((await new Client(url, [], headers).opened()).end).toBe(end)
  })

  test('of a page on the list, and of no other', async () => {
    const { url } = await serve({ origins: ['https://app.example'] })
    const endOf = async (origin: string) => (await new Client(url, [], { origin }).opened()).end
    expect(await endOf('https://app.example')).toBeUndefined()
    expect(await endOf('http://localhost')).toBe('Unexpected server response: 403')
  })

  test('at another path is 404, whatever the query', async () => {
    const { url } = await serve()
    expect((await new Client(url.replace('/realtime', '/other')).opened()).end).toBe('Unexpected server response: 404')
    expect((await new Client(`${url}?x=1`).opened()).end).toBeUndefined()
  })

  test('without a hello in time ends 4408', async () => {
    const { url } = await serve({ helloTimeoutMs: 100 })
    expect(await new Client(url).ended()).toBe('4408 no-hello')
  })
})

describe('authentication', () => {
  const authenticate: ServerOptions['authenticate'] = async ({ token, request: { headers } }) => {
    if (token === 'bug') throw new Error('bug')
    if (token === 'banned') throw reject('forbidden', 'Banned.')
    return token || headers.cookie ? { userId: `${token ?? headers.cookie}` } : null
  }
  const connect = async (
    url: string,
    token?: string,
    protocols: string[] = [],
    headers: Record<string, string> = {},
  ) => {
    const client = await new Client(url, protocols, headers).opened()
    client.say({ ...HELLO, producer: `p-${cleanUps.length}`, ...(token !== undefined && { token }) }, SUB, PUB)
    return client
  }

  test('knows the user by the token of hello, of the subprotocol or by a cookie, hello first', async () => {
    const { url } = await serve({ authenticate })
    const inProtocol = ['steadywire.v1', `steadywire.auth.${Buffer.from('ünder').toString('base64url')}`]
    const clients = [
      await connect(url, 'alice'),
      await connect(url, undefined, inProtocol),
      await connect(url, 'first', inProtocol),
      await connect(url, undefined, [], { cookie: 'sid=1' }),
    ]
    const users = await Promise.all(
      clients.map(async (client) => {
        const events = await client.heard('event')
        return events.flatMap((event) => (event.type === 'event' ? [event.sender?.user] : []))
      }),
    )
    expect(users.map((seen) => seen[0])).toEqual(['alice', 'ünder', 'first', 'sid=1'])
  })

  test.each([
    [undefined, '4401 unauthorized'],
    ['banned', '4403 forbidden'],
    ['bug', '4503 authentication'],
  ])('of the token %s ends as it should', async (token, end) => {
    const errors: unknown[] = []
    const { url } = await serve({ authenticate, onError: (error) => errors.push(error) })
    const client = await connect(url, token)
    expect(await client.ended()).toBe(end)
    expect(client.frames).toEqual([])
    expect(errors).toHaveLength(token === 'bug' ? 1 : 0)
  })
})

test('asynchronous hooks decide about channels and data', async () => {
  const { url, server } = await serve({
    authorize: async ({ channel }) => channel === 'a',
    onPublish: async ({ data }) => ({ wrapped: data }),
  })
  const client = await attached(url)
  client.say({ ...SUB, channel: 'b', request: 2 }, PUB)
  expect(await client.heard('denied')).toMatchObject([{ channel: 'b', code: 'forbidden' }])
  expect(await client.heard('event')).toMatchObject([{ data: { wrapped: { x: 'ä' } } }])
  await expect(server.publish('b', 'note', 1)).resolves.toMatchObject({ offset: 1 })
})

describe('what is no message', () => {
  test('too large ends 1009', async () => {
    const { url } = await serve({ limits: { maxMessageBytes: 65_536 } })
    const client = await attached(url)
    client.socket.send('x'.repeat(65_537))
    expect(await client.ended()).toMatch(/^1009 /)
  })

  test('the largest that is allowed is not too large', async () => {
    const { url } = await serve()
    const [client, reader] = [await attached(url, 'p1'), await attached(url, 'p2')]
    const data = 'x'.repeat(1_048_000)
    client.say({ ...PUB, data })
    expect(await client.heard('ack')).toMatchObject([{ offset: 1 }])
    expect(await reader.heard('event')).toMatchObject([{ data }])
  })

  test('binary ends 1003, and nothing after it is read', async () => {
    const { url, server } = await serve()
    const client = await attached(url)
    client.socket.send(Buffer.from('[]'))
    client.say(PUB)
    expect(await client.ended()).toBe('1003 text-only')
    await expect(server.publish('a', 'note', 1)).resolves.toMatchObject({ offset: 1 })
  })

  test('text that is not UTF-8 ends 1007', async () => {
    const { url } = await serve()
    const client = await attached(url)
    client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false })
    expect(await client.ended()).toMatch(/^1007 /)
  })

  test('garbage where a frame should begin ends that connection and no other', async () => {
    const { url, port } = await serve()
    const [fine, raw] = [await attached(url, 'p1'), await rawUpgrade(port)]
    raw.write(Buffer.alloc(1_000, 0xff))
    await until(() => raw.destroyed)
    fine.say(PUB)
    expect(await fine.heard('ack')).toHaveLength(1)
  })
})

describe('liveness', () => {
  test('a client that says nothing is asked, and then cut off without waiting for it', async () => {
    const { url, server } = await serve({ heartbeatMs: 100 })
    const client = await attached(url)
    client.socket.pause()
    expect(server.health().connections).toBe(1)
    await until(() => server.health().connections === 0)
    client.socket.resume()
    expect(await client.heard('ping')).not.toEqual([])
    expect(await client.ended()).toMatch(/^1006 /)
  })

  test('a client that answers stays', async () => {
    const { url } = await serve({ heartbeatMs: 100 })
    const client = await attached(url)
    client.socket.on('message', () => client.say({ type: 'pong', n: 1 }))
    await client.heard('ping', 5)
    expect(client.end).toBeUndefined()
  })
})

describe('limits', () => {
  test('of connections end one more 4429', async () => {
    const { url } = await serve({ limits: { connections: 1 } })
    const first = await attached(url)
    expect(await new Client(url).ended()).toBe(`${CLOSE_TOO_MANY} too-many; retry=5000`)
    first.socket.close()
    await first.ended()
    await attached(url)
  })

  test('of sessions per user end one more 4429, but for a session that reconnects', async () => {
    const { url } = await serve({ limits: { connectionsPerUser: 2 } })
    const [one] = [await attached(url, 'p1'), await attached(url, 'p2')]
    const again = await new Client(url).opened()
    again.say({ ...HELLO, producer: 'p1', generation: 2 })
    await again.heard('welcome')
    expect(await one?.ended()).toBe('4409 replaced')
    const third = await new Client(url).opened()
    third.say({ ...HELLO, producer: 'p3' })
    expect(await third.ended()).toBe(`${CLOSE_TOO_MANY} too-many; retry=25000`)
  })

  test('of unsent bytes hold back a page until the socket has drained', async () => {
    const { url, server } = await serve({ limits: { maxBufferedBytes: 100_000 } })
    const reader = await attached(url)
    const [{ top }] = (await reader.heard('attached')) as [ServerFrame & { type: 'attached' }]
    reader.socket.pause()
    const data = 'x'.repeat(500_000)
    // More than the kernel's own buffers take.
    for (let i = 0; i < 60; i++) {
      await server.publish('a', 'note', data)
      await new Promise((resume) => setTimeout(resume, 1))
    }
    reader.say({ type: 'fetch', channel: 'a', request: 2, position: top, count: 1 })
    // Had the page left already, it would stand before what was said later.
    await server.publish('a', 'note', 'last')
    reader.socket.resume()
    await until(() => reader.frames.some(({ type }) => type === 'page'), 4_000)
  })

  test('of unsent bytes make a reader that does not read fetch', async () => {
    const { url, server } = await serve({ limits: { maxBufferedBytes: 100_000 } })
    const reader = await attached(url)
    reader.socket.pause()
    const data = 'x'.repeat(100_000)
    for (let i = 0; i < 200; i++) await server.publish('a', 'note', data)
    reader.socket.resume()
    expect(await reader.heard('behind')).toHaveLength(1)
    const eventCount = reader.frames.filter(({ type }) => type === 'event').length
    expect(eventCount).toBeLessThan(200)
    const { top } = reader.frames.find((frame) => frame.type === 'attached') as ServerFrame & { type: 'attached' }
    const position = { epoch: top.epoch, offset: eventCount }
    reader.say({ type: 'fetch', channel: 'a', request: 2, position, count: 256 })
    expect(await reader.heard('page')).toMatchObject([{ from: eventCount + 1, events: { length: 1 } }])
  })
})

describe('the server', () => {
  test('publishes, once under an id, and says why it cannot', async () => {
    const { server } = await serve()
    const receipt = await server.publish('a', 'note', 1, { id: 'x' })
    expect(receipt).toEqual({ id: 'x', epoch: expect.any(String), offset: 1 })
    expect(await server.publish('a', 'note', 2, { id: 'x' })).toEqual(receipt)
    await expect(server.publish('', 'note', 1)).rejects.toMatchObject({ code: 'invalid', name: 'Refusal' })
    await expect(server.publish('a', 'note', undefined)).rejects.toMatchObject({ code: 'invalid' })
  })

  test('closes its connections 4503 and is gone, once or twice', async () => {
    const { server, url } = await serve()
    const client = await attached(url)
    const silent = await attached(url, 'p2')
    silent.socket.pause()
    const startMs = performance.now()
    await Promise.all([server.close(), server.close()])
    // One that does not answer the close is not waited for.
    expect(performance.now() - startMs).toBeLessThan(10_000)
    expect(await client.ended()).toBe('4503 closing')
    expect((await new Client(url).opened()).end).toContain('ECONNREFUSED')
    silent.socket.resume()
    await silent.ended()
  })

  test('that is closed before it listens is closed', async () => {
    await createServer().close()
  })

  test('listens on this machine alone without authentication, and says where', async () => {
    const server = createServer()
    cleanUps.push(() => server.close())
    const address = await server.listen({ port: 0, path: '/live' })
    expect(address).toEqual({ host: '127.0.0.1', port: address.port, url: `ws://127.0.0.1:${address.port}/live` })
    expect((await new Client(address.url).opened()).end).toBeUndefined()
  })

  test('starts once: a second listen is an error', async () => {
    const { server } = await serve()
    expect(() => server.listen({ port: 0 })).toThrow('listens already')
  })

  test('says when a port is taken, and can then take another', async () => {
    const { port } = await serve()
    const server = createServer()
    cleanUps.push(() => server.close())
    await expect(server.listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(server.listen({ port: 0 })).resolves.toMatchObject({ host: '127.0.0.1' })
  })

  test('serves on an application’s own HTTP server and leaves it running', async () => {
    const httpServer = createHttpServer((_, response) => response.end('application'))
    await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => {
      httpServer.closeAllConnections()
      httpServer.close()
    })
    const { port } = httpServer.address() as AddressInfo
    const server = createServer()
    cleanUps.push(() => server.close())
    server.attach(httpServer, { path: '/live' })
    const client = await attached(`ws://127.0.0.1:${port}/live`)
    expect((await new Client(`ws://127.0.0.1:${port}/other`).opened()).end).toContain('404')
    await server.close()
    expect(await client.ended()).toBe('4503 closing')
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('application')
    expect(httpServer.listenerCount('upgrade')).toBe(0)
  })

  test('leaves another path to another listener of the same HTTP server', async () => {
    const httpServer = createHttpServer()
    const others: string[] = []
    httpServer.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
      if (incoming.url === '/live') return
      others.push(incoming.url ?? '')
      socket.destroy()
    })
    await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve))
    cleanUps.push(() => {
      httpServer.closeAllConnections()
      httpServer.close()
    })
    const server = createServer()
    cleanUps.push(() => server.close())
    server.attach(httpServer, { path: '/live' })
    const { port } = httpServer.address() as AddressInfo
    expect((await new Client(`ws://127.0.0.1:${port}/other`).opened()).end).toContain('socket hang up')
    expect((await new Client(`ws://127.0.0.1:${port}/live`).opened()).end).toBeUndefined()
    expect(others).toEqual(['/other'])
  })

  test('goes on serving HTTP while connections come and go', async () => {
    const { url, http, server } = await serve()
    const churn = async () => {
      for (let i = 0; i < 25; i++) {
        const client = await new Client(url).opened()
        client.say({ ...HELLO, producer: `churn-${i}`, generation: i }, SUB)
        client.socket.terminate()
      }
    }
    const churning = [churn(), churn(), churn(), churn()]
    for (let i = 0; i < 20; i++) expect((await fetch(`${http}/healthz`)).status).toBe(200)
    await Promise.all(churning)
    await until(() => server.health().connections === 0)
  })
})

/** A socket that has been upgraded by hand and speaks no WebSocket. */
function rawUpgrade(port: number): Promise<Socket> {
  return new Promise((resolve, fail) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    }
    const upgrade = get({ port, host: '127.0.0.1', path: '/realtime', headers })
    upgrade.once('upgrade', (_, socket) => {
      cleanUps.push(() => void socket.destroy())
      socket.on('error', () => {})
      socket.resume()
      resolve(socket as Socket)
    })
    upgrade.once('error', fail)
  })
}
