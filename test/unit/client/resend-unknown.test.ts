// `publish.onUnknown: 'resend'`: what nobody can tell of is published once more under the same id, and may be there twice.

import { expect, test } from 'vitest'
import { aWelcome } from '../../support/fake-server.ts'
import { connected, SILENT } from '../../support/desk.ts'
import { reconnect, recorded, remembering } from '../../support/records.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

const RESEND = { publish: { onUnknown: 'resend' } }

/** A publish that was sent under a record which has been lost; no connection has taken it since. */
async function lost(options: object = {}, more: object = {}) {
  const it = await recorded({ ...RESEND, ...more })
  const sent = watch(it.client.channel('a').publish('m', 1, options))
  await it.stage.advance(CONNECT_MS)
  // The next connection attaches, but takes nothing: its window has no room.
  const limits = { ...aWelcome().limits, window: 0 }
  await reconnect(it, { ...SILENT, ...remembering('incarnation-2'), hello: () => [aWelcome({ limits })] })
  expect([sent.result, it.server.framesOf('pub').length]).toEqual([undefined, 1])
  return { ...it, sent }
}

test('publishes it once more under the new record, with the same id and a new sequence', async () => {
  const it = await recorded(RESEND)
  const sent = watch(it.client.channel('a').publish('m', 1))
  await it.stage.advance(CONNECT_MS)
  await reconnect(it, remembering('incarnation-2'))
  const [first, second] = it.server.framesOf('pub')
  expect(second).toEqual({ ...first, sequence: 2 })
  expect(sent.result).toMatchObject({ id: first?.id, offset: 1 })
})

test('keeps the order of calls', async () => {
  const it = await recorded(RESEND)
  for (const n of [1, 2, 3]) watch(it.client.channel('a').publish('m', n))
  await it.stage.advance(CONNECT_MS)
  it.server.last.close(1006)
  await it.stage.advance(10)
  watch(it.client.channel('a').publish('m', 4))
  await reconnect(it, { ...SILENT, ...remembering('incarnation-2') })
  expect(it.server.last.framesOf('pub').map(({ data }) => data)).toEqual([1, 2, 3, 4])
})

test('publishes nothing twice that the server has', async () => {
  const it = await recorded(RESEND)
  const sent = watch(it.client.channel('a').publish('m', 1))
  await it.stage.advance(CONNECT_MS)
  const id = it.server.framesOf('pub')[0]?.id ?? ''
  await reconnect(it, { ...SILENT, ...remembering('incarnation-2', [[1, id, 4]]) })
  expect([sent.result, it.server.framesOf('pub').length]).toMatchObject([{ offset: 4 }, 1])
})

test('settles by the answer to the second, whatever is still said of the first on the same connection', async () => {
  const it = await recorded(RESEND)
  const sent = watch(it.client.channel('a').publish('m', 1))
  await it.stage.advance(CONNECT_MS)
  it.server.answers = { ...SILENT, ...remembering('incarnation-2') }
  it.client.channel('a').retain()
  await it.stage.advance(CONNECT_MS)
  expect(it.server.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 2])
  it.server.last.say({ type: 'nack', channel: 'a', sequence: 1, code: 'superseded' })
  it.server.last.say({ type: 'ack', channel: 'a', sequence: 2, offset: 1 })
  await it.stage.advance(CONNECT_MS)
  expect(sent.result).toMatchObject({ offset: 1 })
})

test('waits for the second to settle, and is unknown at its deadline', async () => {
  const it = await recorded(RESEND)
  const sent = watch(it.client.channel('a').publish('m', 1, { timeoutMs: 5_000 }))
  await it.stage.advance(CONNECT_MS)
  await reconnect(it, { ...SILENT, ...remembering('incarnation-2') })
  await it.stage.advance(5_000)
  expect(sent.result).toMatchObject({ code: 'timeout', outcome: 'unknown' })
})

test('is unknown by timeout also where it has not gone out again: the first may be there', async () => {
  const { stage, sent } = await lost({ timeoutMs: 5_000 })
  await stage.advance(5_000)
  expect(sent.result).toMatchObject({ code: 'timeout', outcome: 'unknown' })
})

test('is unknown by abort also where it has not gone out again', async () => {
  const controller = new AbortController()
  const { stage, sent } = await lost({ signal: controller.signal })
  controller.abort()
  await stage.advance(0)
  expect(sent.result).toMatchObject({ code: 'aborted', outcome: 'unknown' })
})

test('is unknown by close also where it has not gone out again', async () => {
  const { stage, client, sent } = await lost()
  void client.close()
  await stage.advance(0)
  expect(sent.result).toMatchObject({ code: 'closed', outcome: 'unknown' })
})

test('is unknown by a refusal also where it has not gone out again', async () => {
  const it = await lost()
  await reconnect(it, { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'forbidden' }] })
  expect(it.sent.result).toMatchObject({ code: 'forbidden', outcome: 'unknown' })
})

test('never goes for another one where the outbox is full', async () => {
  const it = await lost({}, { outbox: { maxMessages: 1, overflow: 'drop-oldest' } })
  const next = watch(it.client.channel('a').publish('m', 2))
  await it.stage.advance(0)
  expect([it.sent.result, next.result]).toMatchObject([undefined, { code: 'outbox-full', outcome: 'rejected' }])
})

test('is unknown by a refusal of the second: the first may be the very reason', async () => {
  const it = await recorded(RESEND)
  const sent = watch(it.client.channel('a').publish('m', 1, { base: { epoch: 'epoch-1', offset: 3 } }))
  await it.stage.advance(CONNECT_MS)
  await reconnect(it, {
    ...remembering('incarnation-2'),
    pub: ({ channel, sequence }) => [{ type: 'nack', channel, sequence, code: 'stale-base' }],
  })
  expect(sent.result).toMatchObject({ code: 'stale-base', outcome: 'unknown' })
})

test('publishes once more what a server of level 1 lost with the connection', async () => {
  const it = await connected(RESEND, SILENT)
  const sent = watch(it.client.channel('a').publish('m', 1))
  await it.stage.advance(CONNECT_MS)
  await reconnect(it, {})
  const [first, second] = it.server.framesOf('pub')
  expect([second?.id, sent.result]).toMatchObject([first?.id, { offset: 1 }])
})
