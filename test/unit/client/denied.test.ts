// A channel that the server refuses: said once, final for the connection, and no harm to the others.

import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

describe('a denied channel', () => {
  function denying(code = 'forbidden') {
    const stage = new Stage()
    const server = stage.fake({
      sub: ({ channel, request }) => [{ type: 'denied', channel, request, code, message: 'Not yours' }],
    })
    const seen: unknown[] = []
    return { stage, server, seen }
  }

  test('says so in its state and as an error event, once', async () => {
    const { stage, seen } = denying()
    const client = await stage.connected({ onError: (detail) => seen.push(detail) })
    client.channel('a').on('m', () => {})
    client.channel('a').onAny(() => {})
    await stage.advance(5_000)
    expect(client.channel('a').state.getSnapshot()).toMatchObject({
      status: 'denied',
      lastError: { code: 'forbidden', message: 'Not yours' },
    })
    expect(seen).toMatchObject([{ channel: 'a', error: { code: 'forbidden' } }])
  })

  test('is reported where nobody listens for errors', async () => {
    const { stage } = denying()
    const client = await stage.connected()
    client.channel('a').on('m', () => {})
    await stage.advance(CONNECT_MS)
    expect(stage.errors).toMatchObject([{ code: 'forbidden' }])
  })

  test('rejects what is published to it, then and later, for good', async () => {
    const { stage } = denying()
    const client = await stage.connected({ onError: () => {} })
    const first = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    const later = watch(client.channel('a').publish('m', 2))
    await stage.advance(CONNECT_MS)
    expect([first.result, later.result]).toMatchObject([
      { code: 'forbidden', outcome: 'rejected', retry: 'never' },
      { code: 'forbidden', outcome: 'rejected' },
    ])
  })

  test('is not asked for again on this connection, and once on the next', async () => {
    const { stage, server } = denying()
    const client = await stage.connected({ onError: () => {} })
    client.channel('a').on('m', () => {})
    await stage.advance(20_000)
    client.channel('a').onAny(() => {})
    await stage.advance(20_000)
    expect(server.framesOf('sub')).toHaveLength(1)
    server.answers = {}
    server.last.close(1006)
    await stage.advance(5_000)
    expect(server.framesOf('sub')).toHaveLength(2)
    expect(client.channel('a').state.getSnapshot()).toMatchObject({ status: 'live', lastError: null })
  })

  test('says the word of the server where it is one that is known', async () => {
    const { stage } = denying('too-many')
    const client = await stage.connected({ onError: () => {} })
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'too-many', outcome: 'rejected' })
  })

  test('for writing alone rejects publishes and goes on being read', async () => {
    const stage = new Stage()
    const server = stage.fake({
      sub: ({ channel, request }) => [
        { type: 'attached', channel, request, grants: ['read'], top: { epoch: 'epoch-1', offset: 0 }, mode: 'live' },
      ],
    })
    const client = await stage.connected({ onError: () => {} })
    const heard: unknown[] = []
    client.channel('a').on('m', (data) => heard.push(data))
    await stage.advance(CONNECT_MS)
    const sent = watch(client.channel('a').publish('m', 1))
    await stage.advance(CONNECT_MS)
    server.last.event('a', { data: 'm' })
    await stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'forbidden', outcome: 'rejected' })
    expect(heard).toEqual(['m'])
  })
})
