// The pace of a connection: what comes too fast is answered later, and never refused for it.

import type { Hooks } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { type Actor, Stage } from './stage.ts'

const answers = (client: Actor) => client.take().filter(({ type }) => type === 'ack' || type === 'nack')

describe('the pace', () => {
  const slowStage = (hooks: Hooks = {}) =>
    new Stage({ hooks, options: { limits: { publishesPerSecond: 10, publishBurst: 3 } } })
  const sequences = (client: Actor) => answers(client).map((frame) => 'sequence' in frame && frame.sequence)

  test('delays what is beyond the burst, one at a time, and refuses nothing', () => {
    const stage = slowStage()
    const client = stage.attach('a')
    for (let n = 1; n <= 6; n++) client.publish('a', n)
    expect(sequences(client)).toEqual([1, 2, 3])
    stage.environment.advance(99)
    expect(sequences(client)).toEqual([])
    stage.environment.advance(1)
    expect(sequences(client)).toEqual([4])
    stage.environment.advance(200)
    expect(sequences(client)).toEqual([5, 6])
    expect(stage.ids('a')).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6'])
  })

  test('allows the burst again after a pause, and no more', () => {
    const stage = slowStage()
    const client = stage.attach('a')
    for (let n = 1; n <= 3; n++) client.publish('a', n)
    stage.environment.advance(10_000)
    client.take()
    for (let n = 4; n <= 7; n++) client.publish('a', n)
    expect(sequences(client)).toEqual([4, 5, 6])
  })

  test('is that of the connection, and turns come in the order of arriving', () => {
    const stage = slowStage()
    const client = stage.attach('a')
    client.attach('b', 2)
    for (let n = 1; n <= 3; n++) client.publish('a', n)
    client.take()
    for (let n = 4; n <= 5; n++) client.publish('a', n)
    for (let n = 1; n <= 2; n++) client.publish('b', n)
    stage.environment.advance(400)
    expect(answers(client).map((frame) => 'channel' in frame && frame.channel)).toEqual(['a', 'a', 'b', 'b'])
  })

  test('does not depend on others', () => {
    const stage = slowStage()
    const client = stage.attach('a')
    for (let n = 1; n <= 10; n++) client.publish('a', n)
    const other = stage.attach('a')
    other.publish('a', 1)
    expect(sequences(other)).toEqual([1])
  })

  test('still counts what waits against the window', () => {
    const client = slowStage().attach('a')
    for (let n = 1; n <= 67; n++) client.publish('a', n)
    expect(client.end).toBeUndefined()
    client.publish('a', 68)
    expect(client.end).toBe('4400 window')
  })

  test('keeps hooks from being asked too soon', () => {
    let askedCount = 0
    const stage = slowStage({
      onPublish({ data }, done) {
        askedCount++
        done({ answer: data })
      },
    })
    const client = stage.attach('a')
    for (let n = 1; n <= 5; n++) client.publish('a', n)
    expect(askedCount).toBe(3)
  })

  test('leaves no timer behind with its connection, and nothing that waited is stored', () => {
    const stage = slowStage()
    const before = stage.environment.timerCount
    const client = stage.attach('a')
    for (let n = 1; n <= 5; n++) client.publish('a', n)
    client.leave()
    stage.environment.advance(1_000)
    expect(stage.ids('a')).toEqual(['m1', 'm2', 'm3'])
    expect(stage.environment.timerCount).toBe(before)
  })

  test('is kept also by timers that are late', () => {
    const stage = slowStage()
    const client = stage.attach('a')
    for (let n = 1; n <= 20; n++) client.publish('a', n)
    client.take()
    stage.environment.sleep(1_050)
    stage.environment.advance(0)
    expect(sequences(client)).toHaveLength(10)
  })
})
