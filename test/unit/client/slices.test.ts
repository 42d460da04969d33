// Handlers in time slices: the page has its turn in between, the order stays, and no channel waits for another.

import type { Client } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected, type Desk } from '../../support/desk.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

const position = (offset: number, epoch = EPOCH) => ({ epoch, offset })
const aReset = (channel: string, offset: number, change: object = {}) => ({
  type: 'reset',
  channel,
  reason: 'r',
  position: position(offset),
  top: position(offset),
  ...change,
})

/** A client whose every handler keeps the page busy for 3 ms, and what has happened in which order. */
async function busy(options: object = {}, channels: readonly string[] = ['a']) {
  const it = await connected({ channels: { lingerMs: 0 }, ...options })
  const log: string[] = []
  for (const name of channels) {
    it.client.channel(name).onAny(({ offset }) => {
      it.stage.busyMs += 3
      log.push(`${name}${offset}`)
    })
  }
  await it.stage.advance(CONNECT_MS)
  return { ...it, log }
}

/** Stores and pushes messages in one WebSocket message. */
function push({ server }: Desk, channel: string, count: number): void {
  const from = server.topOf(channel) + 1
  for (let i = 0; i < count; i++) server.grow(channel)
  server.last.sayTogether(...Array.from({ length: count }, (_, i) => anEvent(channel, from + i)))
}

