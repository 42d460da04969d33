// Requests, and pages of history: sent once or again, answered once, and given up in time.

import { describe, expect, test } from 'vitest'
import type { ClientOptions } from 'steadywire'
import { type Answers, aWelcome, EPOCH } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const BACKOFF = { backoff: { baseDelayMs: 10 } }
const RECONNECT_MS = 500
const FEATURES = ['requests', 'history']

async function connected(options: Partial<ClientOptions> = {}, answers: Answers = {}, features = FEATURES) {
  const stage = new Stage()
  const server = stage.fake({ hello: () => [aWelcome({ features })], ...answers })
  const client = await stage.connected({ onError: () => {}, ...BACKOFF, ...options })
  return { stage, server, client }
}

const echoing: Answers = { req: ({ id, params }) => [{ type: 'res', id, data: params }] }
const aLogged = (offset: number) => ({ offset, id: `m${offset}`, name: 'm', data: offset, storedAtMs: 1 })
const keeping: Answers = {
  hist: ({ id, before, limit }) => {
    const end = before ? before.offset - 1 : 10
    const start = Math.max(0, end - limit)
    const events = Array.from({ length: end - start }, (_, i) => aLogged(start + 1 + i))
    return [{ type: 'histpage', id, events, more: start > 0, epoch: EPOCH }]
  },
}

describe('a request', () => {
  test('resolves with the answer', async () => {
    const it = await connected({}, echoing)
    const asked = watch(it.client.request('echo', { a: [1, null] }))
    await it.stage.advance(CONNECT_MS)
    expect(asked.result).toEqual({ a: [1, null] })
  })

  test('is encoded at the call: later changes are not sent', async () => {
    const it = await connected({}, echoing)
    const params = { a: 1 }
    const asked = watch(it.client.request('echo', params))
    params.a = 2
    await it.stage.advance(CONNECT_MS)
    expect(asked.result).toEqual({ a: 1 })
  })

  test('left without params asks with null, and an answer without data is undefined', async () => {
    const it = await connected({}, { req: ({ id }) => [{ type: 'res', id }] })
    const asked = watch(it.client.request('do').then((answer) => [answer]))
    await it.stage.advance(CONNECT_MS)
    expect([it.server.framesOf('req')[0]?.params, asked.result]).toEqual([null, [undefined]])
  })

  test('is refused in the words of the server', async () => {
    const it = await connected(
      {},
      { req: ({ id }) => [{ type: 'res', id, error: { code: 'forbidden', message: 'Not yours.' } }] },
    )
    const asked = watch(it.client.request('delete'))
    await it.stage.advance(CONNECT_MS)
    expect(asked.result).toMatchObject({ code: 'forbidden', message: 'Not yours.' })
  })

  test('dials on first use, and waits for the connection', async () => {
    const stage = new Stage()
    const server = stage.fake({ hello: () => [aWelcome({ features: FEATURES })], ...echoing })
    const asked = watch(stage.client().request('echo', 1))
    await stage.advance(2 * CONNECT_MS)
    expect([asked.result, server.framesOf('req').length]).toEqual([1, 1])
  })

  test('whose connection is lost before the answer is unknown, and not asked again', async () => {
    const it = await connected({}, { req: () => [] })
    const asked = watch(it.client.request('pay'))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(RECONNECT_MS)
    expect(asked.result).toMatchObject({ code: 'connection-lost', outcome: 'unknown', remedy: 'Look for it.' })
    expect(it.server.framesOf('req')).toHaveLength(1)
  })

  test.each([
    ['that was never sent is rejected', true, 'rejected'],
    ['that was sent is unknown', false, 'unknown'],
  ])('without an answer in time %s', async (_, isDown, outcome) => {
    const it = await connected({}, { req: () => [] })
    if (isDown) it.client.disconnect()
    const asked = watch(it.client.request('slow', null, { timeoutMs: 3_000 }))
    await it.stage.advance(2_900)
    expect(asked.result).toBeUndefined()
    await it.stage.advance(200)
    expect(asked.result).toMatchObject({ code: 'timeout', outcome })
  })

  test('whose answer comes after its time means nothing', async () => {
    const it = await connected({}, { req: () => [] })
    const asked = watch(it.client.request('slow', null, { timeoutMs: 1_000 }))
    await it.stage.advance(1_500)
    const [frame] = it.server.framesOf('req')
    it.server.last.say({ type: 'res', id: frame?.id, data: 1 }, { type: 'res', id: 'nobody asked', data: 1 })
    await it.stage.advance(CONNECT_MS)
    expect([asked.result, it.client.state.getSnapshot().status]).toMatchObject([{ code: 'timeout' }, 'connected'])
  })

  test('that is aborted ends so, and an aborted signal sends nothing', async () => {
    const it = await connected({}, { req: () => [] })
    const controller = new AbortController()
    const asked = watch(it.client.request('slow', null, { signal: controller.signal }))
    await it.stage.advance(CONNECT_MS)
    controller.abort()
    const late = watch(it.client.request('slow', null, { signal: controller.signal }))
    await it.stage.advance(CONNECT_MS)
    expect([asked.result, late.result]).toMatchObject([
      { code: 'aborted', outcome: 'unknown' },
      { code: 'aborted', outcome: 'rejected' },
    ])
    expect(it.server.framesOf('req')).toHaveLength(1)
  })

  test.each([
    ['close', 'closed'],
    ['logout', 'logged-out'],
  ] as const)('ends with %s', async (call, code) => {
    const it = await connected({}, { req: () => [] })
    const asked = watch(it.client.request('slow'))
    await it.stage.advance(CONNECT_MS)
    void it.client[call]()
    await it.stage.advance(0)
    expect(asked.result).toMatchObject({ code, outcome: 'unknown' })
    if (call === 'logout') return
    const late = watch(it.client.request('slow'))
    await it.stage.advance(0)
    expect(late.result).toMatchObject({ code: 'closed', outcome: 'rejected' })
  })

  test('that the server cannot answer is told at once: unsupported', async () => {
    const it = await connected({}, {}, [])
    const asked = watch(it.client.request('echo'))
    const read = watch(it.client.channel('a').history())
    await it.stage.advance(CONNECT_MS)
    expect([asked.result, read.result]).toMatchObject([
      { code: 'unsupported', outcome: 'rejected' },
      { code: 'unsupported', outcome: 'rejected' },
    ])
    expect([it.server.framesOf('req'), it.server.framesOf('hist')]).toEqual([[], []])
  })

  test.each([
    ['name', () => ['', 1] as const],
    ['params', () => ['m', () => {}] as const],
    ['timeoutMs', () => ['m', 1, { timeoutMs: Number.NaN }] as const],
  ])('with a bad %s is refused: invalid', async (_, args) => {
    const it = await connected()
    const asked = watch(it.client.request(...(args() as [string, unknown, object])))
    await it.stage.advance(0)
    expect(asked.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
  })

  test('waits its turn where 64 are open', async () => {
    const it = await connected({}, { req: () => [] })
    const asked = Array.from({ length: 70 }, (_, n) => watch(it.client.request('m', n)))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('req')).toHaveLength(64)
    const [first] = it.server.framesOf('req')
    it.server.last.say({ type: 'res', id: first?.id, data: 'x' })
    await it.stage.advance(CONNECT_MS)
    expect([asked[0]?.result, it.server.framesOf('req').length]).toEqual(['x', 65])
  })

  test('that is forgotten is told of as an error where it fails, and is no unhandled rejection', async () => {
    const told: string[] = []
    const it = await connected({ onError: ({ error }) => told.push(error.code) }, { req: () => [] })
    void it.client.request('m', null, { timeoutMs: 100 })
    await it.stage.advance(1_000)
    expect(told).toEqual(['timeout'])
  })
})

