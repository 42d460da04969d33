// The server over real sockets, met by clients that are not ours.

import { createServer as createHttpServer, get, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { CLOSE_TOO_MANY, type ServerFrame } from 'steadywire/protocol'
import { createServer, reject, type Server, type ServerOptions } from '@steadywire/server'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../support/until.ts'

const HELLO = { type: 'hello', version: 1, producer: 'p', generation: 1 }
const SUB = { type: 'sub', channel: 'a', request: 1, want: ['read', 'write'] }
const PUB = { type: 'pub', channel: 'a', sequence: 1, id: 'm1', name: 'note', data: { x: 'ä' } }

const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function serve(
  options: ServerOptions = {},
): Promise<{ server: Server; url: string; http: string; port: number }> {
  const server = createServer(options)
  cleanUps.push(() => server.close())
  const { url, port } = await server.listen({ port: 0 })
  return { server, url, port, http: `http://127.0.0.1:${port}` }
}

class Client {
  readonly socket: WebSocket
  readonly frames: ServerFrame[] = []
  end: string | undefined

  constructor(url: string, protocols: string[] = [], headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, protocols, { headers })
    this.socket.on('message', (data) => this.frames.push(...[JSON.parse(String(data))].flat()))
    this.socket.on('close', (code, reason) => {
      // A failed handshake has said why already.
      this.end ??= `${code} ${reason}`
    })
    this.socket.on('error', (error) => {
      this.end ??= error.message
    })
    cleanUps.push(() => this.socket.terminate())
  }

  async opened(): Promise<this> {
    await until(() => this.socket.readyState === WebSocket.OPEN || this.end !== undefined)
    return this
  }

  async ended(): Promise<string> {
    await until(() => this.end !== undefined)
    return this.end ?? ''
  }

  say(...frames: readonly object[]): void {
    this.socket.send(JSON.stringify(frames))
  }

  async heard(type: ServerFrame['type'], count = 1): Promise<readonly ServerFrame[]> {
    const found = () => this.frames.filter((frame) => frame.type === type)
    await until(() => found().length >= count || this.end !== undefined)
    return found()
  }
}

async function attached(url: string, producer = 'p'): Promise<Client> {
  const client = await new Client(url).opened()
  client.say({ ...HELLO, producer }, SUB)
  await client.heard('attached')
  return client
}

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
    const { url } = await serve({ limits: { maxMessageBytes: 2_000 } })
    const client = await attached(url)
    client.socket.send('x'.repeat(2_001))
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

