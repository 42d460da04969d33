// Publishes of which nobody can tell any more whether they were stored: unknown, with the reason, and never sent again unasked.

import type { RealtimeError } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anAttached, aWelcome, EPOCH } from '../../support/fake-server.ts'
import { connected, SILENT } from '../../support/desk.ts'
import { aRecord, type Done, reconnect, RECONNECT_MS, recorded, remembering } from '../../support/records.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

/** One publish on its way to channel `a`. */
async function inFlight(options: object = {}, answers: object = {}) {
  const it = await recorded(options, answers)
  const sent = watch(it.client.channel('a').publish('m', 1))
  await it.stage.advance(CONNECT_MS)
  const id = it.server.framesOf('pub')[0]?.id ?? ''
  return { ...it, sent, id }
}

const detached = (request: number, code: string) => ({ type: 'detached', channel: 'a', request, code })

/** Answers a `sub` from another history. */
const elsewhere = (incarnation: string) => ({
  sub: ({ channel, request, want }: { channel: string; request: number; want: readonly string[] }) => [
    anAttached(channel, request, want, 0, { ...aRecord(incarnation), top: { epoch: 'epoch-2', offset: 0 } }),
  ],
})

describe('another record of this producer', () => {
  test('leaves what was sent under the one before unknown: record-lost', async () => {
    const it = await inFlight()
    await reconnect(it, { ...SILENT, ...remembering('incarnation-2') })
    expect(it.sent.result).toMatchObject({ code: 'record-lost', outcome: 'unknown' })
    expect(it.server.last.framesOf('pub')).toEqual([])
  })

  test('in another history leaves it unknown: epoch-changed', async () => {
    const it = await inFlight()
    await reconnect(it, { ...SILENT, ...elsewhere('incarnation-2') })
    expect(it.sent.result).toMatchObject({ code: 'epoch-changed', outcome: 'unknown' })
    expect(it.server.last.framesOf('pub')).toEqual([])
  })

  test('settles what it lists all the same', async () => {
    const it = await inFlight()
    await reconnect(it, { ...SILENT, ...remembering('incarnation-2', [[1, it.id, 4]]) })
    expect(it.sent.result).toMatchObject({ epoch: EPOCH, offset: 4 })
  })

  test('takes what was never sent', async () => {
    const it = await inFlight()
    it.server.last.close(1006)
    await it.stage.advance(10)
    const waiting = watch(it.client.channel('a').publish('m', 2))
    await reconnect(it, remembering('incarnation-2'))
    expect([it.sent.result, waiting.result]).toMatchObject([{ code: 'record-lost' }, { offset: 1 }])
    expect(it.server.last.framesOf('pub').map(({ sequence, data }) => [sequence, data])).toEqual([[2, 2]])
  })

  test('of one channel says nothing of another', async () => {
    const it = await inFlight()
    const other = watch(it.client.channel('b').publish('m', 2))
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, {
      ...SILENT,
      sub: ({ channel, request, want }) => [
        anAttached(channel, request, want, 0, aRecord(channel === 'a' ? 'incarnation-2' : 'incarnation-1')),
      ],
    })
    expect([it.sent.result, other.result]).toMatchObject([{ code: 'record-lost' }, undefined])
    expect(it.server.last.framesOf('pub').map(({ channel }) => channel)).toEqual(['b'])
  })

  test('is remembered as the one under which a publish was first sent, over several losses', async () => {
    const it = await inFlight()
    await reconnect(it)
    await reconnect(it, { ...SILENT, sub: () => [] })
    expect(it.sent.result).toBeUndefined()
    await reconnect(it, { ...SILENT, ...remembering('incarnation-2') })
    expect(it.sent.result).toMatchObject({ code: 'record-lost', outcome: 'unknown' })
  })

  test('on the same connection leaves what it carried unknown, and takes what comes then', async () => {
    const it = await inFlight()
    it.server.answers = { ...SILENT, ...remembering('incarnation-2') }
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.sent.result).toMatchObject({ code: 'record-lost', outcome: 'unknown' })
    it.server.answers = remembering('incarnation-2')
    const next = watch(it.client.channel('a').publish('m', 2))
    await it.stage.advance(CONNECT_MS)
    expect(next.result).toMatchObject({ offset: 1 })
  })
})

