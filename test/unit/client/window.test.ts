// How much is on its way at once: the server's window, the socket's buffer, and what travels together.

import { describe, expect, test } from 'vitest'
import { aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'
import { connected, SILENT } from '../../support/desk.ts'

describe('the window', () => {
  async function unanswered(limits: object, count: number, data: unknown = 1) {
    const hello = () => [aWelcome({ limits: { ...aWelcome().limits, ...limits } })]
    const it = await connected({}, { ...SILENT, hello })
    const sent = Array.from({ length: count }, () => watch(it.client.channel('a').publish('m', data)))
    await it.stage.advance(1_000)
    return { ...it, sent }
  }

  test('of 64 unanswered publishes is kept on the wire', async () => {
    const { server } = await unanswered({}, 200)
    expect(server.framesOf('pub').map(({ sequence }) => sequence)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1))
  })

  test('of the server’s own size is kept', async () => {
    const { server } = await unanswered({ window: 3 }, 10)
    expect(server.framesOf('pub')).toHaveLength(3)
  })

  test('moves on by one with every answer', async () => {
    const { stage, server } = await unanswered({ window: 3 }, 10)
    server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await stage.advance(50)
    expect(server.framesOf('pub')).toHaveLength(4)
    server.last.say({ type: 'nack', channel: 'a', sequence: 2, code: 'invalid' })
    await stage.advance(50)
    expect(server.framesOf('pub')).toHaveLength(5)
  })

  test('counts a publish that was given up until it is answered', async () => {
    const { stage, server, client } = await connected(
      {},
      {
        ...SILENT,
        hello: () => [aWelcome({ limits: { ...aWelcome().limits, window: 1 } })],
      },
    )
    watch(client.channel('a').publish('m', 1, { timeoutMs: 3_000 }))
    watch(client.channel('a').publish('m', 2))
    await stage.advance(3_050)
    expect(server.framesOf('pub')).toHaveLength(1)
    server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await stage.advance(50)
    expect(server.framesOf('pub').map(({ data }) => data)).toEqual([1, 2])
  })

  test('of bytes is kept, and one publish may always go', async () => {
    const { server } = await unanswered({ windowBytes: 1_000 }, 10, 'x'.repeat(300))
    expect(server.framesOf('pub')).toHaveLength(2)
    const large = await unanswered({ windowBytes: 1_000 }, 2, 'x'.repeat(3_000))
    expect(large.server.framesOf('pub')).toHaveLength(1)
  })

  test('is empty again on the next connection', async () => {
    const { stage, server } = await unanswered({ window: 3 }, 10)
    server.last.close(1006)
    await stage.advance(5_000)
    expect(server.last.framesOf('pub')).toHaveLength(3)
  })

  test('waits while 32 KiB are left in the socket', async () => {
    const { stage, server, client } = await connected()
    stage.bufferedBytes = 32_768
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(1_000)
    expect(server.framesOf('pub')).toEqual([])
    stage.bufferedBytes = 0
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('lets no more than 32 KiB and one publish into an idle socket at once', async () => {
    const { stage, server, client } = await connected()
    for (let n = 0; n < 20; n++) watch(client.channel('a').publish('m', 'x'.repeat(8_000)))
    await stage.advance(12)
    await stage.advance(6)
    expect(server.framesOf('pub').length).toBeLessThanOrEqual(5)
    await stage.advance(2_000)
    expect(server.framesOf('pub')).toHaveLength(20)
  })
})

describe('many publishes in one tick', () => {
  test('travel together in one message', async () => {
    const { stage, server, client } = await connected()
    watch(client.channel('a').publish('m', 0))
    await stage.advance(CONNECT_MS)
    server.last.batches.length = 0
    for (let n = 1; n <= 20; n++) watch(client.channel('a').publish('m', n))
    await stage.advance(CONNECT_MS)
    expect(server.last.batches).toEqual([20])
  })
})
