// The memory store: the common promises, and its own bounds.

import { memoryStore } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import { anEvent, promising, storeConformance } from './conformance.ts'

describe('the memory store as a store', () => {
  storeConformance((limits) => memoryStore(limits))
})

describe('the memory store', () => {
  const tops = (store: ReturnType<typeof memoryStore>, channel: string) => {
    let extent: unknown
    store.tops([channel], (answer) => {
      extent = answer[0]
    })
    return extent as { epoch: string; top: number; first: number }
  }

  test('answers before the method returns', () => {
    expect(tops(memoryStore(), 'a')).toMatchObject({ top: 0, first: 1 })
  })

  test('keeps so many characters of data, and the newest message whatever its size', async () => {
    const store = promising(memoryStore({ historyLength: 10 }))
    const add = (length: number) =>
      store.append({ channel: 'a', nowMs: 0, events: [anEvent('x', { dataText: '1'.repeat(length) })] })
    const firsts: number[] = []
    for (const length of [5, 5, 1, 100, 10, 1]) {
      await add(length)
      firsts.push((await store.tops(['a']))[0]?.first ?? 0)
    }
    expect(firsts).toEqual([1, 1, 2, 4, 5, 6])
  })

  test('forgets an empty channel that nobody has asked about for the idle time', () => {
    const store = memoryStore({ idleMs: 1_000 })
    const { epoch } = tops(store, 'a')
    store.trim(0)
    store.trim(999)
    expect(tops(store, 'a').epoch).toBe(epoch)
    store.trim(1_000)
    store.trim(2_000)
    expect(tops(store, 'a').epoch).not.toBe(epoch)
  })

  test('keeps a channel that holds messages, however long nobody asks', async () => {
    const store = memoryStore({ idleMs: 1_000, historyTtlMs: Infinity })
    const epoch = await promising(store).add('a', '1')
    for (let nowMs = 0; nowMs < 100_000; nowMs += 500) store.trim(nowMs)
    expect(tops(store, 'a')).toEqual({ epoch, top: 1, first: 1 })
  })

  test('draws epochs that nobody has seen', () => {
    const epochs = Array.from({ length: 100 }, () => tops(memoryStore(), 'a').epoch)
    expect(new Set(epochs).size).toBe(100)
  })
})