describe('a server that keeps no record any more', () => {
  test('leaves what one that did was sent unknown: record-lost', async () => {
    const it = await inFlight()
    await reconnect(it, { ...SILENT, sub: ({ channel, request, want }) => [anAttached(channel, request, want)] })
    expect(it.sent.result).toMatchObject({ code: 'record-lost', outcome: 'unknown' })
    expect(it.server.last.framesOf('pub')).toEqual([])
  })

  test('of level 1 leaves what was on its way unknown at the loss: connection-lost', async () => {
    const it = await connected({}, SILENT)
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(10)
    expect(sent.result).toMatchObject({ code: 'connection-lost', outcome: 'unknown' })
  })
})

describe('detached', () => {
  test('producer-gone asks again, and another record leaves it unknown', async () => {
    const it = await inFlight()
    it.server.answers = { ...SILENT, ...remembering('incarnation-2') }
    it.server.last.say(detached(it.server.last.requestOf('a'), 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub')).toHaveLength(2)
    expect(it.sent.result).toMatchObject({ code: 'record-lost', outcome: 'unknown' })
  })

  test('producer-gone has it sent again under the same record: the server has dropped what it had queued', async () => {
    const it = await inFlight()
    it.server.last.say(detached(it.server.last.requestOf('a'), 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pub').map(({ sequence, id }) => [sequence, id])).toEqual([
      [1, it.id],
      [1, it.id],
    ])
    expect(it.sent.result).toBeUndefined()
  })

  test('frees the window of what its attachment carried', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await inFlight({}, { hello: () => [aWelcome({ limits })] })
    const other = watch(it.client.channel('b').publish('m', 2))
    await it.stage.advance(CONNECT_MS)
    it.server.answers = {
      ...remembering(),
      sub: ({ channel, request, want }) =>
        channel === 'a' ? [] : [anAttached(channel, request, want, 0, aRecord('incarnation-1'))],
    }
    it.server.last.say(detached(it.server.last.requestOf('a'), 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect(other.result).toMatchObject({ offset: 1 })
  })

  test('of an attachment that is still to come means nothing', async () => {
    const it = await inFlight()
    it.server.last.say(detached(it.server.last.requestOf('a') + 1, 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect([it.sent.result, it.server.framesOf('sub').length, it.stage.dials.length]).toEqual([undefined, 1, 1])
  })

  test('of an older one, after the newer was answered, dials again where publishes are unanswered: which, nobody can tell', async () => {
    const it = await inFlight()
    const older = it.server.last.requestOf('a')
    it.server.answers = {
      ...SILENT,
      sub: ({ channel, request }) => [anAttached(channel, request, ['read'], 0)],
    }
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(detached(older, 'producer-gone'))
    await it.stage.advance(2_000)
    expect([it.stage.dials.length, it.sent.result]).toMatchObject([2, { outcome: 'unknown' }])
    it.server.last.say(detached(0, 'producer-gone'))
    await it.stage.advance(2_000)
    expect(it.stage.dials).toHaveLength(2)
  })

  test('of an attachment that there never was frees nothing, also while a newer answer is awaited', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await inFlight({}, { hello: () => [aWelcome({ limits })] })
    watch(it.client.channel('b').publish('m', 2))
    await it.stage.advance(CONNECT_MS)
    it.server.answers = { ...SILENT, sub: () => [] }
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(detached(it.server.last.requestOf('a') + 1, 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pub')).toHaveLength(1)
  })

  test('is answered by one sub each; more than three in a minute replace the connection, after a wait', async () => {
    const it = await inFlight({ backoff: { minDelayMs: 60_000 } })
    it.server.answers = { ...SILENT, sub: ({ request }) => [detached(request, 'producer-gone')] }
    it.server.last.say(detached(it.server.last.requestOf('a'), 'producer-gone'))
    await it.stage.advance(2_000)
    expect([it.server.framesOf('sub').length, it.server.framesOf('pub').length]).toEqual([4, 1])
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'reconnecting', cause: { code: 'connection-lost' } })
  })

  test('keeps the reader’s place: what came meanwhile is fetched', async () => {
    const it = await connected()
    const heard: number[] = []
    it.client.channel('a').onAny(({ offset }) => heard.push(offset))
    await it.stage.advance(CONNECT_MS)
    it.server.last.event('a')
    await it.stage.advance(CONNECT_MS)
    it.server.grow('a')
    it.server.last.say(detached(it.server.last.requestOf('a'), 'producer-gone'))
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub').at(-1)).toMatchObject({ position: { epoch: EPOCH, offset: 1 } })
    expect(heard).toEqual([1, 2])
  })

  test('revoked rejects what was never sent, and leaves what was unknown: forbidden', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await inFlight({}, { hello: () => [aWelcome({ limits })] })
    const waiting = watch(it.client.channel('a').publish('m', 2))
    const complaints: unknown[] = []
    it.client.on('error', ({ error, channel }) => complaints.push([channel, error.code]))
    it.server.last.say(detached(it.server.last.requestOf('a'), 'revoked'))
    await it.stage.advance(CONNECT_MS)
    expect([it.sent.result, waiting.result]).toMatchObject([
      { code: 'forbidden', outcome: 'unknown' },
      { code: 'forbidden', outcome: 'rejected' },
    ])
    expect(complaints).toEqual([['a', 'forbidden']])
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ pending: 0 })
  })

  test('revoked is final for the connection, and asked again on the next one', async () => {
    const it = await inFlight()
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(detached(it.server.last.requestOf('a'), 'revoked'))
    await it.stage.advance(CONNECT_MS)
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({
      status: 'detached',
      lastError: { code: 'forbidden' },
    })
    const subs = it.server.framesOf('sub').length
    const next = watch(it.client.channel('a').publish('m', 3))
    it.client.channel('a').on('m', () => {})
    await it.stage.advance(30_000)
    expect(it.server.framesOf('sub')).toHaveLength(subs)
    expect(next.result).toMatchObject({ code: 'forbidden', outcome: 'rejected' })
    await reconnect(it)
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'live', lastError: null })
  })
})

