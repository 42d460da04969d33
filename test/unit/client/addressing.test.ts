// The address: given or asked for before every try, and what it means when it is none, late, or never comes.

import type { Client } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const snapshotOf = (client: Client) => client.state.getSnapshot()
const BACKOFF = { baseDelayMs: 100, maxDelayMs: 100 }

describe('an address', () => {
  test.each(['', 'nowhere', '/realtime', 'http://world.test', 'https://world.test', 'javascript:0', 'ws:', 'ws://a#b'])(
    '%j is refused when the client is made',
    (url) => {
      expect(() => new Stage().client({ url })).toThrow(expect.objectContaining({ code: 'config' }))
    },
  )

  test.each(['ws://world.test', 'wss://world.test/realtime?a=b', 'WSS://WORLD.TEST/'])('%j is dialled', async (url) => {
    const stage = new Stage()
    await stage.connected({ url })
    expect(new URL(stage.lastDial.url).href).toBe(new URL(url).href)
  })
})

describe('a function', () => {
  test('is asked before every try', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    let n = 0
    await stage.connected({ url: () => `ws://world.test/${++n}`, backoff: BACKOFF })
    await stage.advance(150)
    expect(stage.dials.map(({ url }) => url).slice(0, 3)).toEqual([
      'ws://world.test/1',
      'ws://world.test/2',
      'ws://world.test/3',
    ])
  })

  test('is not asked before the client is used', async () => {
    const stage = new Stage()
    let asked = 0
    stage.client({ url: () => (asked++, 'ws://world.test') })
    await stage.advance(CONNECT_MS)
    expect(asked).toBe(0)
  })

  test('may promise the address', async () => {
    const stage = new Stage()
    await stage.connected({ url: () => Promise.resolve(new URL('wss://world.test/later')) })
    expect(stage.lastDial.url).toBe('wss://world.test/later')
  })

  test('that gives no address ends in failed, config, and is not asked again', async () => {
    const stage = new Stage()
    let asked = 0
    const client = await stage.connected({ url: () => (asked++, 'http://world.test'), backoff: BACKOFF })
    await stage.advance(60_000)
    expect(snapshotOf(client)).toMatchObject({ status: 'failed', cause: { code: 'config' } })
    expect([asked, stage.dials.length]).toEqual([1, 0])
  })

  test('that gave no address is asked again by retryNow', async () => {
    const stage = new Stage()
    let url = 'http://world.test'
    const client = await stage.connected({ url: () => url })
    url = 'ws://world.test'
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(snapshotOf(client)).toMatchObject({ status: 'connected', cause: null })
  })

  test.each<[string, () => string | Promise<string>]>([
    [
      'throws',
      () => {
        throw new Error('hiccup')
      },
    ],
    ['rejects', () => Promise.reject(new Error('hiccup'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
  ])('that %s is asked again after the backoff', async (_, fail) => {
    const stage = new Stage()
    let asked = 0
    const url = () => (asked++ < 2 ? fail() : 'ws://world.test')
    const client = await stage.connected({ url, backoff: { minDelayMs: 1_000, baseDelayMs: 0 } })
    expect([asked, snapshotOf(client).status]).toEqual([1, 'connecting'])
    await stage.advance(2_000 + CONNECT_MS)
    expect([asked, snapshotOf(client).status]).toEqual([3, 'connected'])
  })

  test('that never answers is a timeout, and asked again', async () => {
    const stage = new Stage()
    let asked = 0
    const url = () => (asked++ ? 'ws://world.test' : new Promise<string>(() => {}))
    const client = stage.client({ url, connect: { timeoutMs: 2_000 }, backoff: { minDelayMs: 100 } })
    client.connect()
    await stage.advance(2_000)
    expect(snapshotOf(client).cause?.code).toBe('timeout')
    await stage.advance(2_000)
    expect(snapshotOf(client).status).toBe('connected')
  })

  test('that publishes is heard', async () => {
    const stage = new Stage()
    const results: unknown[] = []
    const client = stage.client({
      url: () => {
        void client
          .channel('a')
          .publish('m', 1)
          .then((receipt) => results.push(receipt))
        return 'ws://world.test'
      },
    })
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(results).toMatchObject([{ offset: 1 }])
  })
})

describe('a late answer', () => {
  async function asking(options: object = {}) {
    const stage = new Stage()
    const answers: ((url: string) => void)[] = []
    const rejects: ((error: Error) => void)[] = []
    const url = () =>
      new Promise<string>((resolve, reject) => {
        answers.push(resolve)
        rejects.push(reject)
      })
    const client = await stage.connected({ url, connect: { timeoutMs: 2_000 }, ...options })
    return { stage, client, answers, rejects }
  }

  test.each<[string, (client: Client) => void]>([
    ['disconnect', (client) => client.disconnect()],
    ['close', (client) => void client.close()],
  ])('means nothing after %s', async (_, end) => {
    const { stage, client, answers } = await asking()
    end(client)
    answers[0]?.('ws://late.test')
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toEqual([])
  })

  test('means nothing to the question after it', async () => {
    const { stage, client, answers } = await asking()
    client.disconnect()
    client.connect()
    answers[0]?.('ws://old.test')
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toEqual([])
    answers[1]?.('ws://new.test')
    await stage.advance(CONNECT_MS)
    expect(stage.dials.map(({ url }) => url)).toEqual(['ws://new.test'])
  })

  test('means nothing when the time is over', async () => {
    const { stage, answers } = await asking({ backoff: { minDelayMs: 60_000 } })
    await stage.advance(3_000)
    answers[0]?.('ws://late.test')
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toEqual([])
  })

  test('that is a refusal means nothing either', async () => {
    const { stage, client, answers, rejects } = await asking()
    client.disconnect()
    client.connect()
    await stage.advance(0)
    rejects[0]?.(new Error('late'))
    await stage.advance(0)
    answers[1]?.('ws://world.test')
    await stage.advance(CONNECT_MS)
    expect([snapshotOf(client).status, snapshotOf(client).cause]).toEqual(['connected', null])
  })
})
