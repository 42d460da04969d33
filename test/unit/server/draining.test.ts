// A node that is about to stop: whom it tells, whom it lets in, and when it is done.

import { describe, expect, test } from 'vitest'
import { Stage } from './stage.ts'

describe('drain', () => {
  test('tells everyone who is here, serves on, and is done when all have left', () => {
    const stage = new Stage()
    const clients = [stage.attach('a'), stage.attach('a')]
    for (const client of clients) client.take()
    let isDone = false
    stage.broker.drain(10_000, () => (isDone = true))
    stage.environment.settle()
    for (const client of clients) expect(client.take()).toEqual([{ type: 'drain', afterMinMs: 0, afterMaxMs: 10_000 }])
    clients[0]?.publish('a', 1)
    expect(clients[0]?.takeTypes()).toEqual(['event', 'ack'])
    stage.environment.advance(3_000)
    for (const client of clients) client.leave()
    expect(isDone).toBe(false)
    stage.environment.advance(200)
    expect(isDone).toBe(true)
  })

  test('lets nobody in any more: 4503, and says that it is not ready', () => {
    const stage = new Stage()
    stage.attach('a')
    expect(stage.broker.isReady).toBe(true)
    stage.broker.drain(10_000, () => {})
    expect([stage.open().end, stage.broker.isReady]).toEqual(['4503 draining', false])
  })

  test('is done a second after the window where somebody stays', () => {
    const stage = new Stage()
    const client = stage.attach('a')
    let isDone = false
    stage.broker.drain(5_000, () => (isDone = true))
    stage.environment.advance(5_900)
    expect(isDone).toBe(false)
    stage.environment.advance(200)
    expect([isDone, client.end]).toEqual([true, undefined])
    stage.broker.close()
    expect(client.end).toBe('4503 closing')
  })

  test('is done at once where nobody is', () => {
    let isDone = false
    new Stage().broker.drain(5_000, () => (isDone = true))
    expect(isDone).toBe(true)
  })

  test('does not tell who has not said hello yet', () => {
    const stage = new Stage()
    const client = stage.open()
    stage.broker.drain(5_000, () => {})
    stage.environment.settle()
    expect(client.take()).toEqual([])
  })
})
