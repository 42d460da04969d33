// Each of these was a bug once.
import { expect, test } from 'vitest'
import { anAttached, anEvent, aWelcome, EPOCH } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'
import { deep } from '../../support/hostile-scene.ts'

test('close inside a handler: nothing more of the same batch is handed over', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const seen: unknown[] = []
  client.channel('a').on('m', (data) => {
    seen.push(data)
    void client.close()
  })
  await stage.advance(CONNECT_MS)
  server.last.sayTogether(anEvent('a', 1), anEvent('a', 2))
  await stage.advance(CONNECT_MS)
  expect(seen).toEqual([1])
})

test('a 4401 made `retry` is retried for as long as it comes', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected({ closeCodes: { 4401: 'retry' }, backoff: { baseDelayMs: 10 } })
  for (let i = 0; i < 4; i++) {
    server.last.close(4401)
    await stage.advance(1_000)
  }
  expect(client.state.getSnapshot().status).toBe('connected')
})

test('a 4001 made `reauthorize` stops at the second', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected({ closeCodes: { 4001: 'reauthorize' }, backoff: { baseDelayMs: 10 } })
  for (let i = 0; i < 3; i++) {
    server.last.close(4001)
    await stage.advance(1_000)
  }
  expect(client.state.getSnapshot()).toMatchObject({
    status: 'failed',
    cause: { code: 'unauthorized', closeCode: 4001 },
  })
})

test('the snapshot of the connection is the same over heartbeats', async () => {
  const stage = new Stage()
  const client = await stage.connected()
  const before = client.state.getSnapshot()
  let heard = 0
  client.state.subscribe(() => heard++)
  await stage.advance(120_000)
  expect([heard, client.state.getSnapshot() === before]).toEqual([0, true])
})
test('a status event tells the current snapshot', async () => {
  const stage = new Stage()
  const client = stage.client()
  const same: boolean[] = []
  client.on('status', (snapshot) => same.push(snapshot === client.state.getSnapshot()))
  client.connect()
  await stage.advance(CONNECT_MS)
  expect(same).toEqual([true, true])
})

test('data is judged by what toJSON says, not by what it holds', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const node: Record<string, unknown> = { id: 7, toJSON: () => ({ id: 7 }) }
  node['parent'] = node
  const sent = watch(client.channel('a').publish('m', node))
  await stage.advance(CONNECT_MS)
  expect(sent.result).toMatchObject({ offset: 1 })
  expect(server.framesOf('pub')[0]?.data).toEqual({ id: 7 })
})
test('data that toJSON makes too deep is invalid', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const sent = watch(client.channel('a').publish('m', { toJSON: () => JSON.parse(deep(100)) as unknown }))
  await stage.advance(CONNECT_MS)
  expect(sent.result).toMatchObject({ code: 'invalid' })
  expect(server.framesOf('pub')).toEqual([])
})

test.each([NaN, -1])('a publish with timeoutMs %s is refused', async (timeoutMs) => {
  const stage = new Stage()
  const client = await stage.connected()
  const sent = watch(client.channel('a').publish('m', 1, { timeoutMs }))
  await stage.advance(CONNECT_MS)
  expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
})

test('close with drainMs NaN ends', async () => {
  const stage = new Stage()
  stage.world.network.isRefusing = true
  const client = await stage.connected()
  watch(client.channel('a').publish('m', 1))
  const closed = watch(client.close({ drainMs: NaN }).then(() => 'closed'))
  await stage.advance(1_000)
  expect(closed.result).toBe('closed')
})

test('a name that is null is refused like any other that is none', async () => {
  const stage = new Stage()
  const client = await stage.connected()
  const sent = watch(client.channel('a').publish(null as unknown as string, 1))
  await stage.advance(CONNECT_MS)
  expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
})
test.each([null, undefined, 42, {}])('a channel may not be named %s', (name) => {
  expect(() => new Stage().client().channel(name as never)).toThrow(expect.objectContaining({ code: 'config' }))
})

test('a first attachment that is catching up is caught up', async () => {
  const stage = new Stage()
  const server = stage.fake({
    sub: ({ channel, request, want }) => [anAttached(channel, request, want, 5, { mode: 'catching-up' })],
  })
  for (let i = 0; i < 5; i++) server.grow('a')
  const client = await stage.connected()
  const heard: unknown[] = []
  client.channel('a').on('m', (data) => heard.push(data))
  await stage.advance(CONNECT_MS)
  server.last.event('a', { data: 'next' })
  await stage.advance(60_000)
  expect([client.channel('a').state.getSnapshot().status, ...heard]).toEqual(['live', 'next'])
})

test('a snapshot 100,000 levels deep closes 4400', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const resets: unknown[] = []
  client.channel('a').onReset((reset) => resets.push(reset))
  await stage.advance(CONNECT_MS)
  const position = { epoch: EPOCH, offset: 0 }
  server.last.raw(
    JSON.stringify({ type: 'reset', channel: 'a', reason: 'r', position, top: position, snapshot: 0 }).replace(
      '"snapshot":0',
      `"snapshot":${deep(100_000)}`,
    ),
  )
  await stage.advance(CONNECT_MS)
  expect(resets).toHaveLength(0)
})

