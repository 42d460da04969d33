// A server that is about to stop: the client leaves it at its own moment, and loses nothing by that.

import { describe, expect, test } from 'vitest'
import { connected } from '../../support/desk.ts'
import { anAttached } from '../../support/fake-server.ts'
import { aRecord } from '../../support/records.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const drain = (afterMinMs: number, afterMaxMs: number) => ({ type: 'drain', afterMinMs, afterMaxMs })
/** So long that a wait would show. */
const PATIENT = { backoff: { minDelayMs: 60_000 } }

describe('drain', () => {
  test.each([
    [0, 2_000],
    [0.5, 6_000],
    [0.999, 9_992],
  ])(
    'has the client leave at a random instant of the window: random %s, after %s ms',
    async (random, leavesAfterMs) => {
      const it = await connected(PATIENT)
      it.stage.random = random
      it.server.last.say(drain(2_000, 10_000))
      await it.stage.advance(leavesAfterMs - 100)
      expect([it.stage.dials.length, it.client.state.getSnapshot().status]).toEqual([1, 'connected'])
      await it.stage.advance(200 + CONNECT_MS)
      expect([it.stage.dials.length, it.client.state.getSnapshot().status]).toEqual([2, 'connected'])
      expect(it.stage.dials[0]?.closedWith).toMatchObject({ code: 1000 })
    },
  )

  test('what is on its way is settled by the next server, and sent once more under its sequence', async () => {
    const it = await connected(PATIENT, {
      sub: ({ channel, request, want }) => [anAttached(channel, request, want, 0, aRecord('incarnation-1'))],
      pub: () => [],
    })
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say(drain(0, 0))
    it.server.answers = { sub: it.server.answers.sub as never }
    await it.stage.advance(2 * CONNECT_MS)
    expect(sent.result).toMatchObject({ offset: 1 })
    expect(it.server.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 1])
  })

  test('a later one replaces the one before', async () => {
    const it = await connected(PATIENT)
    it.server.last.say(drain(1_000, 1_000), drain(5_000, 5_000))
    await it.stage.advance(4_000)
    expect(it.stage.dials).toHaveLength(1)
    await it.stage.advance(2_000)
    expect(it.stage.dials).toHaveLength(2)
  })

  test('is over with its connection: the next one is not left', async () => {
    const it = await connected({ backoff: { baseDelayMs: 10 } })
    it.server.last.say(drain(5_000, 5_000))
    await it.stage.advance(100)
    it.server.last.close(1006)
    await it.stage.advance(20_000)
    expect(it.stage.dials).toHaveLength(2)
  })

  test.each(['disconnect', 'logout', 'close'] as const)('means nothing after %s', async (call) => {
    const it = await connected()
    it.server.last.say(drain(1_000, 1_000))
    await it.stage.advance(100)
    void it.client[call]()
    await it.stage.advance(60_000)
    expect([it.stage.dials.length, it.stage.errors]).toEqual([1, []])
  })

  test('a window that ends before it begins is its beginning', async () => {
    const it = await connected(PATIENT)
    it.stage.random = 0.999
    it.server.last.say(drain(2_000, 0))
    await it.stage.advance(1_900)
    expect(it.stage.dials).toHaveLength(1)
    await it.stage.advance(200)
    expect(it.stage.dials).toHaveLength(2)
  })

  test('of the real server loses and doubles nothing while messages flow', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const heard: unknown[] = []
    client.channel('a').on('m', (data) => heard.push(data))
    await stage.advance(CONNECT_MS)
    const sent = []
    stage.world.server.roll(2_000)
    for (let n = 0; n < 60; n++) {
      sent.push(watch(client.channel('a').publish('m', n)))
      await stage.advance(50)
    }
    await stage.advance(10_000)
    expect(heard).toEqual(sent.map((_, n) => n))
    expect(sent.filter(({ result }) => !result || result instanceof Error)).toEqual([])
  })
})
