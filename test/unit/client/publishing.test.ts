// Publishes: every one ends in exactly one of three ways, and the wire keeps order and measure.

import type { Receipt } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'
import { connected, SILENT } from '../../support/desk.ts'

describe('acknowledged', () => {
  test('resolves with the id and the position that the server gave it', async () => {
    const { stage, server, client } = await connected()
    const sent = watch(client.channel('a').publish('m', { n: 1 }))
    await stage.advance(CONNECT_MS)
    const [pub] = server.framesOf('pub')
    expect(sent.result).toEqual({ id: pub?.id, epoch: 'epoch-1', offset: 1 })
    expect(pub).toMatchObject({ channel: 'a', name: 'm', data: { n: 1 } })
  })

  test('by channel, in the order of calls, also of what was called while there was no connection', async () => {
    const { stage, server, client } = await connected()
    const publishAll = (from: number) => {
      for (let n = from; n < from + 6; n++) watch(client.channel(n % 2 ? 'odd' : 'even').publish('m', n))
    }
    publishAll(0)
    await stage.advance(CONNECT_MS)
    server.last.close(1006)
    await stage.advance(20)
    publishAll(6)
    await stage.advance(5_000)
    const sentTo = (name: string) => server.framesOf('pub').filter((pub) => pub.channel === name)
    expect(sentTo('even').map(({ data }) => data)).toEqual([0, 2, 4, 6, 8, 10])
    expect(sentTo('odd').map(({ data }) => data)).toEqual([1, 3, 5, 7, 9, 11])
  })

  test('tells once that everything has settled', async () => {
    const { stage, client } = await connected()
    let drained = 0
    client.on('drained', () => drained++)
    for (let n = 0; n < 10; n++) watch(client.channel('a').publish('m', n))
    await stage.advance(1_000)
    expect(drained).toBe(1)
  })

  test('whatever is called before the connection is there', async () => {
    const stage = new Stage()
    const client = stage.client()
    const sent = [1, 2, 3].map((n) => watch(client.channel('a').publish('m', n)))
    await stage.advance(CONNECT_MS)
    expect(sent.map(({ result }) => (result as Receipt).offset)).toEqual([1, 2, 3])
  })

  test('asks for the channel for writing only', async () => {
    const { stage, server, client } = await connected()
    watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('sub')).toMatchObject([{ want: ['write'] }])
  })
})

describe('rejected', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const tooDeep = JSON.parse('['.repeat(65) + ']'.repeat(65)) as unknown

  test.each<[string, unknown]>([
    ['a cycle', cyclic],
    ['a BigInt', { n: 1n }],
    ['a BigInt alone', 1n],
    ['65 levels', tooDeep],
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    [
      'a toJSON that throws',
      {
        toJSON() {
          throw new Error('mine')
        },
      },
    ],
  ])('invalid: %s as data', async (_, data) => {
    const { stage, server, client } = await connected()
    const sent = watch(client.channel('a').publish('m', data))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
    expect(server.framesOf('pub')).toEqual([])
  })

  test.each<[string, unknown]>([
    ['the empty text', ''],
    ['65 bytes', 'x'.repeat(65)],
    ['65 bytes in 33 characters', `${'ü'.repeat(32)}x`],
    ['half a character', '\ud800'],
    ['a number', 7],
  ])('invalid: %s as name', async (_, name) => {
    const { stage, server, client } = await connected()
    const sent = watch(client.channel('a').publish(name as string, 1))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
    expect(server.framesOf('pub')).toEqual([])
  })

  test('outbox-full: one more than outbox.maxMessages', async () => {
    const stage = new Stage()
    const client = stage.client({ outbox: { maxMessages: 2 }, connect: { auto: false }, onError: () => {} })
    const sent = [1, 2, 3].map((n) => watch(client.channel('a').publish('m', n)))
    await stage.advance(0)
    expect(sent.map(({ result }) => result)).toMatchObject([
      undefined,
      undefined,
      { code: 'outbox-full', outcome: 'rejected', retry: 'later' },
    ])
    client.connect()
    await stage.advance(CONNECT_MS)
    const again = watch(client.channel('a').publish('m', 4))
    await stage.advance(CONNECT_MS)
    expect([sent[0]?.result, sent[1]?.result, again.result]).toMatchObject([
      { offset: 1 },
      { offset: 2 },
      { offset: 3 },
    ])
  })

  test('outbox-full: more bytes than outbox.maxBytes', async () => {
    const stage = new Stage()
    const client = stage.client({ outbox: { maxBytes: 1_000 }, connect: { auto: false }, onError: () => {} })
    const sent = [1, 2, 3].map(() => watch(client.channel('a').publish('m', 'x'.repeat(250))))
    await stage.advance(0)
    expect(sent.map(({ result }) => result)).toMatchObject([undefined, undefined, { code: 'outbox-full' }])
    expect(client.stats()).toMatchObject({ outbox: 2 })
    expect(client.stats().outboxBytes).toBeLessThanOrEqual(1_000)
  })

  test('frame-too-large: more than maxFrameBytes, and nothing is queued', async () => {
    const { stage, server, client } = await connected({ maxFrameBytes: 65_536 })
    const sent = watch(client.channel('a').publish('m', 'x'.repeat(65_536)))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'frame-too-large', outcome: 'rejected' })
    expect([server.framesOf('pub').length, client.stats().outbox]).toEqual([0, 0])
  })

  test('frame-too-large: more than the server takes, and what follows is sent', async () => {
    const limits = { ...aWelcome().limits, messageBytes: 2_000 }
    const { stage, client } = await connected({}, { hello: () => [aWelcome({ limits })] })
    const large = watch(client.channel('a').publish('m', 'x'.repeat(2_000)))
    const small = watch(client.channel('a').publish('m', 'x'))
    await stage.advance(CONNECT_MS)
    expect([large.result, small.result]).toMatchObject([
      { code: 'frame-too-large', outcome: 'rejected' },
      { offset: 1 },
    ])
  })

  test.each([
    ['invalid', 'invalid'],
    ['forbidden', 'forbidden'],
    ['too-large', 'frame-too-large'],
    ['stale-base', 'stale-base'],
    ['a-word-of-later', 'invalid'],
  ])('by the server with %s: %s, with the server’s words', async (code, expected) => {
    const { stage, client } = await connected(
      {},
      { pub: ({ channel, sequence }) => [{ type: 'nack', channel, sequence, code, message: 'Because' }] },
    )
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: expected, outcome: 'rejected', message: 'Because' })
  })

  test('stale-base: the channel has moved past the base', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const channel = client.channel('a')
    const first = watch(channel.publish('m', 1))
    await stage.advance(CONNECT_MS)
    const { epoch, offset } = first.result as Receipt
    const second = watch(channel.publish('m', 2, { base: { epoch, offset } }))
    await stage.advance(CONNECT_MS)
    const third = watch(channel.publish('m', 3, { base: { epoch, offset } }))
    const elsewhere = watch(channel.publish('m', 4, { base: { epoch: 'other', offset: 2 } }))
    await stage.advance(CONNECT_MS)
    expect([second.result, third.result, elsewhere.result]).toMatchObject([
      { offset: 2 },
      { code: 'stale-base', outcome: 'rejected' },
      { code: 'stale-base', outcome: 'rejected' },
    ])
  })

  test('timeout: never sent when its time was over', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1, { timeoutMs: 5_000 }))
    await stage.advance(4_999)
    expect(sent.result).toBeUndefined()
    await stage.advance(1)
    expect(sent.result).toMatchObject({ code: 'timeout', outcome: 'rejected' })
  })
})