describe('history', () => {
  test('answers the newest messages, the oldest first, and whether there are more', async () => {
    const it = await connected({}, keeping)
    const read = watch(it.client.channel('a').history({ limit: 3 }))
    await it.stage.advance(CONNECT_MS)
    expect(read.result).toMatchObject({ messages: [{ offset: 8 }, { offset: 9 }, { offset: 10 }], hasMore: true })
    expect(read.result).toMatchObject({ messages: [{ data: 8, epoch: EPOCH, replayed: true, overlap: false }, {}, {}] })
  })

  test('goes back page by page', async () => {
    const it = await connected({}, keeping)
    const room = it.client.channel('a')
    const read = watch(room.history({ before: { epoch: EPOCH, offset: 3 } }))
    await it.stage.advance(CONNECT_MS)
    expect(read.result).toMatchObject({ messages: [{ offset: 1 }, { offset: 2 }], hasMore: false })
    expect(it.server.framesOf('hist')[0]).toMatchObject({ before: { epoch: EPOCH, offset: 3 }, limit: 50 })
  })

  test('attaches nothing, calls no handler and moves no position', async () => {
    const it = await connected({}, keeping)
    watch(it.client.channel('a').history())
    await it.stage.advance(CONNECT_MS)
    expect([it.server.framesOf('sub'), it.client.channel('a').state.getSnapshot()]).toMatchObject([
      [],
      { status: 'idle', position: null },
    ])
  })

  test('is asked for again on the next connection', async () => {
    const it = await connected({}, { hist: () => [] })
    const read = watch(it.client.channel('a').history({ limit: 1 }))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    it.server.answers = { ...it.server.answers, ...keeping }
    await it.stage.advance(RECONNECT_MS)
    expect(read.result).toMatchObject({ messages: [{ offset: 10 }] })
    expect(it.server.framesOf('hist')).toHaveLength(2)
  })

  test('of a history that is no more rejects history-lost', async () => {
    const refused = { events: [], more: false, epoch: '', error: { code: 'history-lost' } }
    const it = await connected({}, { hist: ({ id }) => [{ type: 'histpage', id, ...refused }] })
    const read = watch(it.client.channel('a').history({ before: { epoch: 'old', offset: 3 } }))
    await it.stage.advance(CONNECT_MS)
    expect(read.result).toMatchObject({ code: 'history-lost' })
  })

  test.each([{ limit: 0 }, { limit: -1 }, { limit: 0.5 }, { before: 7 as never }, { timeoutMs: -1 }])(
    '%j is refused: invalid',
    async (options) => {
      const it = await connected({}, keeping)
      const read = watch(it.client.channel('a').history(options))
      await it.stage.advance(CONNECT_MS)
      expect([read.result, it.server.framesOf('hist')]).toMatchObject([{ code: 'invalid', outcome: 'rejected' }, []])
    },
  )
})
