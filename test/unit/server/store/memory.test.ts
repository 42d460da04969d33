// The memory store: what all stores promise, and that it answers at once.

import { type LogExtent, memoryStore } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { storeConformance } from './conformance.ts'
import { pinningConformance, producerConformance } from './producer-conformance.ts'
import { retentionConformance } from './retention-conformance.ts'

describe('the memory store as a store', () => {
  storeConformance(memoryStore)
  producerConformance(memoryStore)
  pinningConformance(memoryStore)
  retentionConformance(memoryStore)
})

describe('the memory store', () => {
  const topOf = (store: ReturnType<typeof memoryStore>, channel = 'a') => {
    let extent: LogExtent | undefined
    store.tops([channel], (answer) => {
      if (answer !== 'unavailable') extent = answer[0]
    })
    return extent
  }

  test('answers before the method returns', () => {
    expect(topOf(memoryStore())).toMatchObject({ top: 0, first: 1 })
  })

  test('keeps the names that are in use, however quiet they are', () => {
    const store = memoryStore()
    const epochOf = (channel: string) => topOf(store, channel)?.epoch
    const before = epochOf('quiet')
    for (let i = 0; i < 50_100; i++) {
      epochOf(`name ${i}`)
      if (i % 1_000 === 0) epochOf('quiet')
    }
    expect(epochOf('quiet')).toBe(before)
  })

  test('keeps what was said and lets the oldest names go that nobody has said anything in', () => {
    const store = memoryStore()
    const epochOf = (channel: string) => topOf(store, channel)?.epoch
    const said = Array.from({ length: 40 }, (_, i) => `said ${i}`)
    const events = [{ id: 'i', name: 'n', dataText: '1' }]
    for (const channel of said) store.append({ channel, nowMs: 0, events }, () => {})
    const before = said.map(epochOf)
    const oldest = epochOf('name 0')
    for (let i = 1; i < 50_100; i++) epochOf(`name ${i}`)
    expect(said.map(epochOf)).toEqual(before)
    expect(epochOf('name 0')).not.toBe(oldest)
  })

  test('draws epochs that nobody has seen', () => {
    const epochs = Array.from({ length: 100 }, () => topOf(memoryStore())?.epoch)
    expect(new Set(epochs).size).toBe(100)
  })
})