describe('a refusal on the next connection', () => {
  const denials = (done: readonly Done[]) =>
    [
      ['denied', (request: number) => ({ type: 'denied', channel: 'a', request, code: 'forbidden' })],
      [
        'an attachment without write',
        (request: number) => anAttached('a', request, [], 0, aRecord('incarnation-1', done)),
      ],
    ] as const

  test.each(denials([]))('(%s) leaves what was sent unknown and rejects the rest', async (_, refusal) => {
    const it = await inFlight()
    it.server.last.close(1006)
    await it.stage.advance(10)
    const waiting = watch(it.client.channel('a').publish('m', 2))
    await reconnect(it, { ...SILENT, sub: ({ request }) => [refusal(request)] })
    expect([it.sent.result, waiting.result]).toMatchObject([
      { code: 'forbidden', outcome: 'unknown' },
      { code: 'forbidden', outcome: 'rejected' },
    ])
  })

  test('settles what `done` lists all the same', async () => {
    const it = await inFlight()
    const done: Done = [1, it.id, 4]
    await reconnect(it, {
      ...SILENT,
      sub: ({ request }) => [anAttached('a', request, [], 0, aRecord('incarnation-1', [done]))],
    })
    expect(it.sent.result).toMatchObject({ epoch: EPOCH, offset: 4 })
  })
})

describe('4409', () => {
  test('leaves what was sent unknown, keeps what was not, and goes on as a new producer when told to', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await inFlight({}, { hello: () => [aWelcome({ limits })] })
    const waiting = watch(it.client.channel('a').publish('m', 2))
    it.server.last.close(4409)
    await it.stage.advance(CONNECT_MS)
    expect(it.client.state.getSnapshot()).toMatchObject({ status: 'failed', cause: { code: 'replaced' } })
    expect([it.sent.result, waiting.result]).toMatchObject([{ code: 'replaced', outcome: 'unknown' }, undefined])
    it.server.answers = remembering('incarnation-2')
    it.client.retryNow()
    await it.stage.advance(CONNECT_MS)
    const [before, after] = it.server.framesOf('hello')
    expect(after?.producer).not.toBe(before?.producer)
    expect(waiting.result).toMatchObject({ offset: 1 })
  })

  test('while nothing is on its way changes nothing but the producer', async () => {
    const it = await recorded()
    it.server.last.close(4409)
    await it.stage.advance(CONNECT_MS)
    it.client.retryNow()
    await it.stage.advance(CONNECT_MS)
    expect(new Set(it.server.framesOf('hello').map(({ producer }) => producer)).size).toBe(2)
  })
})