describe('unknown', () => {
  test('connection-lost: sent, and the answer was lost; it is not sent again', async () => {
    const { stage, server, client } = await connected({}, SILENT)
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(50)
    server.last.close(1006)
    await stage.advance(10_000)
    expect(sent.result).toMatchObject({ code: 'connection-lost', outcome: 'unknown' })
    expect(server.framesOf('pub')).toHaveLength(1)
  })

  test('timeout: sent and not answered in time', async () => {
    const { stage, client } = await connected({}, SILENT)
    const sent = watch(client.channel('a').publish('m', 1, { timeoutMs: 3_000 }))
    await stage.advance(3_000)
    expect(sent.result).toMatchObject({ code: 'timeout', outcome: 'unknown' })
  })

  test('leaves a late answer without effect', async () => {
    const { stage, server, client } = await connected({}, SILENT)
    const sent = watch(client.channel('a').publish('m', 1, { timeoutMs: 3_000 }))
    await stage.advance(3_050)
    server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'timeout' })
    expect([stage.dials.length, ...stage.errors]).toEqual([1])
  })
})

describe('a settled publish', () => {
  test('is counted in the channel’s snapshot no more', async () => {
    const { stage, client } = await connected()
    const channel = client.channel('a')
    watch(channel.publish('m', 1))
    watch(channel.publish('m', 2))
    expect(channel.state.getSnapshot().pending).toBe(2)
    await stage.advance(CONNECT_MS)
    expect(channel.state.getSnapshot().pending).toBe(0)
  })
})

describe('time', () => {
  test('of a minute is given by default', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(59_999)
    expect(sent.result).toBeUndefined()
    await stage.advance(1)
    expect(sent.result).toMatchObject({ code: 'timeout' })
  })

  test('is given by the client’s own default', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client({ publish: { timeoutMs: 1_000 } })
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(1_000)
    expect(sent.result).toMatchObject({ code: 'timeout' })
  })

  test('of Infinity is never over', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1, { timeoutMs: Infinity }))
    await stage.advance(3_600_000)
    expect(sent.result).toBeUndefined()
    stage.world.network.isRefusing = false
    await stage.advance(60_000)
    expect(sent.result).toMatchObject({ offset: 1 })
  })
})

describe('data', () => {
  test.each<[string, unknown, unknown]>([
    ['left out is null', undefined, null],
    ['null is null', null, null],
    ['false is false', false, false],
    ['0 is 0', 0, 0],
    ['the empty text is that', '', ''],
    ['NaN is null, as JSON has it', NaN, null],
    ['an instant is what JSON makes of it', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a field that is undefined is left out', { a: undefined, b: 1 }, { b: 1 }],
    ['of 64 levels is taken', JSON.parse('['.repeat(64) + ']'.repeat(64)), JSON.parse('['.repeat(64) + ']'.repeat(64))],
    ['keeps __proto__ a key', JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}')],
    ['keeps text as it is', '\u2028 🎈 "\\', '\u2028 🎈 "\\'],
  ])('%s', async (_, data, expected) => {
    const { stage, server, client } = await connected()
    watch(client.channel('a').publish('m', data))
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('pub').map((pub) => pub.data)).toEqual([expected])
  })

  test('is encoded at the call: later changes are not sent', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = stage.client()
    const data = { n: 1 }
    watch(client.channel('a').publish('m', data))
    data.n = 2
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('pub')[0]?.data).toEqual({ n: 1 })
  })
})
