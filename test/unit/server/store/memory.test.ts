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
  const topOf = (store: ReturnType<typeof memoryStore>) => {
    let extent: LogExtent | undefined
    store.tops(['a'], (answer) => {
      if (answer !== 'unavailable') extent = answer[0]
    })
    return extent
  }

  test('answers before the method returns', () => {
    expect(topOf(memoryStore())).toMatchObject({ top: 0, first: 1 })
  })

  test('draws epochs that nobody has seen', () => {
    const epochs = Array.from({ length: 100 }, () => topOf(memoryStore())?.epoch)
    expect(new Set(epochs).size).toBe(100)
  })
})
