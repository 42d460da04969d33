// A peer that is refused at the door and keeps its half of the connection open: it must cost the server nothing.

import { connect, type Socket } from 'node:net'
import { createServer } from '@steadywire/server'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'

const REQUEST = [
  'GET /wrong HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]

test('closing does not wait for it', async () => {
  const server = createServer({})
  const { port } = await server.listen({ port: 0 })
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let answer = ''
  socket.on('error', () => {})
  socket.on('data', (data) => {
    answer += data.toString()
  })
  socket.write(`${REQUEST.join('\r\n')}\r\n\r\n`)
  await until(() => answer.includes('404'))
  // Would stay pending for as long as the peer does.
  await server.close()
  socket.destroy()
})

test('the answer says what was wrong', async () => {
  const server = createServer({})
  const { port } = await server.listen({ port: 0 })
  const response = await fetch(`http://127.0.0.1:${port}/wrong`)
  expect(response.status).toBe(404)
  await server.close()
})
