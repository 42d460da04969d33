// The server's pace: publishes keep to it by themselves, late but never refused, and `stats` says so.

import { describe, expect, test } from 'vitest'
import type { Metric } from 'steadywire'
import { aWelcome } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

async function connected(limits: object, onMetric?: (metric: Metric) => void) {
  const stage = new Stage()
  const welcome = aWelcome()
  const server = stage.fake({ hello: () => [{ ...welcome, limits: { ...welcome.limits, ...limits } }] })
  const client = await stage.connected({ backoff: { baseDelayMs: 10 }, ...(onMetric && { onMetric }) })
  const publish = (count: number) => {
    for (let i = 0; i < count; i++) void client.channel('a').publish('m', i)
  }
  const sentCount = () => server.framesOf('pub').length
  return { stage, server, client, publish, sentCount }
}

describe("the server's pace", () => {
  test('lets a burst through at once, and then so many a second, in order', async () => {
    const it = await connected({ publishesPerSecond: 10, publishBurst: 5 })
    it.publish(20)
    await it.stage.advance(80)
    expect(it.sentCount()).toBe(5)
    await it.stage.advance(1_000)
    expect(it.sentCount()).toBe(15)
    await it.stage.advance(1_000)
    expect(it.server.framesOf('pub').map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  test('allows a new burst after a pause, and no larger one after a long pause', async () => {
    const it = await connected({ publishesPerSecond: 10, publishBurst: 5 })
    it.publish(5)
    await it.stage.advance(60_000)
    it.publish(20)
    await it.stage.advance(80)
    expect(it.sentCount()).toBe(10)
  })

  test('is not forgotten by reconnecting', async () => {
    const it = await connected({ publishesPerSecond: 1, publishBurst: 5 })
    it.publish(5)
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(500)
    it.publish(5)
    await it.stage.advance(CONNECT_MS)
    expect(it.sentCount()).toBeLessThanOrEqual(6)
  })

  test('`stats` tells how long publishes wait yet, and that none do', async () => {
    const it = await connected({ publishesPerSecond: 10, publishBurst: 1 })
    expect(it.client.stats().pacedMs).toBe(0)
    it.publish(3)
    await it.stage.advance(50)
    expect(it.client.stats().pacedMs).toBeGreaterThan(0)
    expect(it.client.stats().pacedMs).toBeLessThanOrEqual(100)
    await it.stage.advance(1_000)
    expect([it.sentCount(), it.client.stats().pacedMs]).toEqual([3, 0])
  })

  test('of 0 a second is no limit', async () => {
    const it = await connected({ publishesPerSecond: 0, publishBurst: 0 })
    it.publish(50)
    await it.stage.advance(CONNECT_MS)
    expect(it.sentCount()).toBe(50)
  })

  test('holds back no publish for longer than its `timeoutMs`', async () => {
    const it = await connected({ publishesPerSecond: 1, publishBurst: 1 })
    it.publish(1)
    await it.stage.advance(CONNECT_MS)
    const late = it.client.channel('a').publish('m', 'late', { timeoutMs: 500 })
    await it.stage.advance(600)
    await expect(late).rejects.toMatchObject({ code: 'timeout', outcome: 'rejected' })
  })
})

describe('metrics', () => {
  test('tell of every figure that has changed, with each status and each heartbeat', async () => {
    const told: Metric[] = []
    const it = await connected({}, (metric) => told.push(metric))
    told.length = 0
    it.server.last.close(1006)
    await it.stage.advance(1_000)
    expect(told).toContainEqual({ name: 'reconnects', value: 1 })
    told.length = 0
    await it.stage.advance(25_000)
    expect(told.map(({ name }) => name)).toEqual(['latencyMs'])
    await it.stage.advance(60_000)
    expect(told.filter(({ name }) => name === 'reconnects')).toEqual([])
  })

  test('name nothing but what `stats` has, and hold numbers alone', async () => {
    const told: Metric[] = []
    const it = await connected({}, (metric) => told.push(metric))
    const heard: Metric[] = []
    it.client.on('metric', (metric) => heard.push(metric))
    it.publish(3)
    it.server.last.close(1006)
    await it.stage.advance(30_000)
    const names = Object.keys(it.client.stats())
    for (const { name, value } of told) {
      expect(names).toContain(name)
      expect(Number.isFinite(value)).toBe(true)
    }
    expect(told.slice(-heard.length)).toEqual(heard)
    expect(heard.length).toBeGreaterThan(0)
  })
})
