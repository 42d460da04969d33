// Publishes over the loss of connections: what the server has stored is settled, the rest is sent again, once and in order.

import { describe, expect, test } from 'vitest'
import { anAttached, aWelcome, EPOCH } from '../../support/fake-server.ts'
import { SILENT } from '../../support/desk.ts'
import { aRecord, reconnect, RECONNECT_MS, recorded, remembering } from '../../support/records.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

describe('a publish whose connection was lost', () => {
  test('is sent again under its sequence and its id, and resolves by the answer to that', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', { n: 1 }))
    await it.stage.advance(CONNECT_MS)
    const [first] = it.server.framesOf('pub')
    await reconnect(it)
    expect([sent.result, ...it.server.last.framesOf('pub')]).toEqual([undefined, first])
    it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 7 })
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toEqual({ id: first?.id, epoch: EPOCH, offset: 7 })
  })

  test('resolves without being sent again where the server has it', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    const id = it.server.framesOf('pub')[0]?.id ?? ''
    await reconnect(it, { ...SILENT, ...remembering('incarnation-1', [[1, id, 7]]) })
    expect(sent.result).toEqual({ id, epoch: EPOCH, offset: 7 })
    expect(it.server.framesOf('pub')).toHaveLength(1)
  })

  test('is not taken for another one that the server has under the same sequence', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, { ...SILENT, ...remembering('incarnation-1', [[1, 'of-another', 7]]) })
    expect(sent.result).toBeUndefined()
    expect(it.server.last.framesOf('pub')).toHaveLength(1)
  })

  test('is sent again in the order of calls, before what was called since', async () => {
    const it = await recorded()
    const sent = [1, 2, 3, 4].map((n) => watch(it.client.channel('a').publish('m', n)))
    await it.stage.advance(CONNECT_MS)
    const id = it.server.framesOf('pub')[1]?.id ?? ''
    it.server.last.close(1006)
    await it.stage.advance(10)
    watch(it.client.channel('a').publish('m', 5))
    await reconnect(it, { ...SILENT, ...remembering('incarnation-1', [[2, id, 9]]) })
    expect(it.server.last.framesOf('pub').map(({ sequence, data }) => [sequence, data])).toEqual([
      [1, 1],
      [3, 3],
      [4, 4],
      [5, 5],
    ])
    expect(sent.map(({ result }) => result)).toMatchObject([undefined, { offset: 9 }, undefined, undefined])
  })

  test('waits for the attachment of its channel, whatever other channels have theirs', async () => {
    const it = await recorded()
    for (const name of ['a', 'b']) watch(it.client.channel(name).publish('m', name))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, {
      ...SILENT,
      sub: ({ channel, request, want }) =>
        channel === 'a' ? [] : [anAttached(channel, request, want, 0, aRecord('incarnation-1'))],
    })
    expect(it.server.last.framesOf('pub').map(({ channel }) => channel)).toEqual(['b'])
    it.server.last.say(anAttached('a', it.server.last.requestOf('a'), ['write'], 0, aRecord('incarnation-1')))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.last.framesOf('pub').map(({ channel }) => channel)).toEqual(['b', 'a'])
  })

  test('keeps its deadline, counted from the call', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1, { timeoutMs: 5_000 }))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it)
    await it.stage.advance(4_999 - CONNECT_MS - RECONNECT_MS)
    expect(sent.result).toBeUndefined()
    await it.stage.advance(1)
    expect(sent.result).toMatchObject({ code: 'timeout', outcome: 'unknown' })
  })

  test('is settled once, however often it was sent', async () => {
    const it = await recorded()
    let settled = 0
    void it.client
      .channel('a')
      .publish('m', 1)
      .finally(() => settled++)
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 5; i++) await reconnect(it)
    for (let i = 0; i < 3; i++) it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 7 })
    await it.stage.advance(CONNECT_MS)
    expect([settled, it.server.framesOf('pub').length, it.client.stats().outbox]).toEqual([1, 6, 0])
    expect(it.stage.lastDial.closedWith).toBeUndefined()
  })

  test('is sent again after disconnect and connect', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    it.client.disconnect()
    await it.stage.advance(10_000)
    expect(sent.result).toBeUndefined()
    it.server.answers = remembering()
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
    expect(it.server.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 1])
  })

  test.each([
    ['its time was over', { timeoutMs: 500 }, () => {}],
    ['it was aborted', {}, (controller: AbortController) => controller.abort()],
  ])('is not sent again where %s', async (_, options, act) => {
    const it = await recorded()
    const controller = new AbortController()
    const sent = watch(it.client.channel('a').publish('m', 1, { ...options, signal: controller.signal }))
    const other = watch(it.client.channel('a').publish('m', 2))
    await it.stage.advance(600)
    act(controller)
    await reconnect(it)
    expect(sent.result).toMatchObject({ outcome: 'unknown' })
    expect([other.result, ...it.server.last.framesOf('pub').map(({ data }) => data)]).toEqual([undefined, 2])
  })

  test('is rejected with superseded, where the server had refused it before', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, {
      ...remembering(),
      pub: ({ channel, sequence }) => [{ type: 'nack', channel, sequence, code: 'superseded' }],
    })
    expect(sent.result).toMatchObject({ code: 'superseded', outcome: 'rejected', retry: 'now' })
  })

  test('takes no word on it from a connection that has not carried it', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, { ...SILENT, sub: () => [] })
    it.server.last.say({ type: 'nack', channel: 'a', sequence: 1, code: 'invalid' })
    await it.stage.advance(CONNECT_MS)
    expect([sent.result, it.stage.lastDial.closedWith]).toEqual([undefined, undefined])
  })
})

