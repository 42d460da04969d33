// Promises that nobody looks at: their failures are heard as events, and the platform has nothing to complain of.

import { isRealtimeError, type Receipt } from 'steadywire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONNECT_MS, promises, Stage } from '../../support/stage.ts'
import { connected, SILENT } from '../../support/desk.ts'

describe('a forgotten promise', () => {
  const unhandled: unknown[] = []
  const hear = (error: unknown) => unhandled.push(error)
  beforeAll(() => void process.on('unhandledRejection', hear))
  afterAll(() => void process.off('unhandledRejection', hear))

  test('that rejects is an error event, once, and no unhandled rejection', async () => {
    const seen: unknown[] = []
    const { stage, client } = await connected({ onError: (detail: unknown) => seen.push(detail) })
    void client.channel('a').publish('', 1)
    await stage.advance(CONNECT_MS)
    await promises()
    expect(seen).toMatchObject([{ channel: 'a', error: { code: 'invalid', outcome: 'rejected' } }])
    expect([...unhandled, ...stage.errors]).toEqual([])
  })

  test('that rejects is reported where nobody listens for errors', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    void client.channel('a').publish('', 1)
    await stage.advance(CONNECT_MS)
    expect(stage.errors.map((error) => isRealtimeError(error) && error.code)).toEqual(['invalid'])
  })

  test('that resolves is nothing', async () => {
    const seen: unknown[] = []
    const { stage, client } = await connected({ onError: (detail: unknown) => seen.push(detail) })
    void client.channel('a').publish('m', 1)
    await stage.advance(CONNECT_MS)
    expect([...seen, ...unhandled, ...stage.errors]).toEqual([])
  })

  test.each<[string, (promise: Promise<Receipt>) => unknown]>([
    ['awaited', async (promise) => await promise.catch(() => {})],
    [
      'awaited in try',
      async (promise) => {
        try {
          await promise
        } catch {}
      },
    ],
    ['caught', (promise) => promise.catch(() => {})],
    ['given two functions', (promise) => promise.then(undefined, () => {})],
    ['one of several', (promise) => Promise.allSettled([promise])],
    ['returned by an async function', (promise) => (async () => promise)().catch(() => {})],
  ])('that is %s after all is no error event', async (_, handle) => {
    const seen: unknown[] = []
    const { stage, client } = await connected({ onError: (detail: unknown) => seen.push(detail) })
    handle(client.channel('a').publish('', 1))
    await stage.advance(CONNECT_MS)
    expect([...seen, ...unhandled, ...stage.errors]).toEqual([])
  })

  test('that rejects later is an error event then', async () => {
    const seen: unknown[] = []
    const { stage, server, client } = await connected({ onError: (detail: unknown) => seen.push(detail) }, SILENT)
    void client.channel('a').publish('m', 1)
    await stage.advance(50)
    server.last.close(1006)
    await stage.advance(CONNECT_MS)
    expect(seen).toMatchObject([{ channel: 'a', error: { code: 'connection-lost', outcome: 'unknown' } }])
    expect(unhandled).toEqual([])
  })
})
