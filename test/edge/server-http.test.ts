// What operators ask over HTTP.

import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { attached, PUB, serve } from './server-client.ts'

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
    ['POST', '/channels/a/messages', `{"name":"n","data":"${'x'.repeat(65_400)}"}`, 413, '65536 bytes at most'],
    ['POST', '/channels/a/messages', 'x'.repeat(1_000_000), 413, '65536 bytes at most'],
  ])('%s %.40s of %.20s answers %i', async (method, path, body, status, words) => {
    const { http } = await serve({ adminToken, limits: { maxMessageBytes: 65_536 } })
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
