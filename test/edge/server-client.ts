// Servers and clients over real sockets for the tests of this folder; what a test opens is closed after it.

import type { ServerFrame } from 'steadywire/protocol'
import { createServer, type Server, type ServerOptions } from '@steadywire/server'
import { afterEach } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../support/until.ts'

export const HELLO = { type: 'hello', version: 1, producer: 'p', generation: 1 }
export const SUB = { type: 'sub', channel: 'a', request: 1, want: ['read', 'write'] }
export const PUB = { type: 'pub', channel: 'a', sequence: 1, id: 'm1', name: 'note', data: { x: 'ä' } }

export const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

export async function serve(
  options: ServerOptions = {},
): Promise<{ server: Server; url: string; http: string; port: number }> {
  const server = createServer(options)
  cleanUps.push(() => server.close())
  const { url, port } = await server.listen({ port: 0 })
  return { server, url, port, http: `http://127.0.0.1:${port}` }
}

export class Client {
  readonly socket: WebSocket
  readonly frames: ServerFrame[] = []
  end: string | undefined

  constructor(url: string, protocols: string[] = [], headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, protocols, { headers })
    this.socket.on('message', (data: Buffer) => this.frames.push(...[JSON.parse(data.toString())].flat()))
    this.socket.on('close', (code, reason) => {
      // A failed handshake has said why already.
      this.end ??= `${code} ${reason.toString()}`
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

/** A client that reads and writes channel `a`. */
export async function attached(url: string, producer = 'p'): Promise<Client> {
  const client = await new Client(url).opened()
  client.say({ ...HELLO, producer }, SUB)
  await client.heard('attached')
  return client
}
