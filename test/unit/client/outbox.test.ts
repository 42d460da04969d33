// A full outbox: who must go, who may stay, and what they are told.

import { describe, expect, test } from 'vitest'
import type { PublishOptions } from 'steadywire'
import { aWelcome } from '../../support/fake-server.ts'
import { connected, SILENT } from '../../support/desk.ts'
import { reconnect, recorded } from '../../support/records.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

type Priority = NonNullable<PublishOptions['priority']>

const FULL = { code: 'outbox-full', outcome: 'rejected', retry: 'later' }

/** Publishes of these priorities into an outbox for three, before there is a connection. */
async function offer(overflow: string, ...priorities: Priority[]) {
  const stage = new Stage()
  const server = stage.fake()
  const client = stage.client({
    outbox: { maxMessages: 3, overflow: overflow as never },
    connect: { auto: false },
    onError: () => {},
  })
  const sent = priorities.map((priority, n) => watch(client.channel('a').publish('m', n, { priority })))
  await stage.advance(0)
  const lost = sent.flatMap(({ result }, n) => (result ? [n] : []))
  for (const n of lost) expect(sent[n]?.result).toMatchObject(FULL)
  client.connect()
  await stage.advance(CONNECT_MS)
  return { lost, published: server.framesOf('pub').map(({ data }) => data) }
}

describe('overflow', () => {
  test.each<[string, string, Priority[], number[]]>([
    ['reject', 'refuses the new one', ['low', 'low', 'low', 'high'], [3]],
    ['drop-oldest', 'drops the oldest', ['high', 'low', 'low', 'low'], [0]],
    ['drop-oldest', 'drops one for each new one', ['low', 'low', 'low', 'low', 'low'], [0, 1]],
    ['drop-lowest-priority', 'drops the lowest', ['high', 'low', 'normal', 'high'], [1]],
    ['drop-lowest-priority', 'drops the oldest of the lowest', ['normal', 'low', 'low', 'normal'], [1]],
    ['drop-lowest-priority', 'drops what is lower than the new one', ['normal', 'normal', 'high', 'high'], [0]],
    ['drop-lowest-priority', 'drops nothing for its equals', ['normal', 'normal', 'normal', 'normal'], [3]],
    ['drop-lowest-priority', 'drops nothing for what is lower', ['normal', 'high', 'high', 'low'], [3]],
  ])('%s %s', async (overflow, _, priorities, lost) => {
    const it = await offer(overflow, ...priorities)
    expect(it.lost).toEqual(lost)
    // The order within the channel is the order of calls, whatever their priorities.
    expect(it.published).toEqual(priorities.map((_, n) => n).filter((n) => !lost.includes(n)))
  })

  test.each(['drop-oldest', 'drop-lowest-priority'] as const)('%s never drops what was sent', async (overflow) => {
    const it = await connected({ outbox: { maxMessages: 2, overflow } }, SILENT)
    const sent = [1, 2].map((n) => watch(it.client.channel('a').publish('m', n, { priority: 'low' })))
    await it.stage.advance(CONNECT_MS)
    const next = watch(it.client.channel('a').publish('m', 3, { priority: 'high' }))
    await it.stage.advance(0)
    expect([...sent, next].map(({ result }) => result)).toMatchObject([undefined, undefined, FULL])
  })

  test('drop-oldest never drops what was sent on a connection that is lost', async () => {
    const it = await recorded({ outbox: { maxMessages: 1, overflow: 'drop-oldest' } })
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(10)
    const next = watch(it.client.channel('a').publish('m', 2))
    await it.stage.advance(0)
    expect([sent.result, next.result]).toMatchObject([undefined, FULL])
    await reconnect(it)
    expect(it.server.last.framesOf('pub').map(({ data }) => data)).toEqual([1])
  })

  test('drops as many as the bytes of the new one need, and none if even that were too few', async () => {
    const stage = new Stage()
    const client = stage.client({
      outbox: { maxBytes: 2_000, overflow: 'drop-oldest' },
      connect: { auto: false },
      onError: () => {},
    })
    const publish = (length: number) => watch(client.channel('a').publish('m', 'x'.repeat(length)))
    const small = [300, 300, 300].map(publish)
    await stage.advance(0)
    const large = publish(1_200)
    await stage.advance(0)
    expect(small.map(({ result }) => result)).toMatchObject([FULL, FULL, undefined])
    const tooLarge = publish(1_990)
    await stage.advance(0)
    expect([small[2]?.result, large.result, tooLarge.result]).toMatchObject([undefined, undefined, FULL])
    expect(client.stats().outboxBytes).toBeLessThanOrEqual(2_000)
  })

  test('drops across channels', async () => {
    const stage = new Stage()
    const client = stage.client({
      outbox: { maxMessages: 1, overflow: 'drop-oldest' },
      connect: { auto: false },
      onError: () => {},
    })
    const sent = ['a', 'b'].map((name) => watch(client.channel(name).publish('m', 1)))
    await stage.advance(0)
    expect(sent.map(({ result }) => result)).toMatchObject([FULL, undefined])
    expect(['a', 'b'].map((name) => client.channel(name).state.getSnapshot().pending)).toEqual([0, 1])
  })

  test('tells a forgotten publish that had to go as an error', async () => {
    const stage = new Stage()
    const told: unknown[] = []
    const client = stage.client({
      outbox: { maxMessages: 1, overflow: 'drop-oldest' },
      connect: { auto: false },
      onError: ({ channel, error }) => told.push([channel, error.code]),
    })
    void client.channel('a').publish('m', 1)
    void client.channel('a').publish('m', 2)
    await stage.advance(10)
    expect(told).toEqual([['a', 'outbox-full']])
  })
})

describe('priority', () => {
  test.each(['urgent', 1, null])('%j is invalid', async (priority) => {
    const it = await connected()
    const sent = watch(it.client.channel('a').publish('m', 1, { priority: priority as never }))
    await it.stage.advance(CONNECT_MS)
    expect(sent.result).toMatchObject({ code: 'invalid', outcome: 'rejected' })
  })

  test('left out is normal', async () => {
    const stage = new Stage()
    const client = stage.client({
      outbox: { maxMessages: 1, overflow: 'drop-lowest-priority' },
      connect: { auto: false },
      onError: () => {},
    })
    const first = watch(client.channel('a').publish('m', 1))
    const equal = watch(client.channel('a').publish('m', 2, { priority: 'normal' }))
    const higher = watch(client.channel('a').publish('m', 3, { priority: 'high' }))
    await stage.advance(0)
    expect([first, equal, higher].map(({ result }) => result)).toMatchObject([FULL, FULL, undefined])
  })
})

describe('drained', () => {
  test('is told when the last one has settled, also where it was evicted, refused or given up', async () => {
    const limits = { ...aWelcome().limits, window: 1 }
    const it = await connected({}, { ...SILENT, hello: () => [aWelcome({ limits })] })
    let drained = 0
    it.client.on('drained', () => drained++)
    const controller = new AbortController()
    watch(it.client.channel('a').publish('m', 1))
    watch(it.client.channel('a').publish('m', 2, { signal: controller.signal }))
    watch(it.client.channel('a').publish('m', 3, { timeoutMs: 1_000 }))
    await it.stage.advance(1_000)
    controller.abort()
    await it.stage.advance(0)
    expect(drained).toBe(0)
    it.server.last.say({ type: 'nack', channel: 'a', sequence: 1, code: 'invalid' })
    await it.stage.advance(CONNECT_MS)
    expect(drained).toBe(1)
  })
})