const named = (channel: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${channel}${from + i}`)

describe('many messages at once', () => {
  test('leave the page its turn after every dispatch.sliceMs', async () => {
    const it = await busy()
    // Whatever the page has to do gets in between two slices.
    const turn = () => it.stage.world.clock.schedule(0, () => (it.log.push('page'), it.log.length < 14 && turn()))
    it.client.channel('a').on('m', (_data, { offset }) => offset === 1 && turn())
    push(it, 'a', 9)
    await it.stage.advance(CONNECT_MS)
    const slices = it.log
      .join(' ')
      .split('page')
      .filter((part) => part.trim())
    expect(it.log.filter((what) => what !== 'page')).toEqual(named('a', 1, 9))
    expect(slices.map((part) => part.trim().split(' ').length)).toEqual([3, 3, 3])
  })

  test('are handed over in one go where that takes no longer', async () => {
    const it = await busy({ dispatch: { sliceMs: 1_000 } })
    const turn = () => it.log.push('page')
    it.client.channel('a').on('m', (_data, { offset }) => offset === 1 && it.stage.world.clock.schedule(0, turn))
    push(it, 'a', 5)
    await it.stage.advance(CONNECT_MS)
    expect(it.log).toEqual([...named('a', 1, 5), 'page'])
  })

  test('leave the page its turn after every single one where sliceMs is 0', async () => {
    const it = await busy({ dispatch: { sliceMs: 0 } })
    const turn = () => it.log.push('page')
    it.client.channel('a').on('m', () => it.stage.world.clock.schedule(0, turn))
    push(it, 'a', 3)
    await it.stage.advance(CONNECT_MS)
    expect(it.log.filter((what) => what !== 'page')).toEqual(named('a', 1, 3))
    expect(it.log.indexOf('a3')).toBeGreaterThan(it.log.indexOf('page'))
  })

  test('keep the order of channels and events as they arrived', async () => {
    const it = await busy({}, ['a', 'b'])
    it.client.on('error', () => it.log.push('error'))
    for (const name of ['a', 'b']) for (let i = 0; i < 4; i++) it.server.grow(name)
    it.server.last.sayTogether(
      ...[1, 2].flatMap((offset) => [anEvent('a', offset), anEvent('b', offset)]),
      { type: 'error', code: 'internal', message: 'boo' },
      ...[3, 4].flatMap((offset) => [anEvent('b', offset), anEvent('a', offset)]),
    )
    await it.stage.advance(CONNECT_MS)
    expect(it.log).toEqual(['a1', 'b1', 'a2', 'b2', 'error', 'b3', 'a3', 'b4', 'a4'])
  })

  test('move the position that the application sees with the handlers, not before', async () => {
    const it = await busy()
    const seen: unknown[] = []
    it.client.channel('a').on('m', (_data, { offset }) => {
      if (offset % 3 === 1) seen.push(it.client.channel('a').state.getSnapshot().position?.offset)
    })
    push(it, 'a', 9)
    await it.stage.advance(CONNECT_MS)
    expect(seen).toEqual([0, 3, 6])
    expect(it.client.channel('a').state.getSnapshot().position).toEqual(position(9))
  })

  test('keep no publish waiting for its answer', async () => {
    const it = await busy()
    it.server.answers = { pub: () => [] }
    let heardBefore = -1
    void it.client
      .channel('b')
      .publish('m', 1)
      .then(() => (heardBefore = it.log.length))
    await it.stage.advance(CONNECT_MS)
    push(it, 'a', 40)
    it.server.last.say({ type: 'ack', channel: 'b', sequence: 1, offset: 1 })
    await it.stage.advance(CONNECT_MS)
    expect([heardBefore, it.log.length]).toEqual([3, 40])
  })
})

describe('what waits', () => {
  /** Reads `a` until offset 2, while more waits. */
  async function until2(then: (it: Desk) => void = () => {}) {
    const it = await connected({ channels: { lingerMs: 0 } })
    const heard: number[] = []
    const off = it.client.channel('a').onAny(({ offset }) => {
      it.stage.busyMs += 5
      heard.push(offset)
      if (offset !== 2) return
      off()
      then(it)
    })
    await it.stage.advance(CONNECT_MS)
    push(it, 'a', 9)
    await it.stage.advance(CONNECT_MS)
    return { ...it, heard }
  }

  test('is for nobody once the last handler is gone', async () => {
    const it = await until2()
    expect([it.heard, it.client.stats().held]).toEqual([[1, 2], 0])
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'idle', position: null })
  })

  test('is not for who comes after the last handler is gone: that one begins anew', async () => {
    const later: number[] = []
    const it = await until2(({ client, stage }) =>
      stage.world.clock.schedule(0, () => client.channel('a').onAny(({ offset }) => later.push(offset))),
    )
    push(it, 'a', 1)
    await it.stage.advance(CONNECT_MS)
    expect([it.heard, later]).toEqual([[1, 2], [10]])
  })

  test('is not handed over after close, and close resolves', async () => {
    const it = await busy()
    let isClosed = false
    it.client.channel('a').on('m', (_data, { offset }) => {
      if (offset === 2) void it.client.close().then(() => (isClosed = true))
    })
    push(it, 'a', 9)
    await it.stage.advance(CONNECT_MS)
    expect([it.log, isClosed, [...it.stage.held]]).toEqual([['a1', 'a2'], true, []])
  })

  test('is replaced by a new start', async () => {
    const it = await busy()
    it.client.channel('a').onReset(({ position }) => it.log.push(`reset to ${position.offset}`))
    for (let i = 0; i < 40; i++) it.server.grow('a')
    it.server.last.sayTogether(
      ...Array.from({ length: 9 }, (_, i) => anEvent('a', i + 1)),
      aReset('a', 20),
      anEvent('a', 21),
    )
    await it.stage.advance(CONNECT_MS)
    expect(it.log).toEqual(['reset to 20', 'a21'])
  })

  test('of another channel stays when one begins anew', async () => {
    const it = await busy({}, ['a', 'b'])
    for (let i = 0; i < 9; i++) {
      it.server.grow('a')
      it.server.grow('b')
    }
    it.server.last.sayTogether(
      ...[1, 2, 3, 4, 5].flatMap((offset) => [anEvent('a', offset), anEvent('b', offset)]),
      aReset('a', 7),
    )
    await it.stage.advance(CONNECT_MS)
    expect(it.log.filter((what) => what.startsWith('b'))).toEqual(named('b', 1, 5))
  })

  test('survives the loss of the connection, and is not delivered twice', async () => {
    const it = await busy({ backoff: { baseDelayMs: 10 } })
    it.client.channel('a').on('m', (_data, { offset }) => {
      if (offset === 2) it.server.last.close(1006)
    })
    push(it, 'a', 30)
    await it.stage.advance(2_000)
    expect(it.log).toEqual(named('a', 1, 30))
  })
})

describe('from inside a handler', () => {
  const acts: [string, (client: Client) => unknown][] = [
    ['publishes', (client) => watch(client.channel('a').publish('m', 1))],
    ['subscribes', (client) => client.channel('c').on('m', () => {})],
    ['looks', (client) => [client.channel('a').state.getSnapshot(), client.stats()]],
    ['begins anew elsewhere', (client) => watch(client.channel('b').refresh())],
    ['hangs up', (client) => client.disconnect()],
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
  ]

  test.each(acts)('that %s the rest is handed over, in order and once', async (_, act) => {
    const it = await busy()
    it.client.channel('a').on('m', (_data, { offset }) => offset === 4 && act(it.client))
    push(it, 'a', 12)
    await it.stage.advance(1_000)
    expect(it.log.slice(0, 12)).toEqual(named('a', 1, 12))
  })

  test('a publish is heard after what arrived before it', async () => {
    const it = await busy()
    it.client.channel('a').on('m', (_data, { offset }) => offset === 1 && watch(it.client.channel('a').publish('m', 1)))
    push(it, 'a', 6)
    await it.stage.advance(1_000)
    expect(it.log).toEqual(named('a', 1, 7))
  })
})