test('150,000 publishes may time out', async () => {
  const stage = new Stage()
  const client = stage.client({
    connect: { auto: false },
    outbox: { maxMessages: 1e6, maxBytes: 1e9 },
    onError: () => {},
  })
  for (let i = 0; i < 150_000; i++)
    void client
      .channel('a')
      .publish('m', 1, { timeoutMs: 1_000 + (i % 2) * 1_000 })
      .catch(() => {})
  await stage.advance(3_000)
  expect(client.stats().outbox).toBe(0)
}, 60_000)

test('an interval of Infinity never asks', async () => {
  const stage = new Stage()
  const server = stage.fake()
  await stage.connected({ heartbeat: { intervalMs: Infinity } })
  await stage.advance(3_600_000)
  expect(server.framesOf('ping').length).toBe(0)
})

test('a channel used after close stays idle', async () => {
  const stage = new Stage()
  const client = await stage.connected()
  void client.close()
  client.channel('a').on('m', () => {})
  expect(client.channel('a').state.getSnapshot().status).toBe('idle')
})

test('a reset revives no denied channel', async () => {
  const stage = new Stage()
  const server = stage.fake({
    sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'forbidden' }],
  })
  const client = await stage.connected({ onError: () => {} })
  const resets: unknown[] = []
  client.channel('a').onReset((reset) => resets.push(reset))
  await stage.advance(CONNECT_MS)
  const position = { epoch: EPOCH, offset: 0 }
  server.last.say({ type: 'reset', channel: 'a', reason: 'r', position, top: position })
  await stage.advance(CONNECT_MS)
  expect([client.channel('a').state.getSnapshot().status, resets.length]).toEqual(['denied', 0])
})

test('a refused publish drains nothing', async () => {
  const stage = new Stage()
  const client = await stage.connected({ onError: () => {}, maxFrameBytes: 65_536 })
  let drained = 0
  client.on('drained', () => drained++)
  watch(client.channel('a').publish('m', 'x'.repeat(65_536)))
  await stage.advance(CONNECT_MS)
  void client.close()
  watch(client.channel('a').publish('m', 1))
  await stage.advance(CONNECT_MS)
  expect(drained).toBe(0)
})

test('a server without a wish for a heartbeat (0) leaves it to the client', async () => {
  const stage = new Stage()
  const server = stage.fake({ hello: () => [aWelcome({ heartbeat: { intervalMs: 0 } })] })
  await stage.connected()
  await stage.advance(20_000)
  expect(server.framesOf('ping').length).toBe(0)
})

test.each(['ws://[', 'ws:// ', 'ws://a b'])('%j is no address', (url) => {
  expect(() => new Stage().client({ url })).toThrow(expect.objectContaining({ code: 'config' }))
})

test('giving up keeps the last close code', async () => {
  const stage = new Stage()
  stage.fake({ hello: (_, connection) => (connection.close(4503), []) })
  const client = await stage.connected({ backoff: { maxAttempts: 1 } })
  expect(client.state.getSnapshot().cause).toMatchObject({ code: 'gave-up', closeCode: 4503 })
})

test('an attachment that catches up in another history is a violation', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected({ backoff: { minDelayMs: 60_000 } })
  const heard: unknown[] = []
  client.channel('a').on('m', (_, { epoch, offset }) => heard.push([epoch, offset]))
  await stage.advance(CONNECT_MS)
  server.last.event('a')
  await stage.advance(CONNECT_MS)
  server.answers = {
    sub: ({ request }) => [
      anAttached('a', request, ['read', 'write'], 9, { top: { epoch: 'other', offset: 2 }, mode: 'catching-up' }),
    ],
  }
  server.grow('a')
  watch(client.channel('a').publish('m', 1))
  await stage.advance(CONNECT_MS)
  expect(heard).toEqual([[EPOCH, 1]])
})
test('a page with request 0 that nobody asked for means nothing', async () => {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected()
  const heard: unknown[] = []
  client.channel('a').on('m', (data) => heard.push(data))
  await stage.advance(CONNECT_MS)
  server.last.say({
    type: 'page',
    channel: 'a',
    request: 0,
    from: 1,
    events: [{ offset: 1, id: 'x', name: 'm', data: 1, storedAtMs: 1 }],
    more: false,
  })
  await stage.advance(CONNECT_MS)
  expect([heard.length, stage.dials.length]).toEqual([0, 1])
})
test('a publish that is refused at the call dials nothing', async () => {
  const stage = new Stage()
  const client = stage.client({ onError: () => {} })
  watch(client.channel('a').publish('', 1))
  await stage.advance(CONNECT_MS)
  expect([client.state.getSnapshot().status, stage.dials.length]).toEqual(['idle', 0])
})