describe('a second attachment on the same connection', () => {
  test('settles what the server has, and sends nothing again: the rest is on its way', async () => {
    const it = await recorded()
    const sent = [1, 2].map((n) => watch(it.client.channel('a').publish('m', n)))
    await it.stage.advance(CONNECT_MS)
    const id = it.server.framesOf('pub')[0]?.id ?? ''
    it.server.answers = { ...SILENT, ...remembering('incarnation-1', [[1, id, 3]]) }
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').map(({ want }) => want)).toEqual([['write'], ['read', 'write']])
    expect(sent.map(({ result }) => result)).toMatchObject([{ offset: 3 }, undefined])
    // The answers that were on their way as well.
    for (const sequence of [1, 2]) it.server.last.say({ type: 'ack', channel: 'a', sequence, offset: sequence + 2 })
    await it.stage.advance(CONNECT_MS)
    expect(sent.map(({ result }) => result)).toMatchObject([{ offset: 3 }, { offset: 4 }])
    expect([it.server.framesOf('pub').length, it.stage.dials.length]).toEqual([2, 1])
  })

  test('frees no place in the window: the answer is still to come', async () => {
    const limits = { ...aWelcome().limits, window: 2 }
    const it = await recorded({}, { hello: () => [aWelcome({ limits })] })
    for (const n of [1, 2, 3]) watch(it.client.channel('a').publish('m', n))
    await it.stage.advance(CONNECT_MS)
    const id = it.server.framesOf('pub')[0]?.id ?? ''
    it.server.answers = { ...SILENT, ...remembering('incarnation-1', [[1, id, 1]]) }
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pub')).toHaveLength(2)
    it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })
})

describe('the window over connections', () => {
  const limits = { ...aWelcome().limits, window: 3 }
  const hello = () => [aWelcome({ limits })]

  test('holds what is sent again first, in order', async () => {
    const it = await recorded({}, { hello })
    for (let n = 1; n <= 10; n++) watch(it.client.channel('a').publish('m', n))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it)
    expect(it.server.last.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(it.server.last.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4])
  })

  test('holds nothing of what was given up on the connection before', async () => {
    const it = await recorded({}, { hello })
    for (let n = 1; n <= 3; n++) watch(it.client.channel('a').publish('m', n, { timeoutMs: 500 }))
    for (let n = 4; n <= 6; n++) watch(it.client.channel('a').publish('m', n))
    await it.stage.advance(600)
    expect(it.server.framesOf('pub')).toHaveLength(3)
    await reconnect(it)
    expect(it.server.last.framesOf('pub').map(({ data }) => data)).toEqual([4, 5, 6])
  })
})

describe('what the server is told', () => {
  test('is the same producer with a generation that grows', async () => {
    const it = await recorded()
    for (let i = 0; i < 3; i++) await reconnect(it)
    const hellos = it.server.framesOf('hello')
    expect(new Set(hellos.map(({ producer }) => producer)).size).toBe(1)
    expect(hellos.map(({ generation }) => generation)).toEqual([1, 2, 3, 4])
  })

  test('is the lowest sequence of the channel that has not settled, or the next one', async () => {
    const it = await recorded()
    for (const n of [1, 2, 3]) watch(it.client.channel('a').publish('m', n))
    watch(it.client.channel('b').publish('m', 4))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await it.stage.advance(CONNECT_MS)
    await reconnect(it)
    const told = it.server.last.framesOf('sub').map(({ channel, settledBelow }) => [channel, settledBelow])
    expect(Object.fromEntries(told)).toEqual({ a: 2, b: 4 })
    it.client.channel('c').retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.server.last.framesOf('sub').at(-1)?.settledBelow ?? 0).toBeLessThanOrEqual(5)
  })

  test('is a sequence that no other publish ever has', async () => {
    const it = await recorded({ publish: { timeoutMs: 400 } })
    for (let n = 0; n < 5; n++) {
      for (const name of ['a', 'b']) watch(it.client.channel(name).publish('m', n))
      await it.stage.advance(500)
    }
    const sequences = it.server.framesOf('pub').map(({ sequence }) => sequence)
    expect(new Set(sequences).size).toBe(sequences.length)
  })
})

describe('with the real server', () => {
  test('every publish is stored once and in order, wherever the connection is cut', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { baseDelayMs: 20, maxDelayMs: 20 } })
    const heard: unknown[] = []
    client.channel('a').on('m', (data) => heard.push(data))
    const sent = []
    for (let n = 0; n < 200; n++) {
      sent.push(watch(client.channel('a').publish('m', n)))
      if (n % 7 === 0) stage.world.network.cut()
      await stage.advance((n * 13) % 31)
    }
    await stage.advance(10_000)
    expect(heard).toEqual(Array.from({ length: 200 }, (_, n) => n))
    expect(sent.map(({ result }) => (result as { offset: number }).offset)).toEqual(heard.map((_, n) => n + 1))
  })
})