describe('over HTTP', () => {
  const adminToken = 'a-long-admin-token'
  const auth = { authorization: `Bearer ${adminToken}` }
  const post = (http: string, body: unknown, headers: Record<string, string> = auth, channel = 'a') =>
    fetch(`${http}/channels/${channel}/messages`, {
      method: 'POST',
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  test('/healthz says how the server is', async () => {
    const { http, url } = await serve()
    await attached(url)
    const response = await fetch(`${http}/healthz`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8'])
    expect(await response.json()).toEqual({
      status: 'ok',
      connections: 1,
      channels: 1,
      uptimeSeconds: expect.any(Number),
      eventLoopDelayMs: expect.any(Number),
    })
    expect((await fetch(`${http}/healthz`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(`${http}/healthz`, { method: 'POST' })).status).toBe(405)
  })

  test('/healthz shows a stalled event loop once', async () => {
    const { http } = await serve()
    const delayMs = async () => {
      const health = (await (await fetch(`${http}/healthz`)).json()) as { eventLoopDelayMs: number }
      return health.eventLoopDelayMs
    }
    await until(async () => {
      // Node begins to measure with the first of its timers after a reading.
      await new Promise((resume) => setTimeout(resume, 50))
      const untilMs = performance.now() + 200
      while (performance.now() < untilMs);
      return (await delayMs()) >= 100
    })
    expect(await delayMs()).toBeLessThan(100)
  })

  test('a message is published, read back, and stored once under its key', async () => {
    const { http, url } = await serve({ adminToken })
    const client = await attached(url)
    const keyed = { ...auth, 'idempotency-key': 'k1' }
    const receipts = [
      await post(http, { name: 'note', data: [1] }, keyed),
      await post(http, { name: 'note', data: [2] }, keyed),
    ]
    const [first, second] = await Promise.all(receipts.map((response) => response.json()))
    expect(first).toEqual({ id: 'k1', epoch: expect.any(String), offset: 1 })
    expect(second).toEqual(first)
    expect(await client.heard('event')).toMatchObject([{ id: 'k1', data: [1] }])
    client.say(PUB)
    await client.heard('ack')
    const history = await fetch(`${http}/channels/a/history?after=0&limit=10`, { headers: auth })
    expect(await history.json()).toMatchObject({
      epoch: (first as { epoch: string }).epoch,
      top: 2,
      messages: [
        { offset: 1, id: 'k1', name: 'note', data: [1], sender: null },
        { offset: 2, id: 'm1', name: 'note', data: { x: 'ä' }, sender: { user: 'anonymous' } },
      ],
    })
    const part = await fetch(`${http}/channels/a/history?after=1`, { headers: auth })
    expect(await part.json()).toMatchObject({ messages: [{ offset: 2 }] })
  })

  test('a channel’s name is encoded in the path', async () => {
    const { http, server } = await serve({ adminToken })
    await server.publish('doc:4/2 ä', 'note', 1)
    const response = await fetch(`${http}/channels/${encodeURIComponent('doc:4/2 ä')}/history`, { headers: auth })
    expect(await response.json()).toMatchObject({ top: 1, messages: [{ offset: 1 }] })
  })

  test.each([
    [{}, 401],
    [{ authorization: 'Bearer' }, 401],
    [{ authorization: 'Bearer wrong' }, 401],
    [{ authorization: `Basic ${adminToken}` }, 401],
    [{ authorization: `Bearer ${adminToken}x` }, 401],
    [{ authorization: `bearer ${adminToken}` }, 200],
  ])('with the headers %j the channels answer %i', async (headers, status) => {
    const { http } = await serve({ adminToken })
    expect((await fetch(`${http}/channels/a/history`, { headers })).status).toBe(status)
    expect((await post(http, { name: 'n', data: 1 }, headers)).status).toBe(status)
  })

  test('without an admin token the channels are not there', async () => {
    const { http } = await serve()
    const statuses = [
      await fetch(`${http}/channels/a/history`, { headers: auth }),
      await post(http, { name: 'n', data: 1 }),
    ]
    expect(statuses.map(({ status }) => status)).toEqual([404, 404])
    expect((await fetch(`${http}/`)).status).toBe(404)
  })

  test.each([
    ['GET', '/channels/a/history?limit=0', undefined, 400, '"limit" is a whole number from 1 to 1000.'],
    ['GET', '/channels/a/history?limit=1e2', undefined, 400, '"limit"'],
    ['GET', '/channels/a/history?after=-1', undefined, 400, '"after"'],
    ['GET', '/channels/a/history?after=9007199254740992', undefined, 400, '"after"'],
    ['GET', '/channels//history', undefined, 400, 'A channel name has 1 to 256 bytes.'],
    ['GET', '/channels/%ff/history', undefined, 400, 'encodeURIComponent'],
    ['GET', `/channels/${'x'.repeat(257)}/history`, undefined, 400, 'A channel name has 1 to 256 bytes.'],
    ['POST', '/channels/a/history', '{}', 405, 'Use GET.'],
    ['GET', '/channels/a/messages', undefined, 405, 'Use POST.'],
    ['POST', '/channels/a/messages', '', 400, 'The body is JSON'],
    ['POST', '/channels/a/messages', 'null', 400, 'The body is JSON'],
    ['POST', '/channels/a/messages', '{"name":"n"}', 400, 'The body is JSON'],
    ['POST', '/channels/a/messages', '{"data":1}', 400, 'The body is JSON'],
    ['POST', '/channels/a/messages', '{"name":1,"data":1}', 400, 'The body is JSON'],
    ['POST', '/channels/a/messages', '{"name":"","data":1}', 400, 'A name has 1 to 64 bytes.'],
    ['POST', '/channels/a/messages', `{"name":"n","data":${'['.repeat(99)}${']'.repeat(99)}}`, 400, '64 levels'],
    ['POST', '/channels/a/messages', `{"name":"n","data":"${'x'.repeat(2_900)}"}`, 413, '3000 bytes at most'],
    ['POST', '/channels/a/messages', 'x'.repeat(1_000_000), 413, '3000 bytes at most'],
  ])('%s %.40s of %.20s answers %i', async (method, path, body, status, words) => {
    const { http } = await serve({ adminToken, limits: { maxMessageBytes: 3_000 } })
    const answer = await rawRequest(`${http}${path}`, method, auth, body)
    expect(answer.status).toBe(status)
    expect((JSON.parse(answer.body) as { error: { message: string } }).error.message).toContain(words)
  })

  test('a key too long is refused', async () => {
    const { http } = await serve({ adminToken })
    const response = await post(http, { name: 'n', data: 1 }, { ...auth, 'idempotency-key': 'x'.repeat(65) })
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { message: 'An id has 1 to 64 bytes.' } },
    ])
  })

  test('a request cut off in the middle harms nothing', async () => {
    const { http, port } = await serve({ adminToken })
    const raw = connect(port, '127.0.0.1')
    raw.write(
      `POST /channels/a/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\nContent-Length: 99\r\n\r\n{"na`,
    )
    await new Promise((resolve) => raw.once('connect', resolve))
    raw.resetAndDestroy()
    expect((await fetch(`${http}/healthz`)).status).toBe(200)
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
    await Promise.all([server.close(), server.close()])
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

/** `fetch` normalizes paths and hides answers that come before the whole body was sent. */
function rawRequest(url: string, method: string, headers: Record<string, string>, body = '') {
  return new Promise<{ status: number | undefined; body: string }>((resolve, fail) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode, body: text }))
      response.on('error', fail)
    })
    sent.on('error', fail)
    sent.end(body)
  })
}
