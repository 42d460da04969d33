// The newest events of a channel, as a node keeps them: consecutive, of one epoch, and bounded.

import { describe, expect, test } from 'vitest'
import { Channel, Channels, type RingEvent } from '../../../server/src/channels.ts'

const store = (channel: Channel, epoch: string, ...offsets: readonly number[]) => {
  for (const offset of offsets) channel.stored(epoch, { offset, id: 'x', name: 'n', dataText: '1', storedAtMs: 0 })
}
const rest = (channel: Channel, epoch: string, offset: number, top: number) => {
  const events = channel.rest({ epoch, offset }, { epoch, top, first: 1 })
  return events === 'unknown' ? events : events.map((event) => event.offset)
}
const RING_COUNT = 256
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('what is left to push after a position', () => {
  test.each([
    [3, 7, 'unknown'],
    [4, 7, [5, 6, 7]],
    [6, 7, [7]],
    [7, 7, []],
    // Stored elsewhere, and not told here yet.
    [7, 8, 'unknown'],
    [8, 8, []],
  ])('at %i of a log that reaches %i, with 5 to 7 in hand: %j', (offset, top, expected) => {
    const channel = new Channel('a', RING_COUNT)
    store(channel, 'e', 5, 6, 7)
    expect(rest(channel, 'e', offset, top)).toEqual(expected)
  })

  test('is nothing at the top, and unknown below it, with nothing in hand', () => {
    const channel = new Channel('a', RING_COUNT)
    expect([rest(channel, 'e', 5, 5), rest(channel, 'e', 4, 5)]).toEqual([[], 'unknown'])
  })

  test('of a log that began anew is not what is in hand of the old one', () => {
    const channel = new Channel('a', RING_COUNT)
    store(channel, 'old', 1, 2, 3)
    expect(rest(channel, 'new', 0, 0)).toEqual([])
    store(channel, 'new', 1)
    expect(rest(channel, 'new', 0, 1)).toEqual([1])
  })
})

describe('what is in hand', () => {
  test.each([
    ['a repetition', [5, 6, 7, 6, 7], [5, 6, 7]],
    ['an older event', [5, 6, 7, 4], [5, 6, 7]],
    ['a gap', [5, 6, 9, 10], [9, 10]],
  ])('after %s', (_, offsets, expected) => {
    const channel = new Channel('a', RING_COUNT)
    store(channel, 'e', ...offsets)
    const [first = 0] = expected
    expect(rest(channel, 'e', first - 1, expected.at(-1) ?? 0)).toEqual(expected)
    expect(rest(channel, 'e', first - 2, expected.at(-1) ?? 0)).toBe('unknown')
  })

  test('after an event of another epoch is that event', () => {
    const channel = new Channel('a', RING_COUNT)
    store(channel, 'old', 5, 6)
    store(channel, 'new', 7)
    expect([rest(channel, 'new', 6, 7), rest(channel, 'new', 5, 7)]).toEqual([[7], 'unknown'])
  })

  test('is the newest 256', () => {
    const channel = new Channel('a', RING_COUNT)
    store(channel, 'e', ...numbers(1, 300))
    expect(rest(channel, 'e', 300 - RING_COUNT, 300)).toEqual(numbers(45, 300))
    expect(rest(channel, 'e', 299 - RING_COUNT, 300)).toBe('unknown')
  })

  test('is a mebibyte at most, and the newest event whatever its size', () => {
    const channel = new Channel('a', RING_COUNT)
    const add = (offset: number, length: number) =>
      channel.stored('e', { offset, id: 'x', name: 'n', dataText: '1'.repeat(length), storedAtMs: 0 })
    for (const offset of [1, 2, 3]) add(offset, 400_000)
    expect([rest(channel, 'e', 1, 3), rest(channel, 'e', 0, 3)]).toEqual([[2, 3], 'unknown'])
    add(4, 2_000_000)
    expect([rest(channel, 'e', 3, 4), rest(channel, 'e', 2, 4)]).toEqual([[4], 'unknown'])
    add(5, 1)
    expect(rest(channel, 'e', 4, 5)).toEqual([5])
  })
})

test('an event is told once to each who listens, encoded once', () => {
  const channels = new Channels(RING_COUNT)
  const told: RingEvent[][] = [[], [], []]
  const [a, b, c] = told.map((list) => ({ push: (event: RingEvent) => void list.push(event), pass() {} }))
  const channel = channels.open('a')
  for (const subscriber of [a, b, c, a]) if (subscriber) channel.join(subscriber)
  if (c) channel.leave(c, 0)
  channels.stored('a', 'e', { offset: 1, id: 'x', name: 'n', dataText: '1', storedAtMs: 0 })
  channels.stored('b', 'e', { offset: 1, id: 'x', name: 'n', dataText: '1', storedAtMs: 0 })
  expect(told.map(({ length }) => length)).toEqual([1, 1, 0])
  expect(told[0]?.[0]).toBe(told[1]?.[0])
  expect(channels.size).toBe(1)
})