describe('1009', () => {
  /** Publishes of these sizes on their way, then the end. */
  async function tooLarge(it: Awaited<ReturnType<typeof recorded>>, ...sizes: number[]) {
    const sent = sizes.map((size) => watch(it.client.channel('a').publish('m', 'x'.repeat(size))))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1009)
    await it.stage.advance(RECONNECT_MS)
    return sent.map(({ result }) => result as RealtimeError | undefined)
  }
  const DOUBTED = { code: 'frame-too-large', outcome: 'unknown', remedy: 'Look for it.' }

  test('gives up the largest publish on its way, for it may have been stored all the same, and sends the others again', async () => {
    const it = await recorded()
    expect(await tooLarge(it, 10, 5_000, 20)).toMatchObject([undefined, DOUBTED, undefined])
    expect(it.server.last.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 3])
  })

  test('gives it up also where the server keeps no record', async () => {
    const it = await connected({}, SILENT)
    expect(await tooLarge(it, 10, 5_000)).toMatchObject([{ code: 'connection-lost', outcome: 'unknown' }, DOUBTED])
  })

  test('with nothing on its way rejects nothing', async () => {
    const it = await recorded()
    it.server.last.close(1009)
    await it.stage.advance(10)
    const waiting = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(RECONNECT_MS)
    expect([waiting.result, it.server.framesOf('pub').length]).toEqual([undefined, 1])
  })

  test('gives up no smaller one where the largest has been given up: the server may have stored it', async () => {
    const it = await recorded()
    const large = watch(it.client.channel('a').publish('m', 'x'.repeat(5_000), { timeoutMs: 500 }))
    await it.stage.advance(600)
    expect(large.result).toMatchObject({ code: 'timeout', outcome: 'unknown' })
    expect(await tooLarge(it, 10)).toEqual([undefined])
    expect(it.server.last.framesOf('pub')).toHaveLength(1)
  })
})

describe('given up', () => {
  test('a publish that was sent is unknown, one that was not is rejected: aborted', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await recorded({}, { hello: () => [aWelcome({ limits })] })
    const controller = new AbortController()
    const { signal } = controller
    const [sent, waiting, other] = [{ signal }, { signal }, {}].map((options, n) =>
      watch(it.client.channel('a').publish('m', n, options)),
    )
    await it.stage.advance(CONNECT_MS)
    controller.abort()
    await it.stage.advance(0)
    expect([sent?.result, waiting?.result, other?.result]).toMatchObject([
      { code: 'aborted', outcome: 'unknown' },
      { code: 'aborted', outcome: 'rejected' },
      undefined,
    ])
    // The one that was sent keeps its place until it is answered.
    expect(it.server.framesOf('pub')).toHaveLength(1)
    it.server.last.say({ type: 'ack', channel: 'a', sequence: 1, offset: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('pub').map(({ data }) => data)).toEqual([0, 2])
  })

  test('a signal that was aborted before the call sends nothing', async () => {
    const it = await recorded()
    const sent = watch(it.client.channel('a').publish('m', 1, { signal: AbortSignal.abort() }))
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'aborted', outcome: 'rejected' })
    expect(it.server.framesOf('pub')).toEqual([])
  })

  test('a signal that is aborted after the answer changes nothing', async () => {
    const it = await connected()
    const controller = new AbortController()
    const sent = watch(it.client.channel('a').publish('m', 1, { signal: controller.signal }))
    await it.stage.advance(CONNECT_MS)
    controller.abort()
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
  })

  test('by close, while the connection is down: unknown where it was sent, else rejected', async () => {
    const it = await inFlight()
    it.server.last.close(1006)
    await it.stage.advance(10)
    const waiting = watch(it.client.channel('a').publish('m', 2))
    void it.client.close()
    await it.stage.advance(0)
    expect([it.sent.result, waiting.result]).toMatchObject([
      { code: 'closed', outcome: 'unknown' },
      { code: 'closed', outcome: 'rejected' },
    ])
  })
})
