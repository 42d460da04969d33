// What every store promises about forgetting, while it is open. Each store runs this suite.

import { expect, test } from 'vitest'
import { anEvent, NOW_MS, type OpenStore, promising } from './promising.ts'

export function retentionConformance(open: OpenStore): void {
  test('retention by age drops what is older, at trim, and keeps the top', async () => {
    const store = promising(open({ historyTtlMs: 1_000 }))
    for (const [id, nowMs] of [
      ['old', 0],
      ['new', 500],
    ] as const)
      await store.append({ channel: 'a', nowMs: NOW_MS + nowMs, events: [anEvent(id)] })
    const extents = []
    for (const nowMs of [1_000, 1_001, 1_501]) {
      await store.trim(NOW_MS + nowMs)
      extents.push((await store.tops(['a']))[0])
    }
    expect(extents).toMatchObject([
      { top: 2, first: 1 },
      { top: 2, first: 2 },
      { top: 2, first: 3 },
    ])
    await store.add('a', 'later')
    expect(await store.tops(['a'])).toMatchObject([{ top: 3, first: 3 }])
  })

  test('what is kept is bounded by characters of data too, but for the newest message', async () => {
    const store = promising(open({ historyLength: 10 }))
    const firsts: number[] = []
    for (const length of [5, 5, 1, 100, 10, 1]) {
      await store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('x', { dataText: '1'.repeat(length) })] })
      firsts.push((await store.tops(['a']))[0]?.first ?? 0)
    }
    expect(firsts).toEqual([1, 1, 2, 4, 5, 6])
  })

  test('characters are counted as JavaScript counts them', async () => {
    const store = promising(open({ historyLength: 4 }))
    for (const dataText of ['\ud83d\ude00', 'ä', '1'])
      await store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('x', { dataText })] })
    expect(await store.tops(['a'])).toMatchObject([{ top: 3, first: 1 }])
    await store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('x', { dataText: '1' })] })
    expect(await store.tops(['a'])).toMatchObject([{ top: 4, first: 2 }])
  })

  const epochOf = async (store: ReturnType<typeof promising>) => (await store.tops(['a']))[0]?.epoch

  test('an empty channel is forgotten that nobody has asked about for the idle time', async () => {
    const store = promising(open({ idleMs: 1_000 }))
    const epoch = await epochOf(store)
    await store.trim(NOW_MS)
    await store.trim(NOW_MS + 999)
    expect(await epochOf(store)).toBe(epoch)
    await store.trim(NOW_MS + 1_000)
    await store.trim(NOW_MS + 1_999)
    expect(await epochOf(store)).toBe(epoch)
    await store.trim(NOW_MS + 2_000)
    await store.trim(NOW_MS + 3_000)
    expect(await epochOf(store)).not.toBe(epoch)
  })

  test('a channel that holds messages is kept, however long nobody asks', async () => {
    const store = promising(open({ idleMs: 1_000, historyTtlMs: Infinity }))
    const epoch = await store.add('a', '1')
    for (let i = 0; i < 100; i++) await store.trim(NOW_MS + i * 500)
    expect(await store.tops(['a'])).toEqual([{ epoch, top: 1, first: 1 }])
  })

  test('a channel is kept for as long as the record of a producer, and forgotten with its cursors', async () => {
    const store = promising(open({ idleMs: 1_000, producerTtlMs: 5_000 }))
    const producer = { id: 'p', userId: 'ann', generation: 1, settledBelow: 0, window: 4 }
    const { extent } = await store.attach({ channel: 'a', producer })
    await store.mark({ name: 'c', channel: 'a', position: { epoch: extent.epoch, offset: 0 } })
    for (let i = 0; i < 10; i++) await store.trim(NOW_MS + i * 1_000)
    store.detach('a', 'p', 1)
    for (let i = 10; i < 15; i++) await store.trim(NOW_MS + i * 1_000)
    expect((await store.attach({ channel: 'a', producer })).extent).toEqual(extent)
    store.detach('a', 'p', 1)
    for (let i = 15; i < 30; i++) await store.trim(NOW_MS + i * 1_000)
    expect(await store.mark({ name: 'c', channel: 'a' })).toBeNull()
    expect(await epochOf(store)).not.toBe(extent.epoch)
  })

  test('a channel that was forgotten remembers no ids of what it stored', async () => {
    const store = promising(open({ idleMs: 1_000, historyTtlMs: 1_000 }))
    const append = () => store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent('key', { once: true })] })
    const { epoch } = await append()
    for (let i = 0; i < 5; i++) await store.trim(NOW_MS + i * 1_000)
    const again = await append()
    expect(again.epoch).not.toBe(epoch)
    expect(again.outcomes).toMatchObject([{ type: 'stored' }])
  })
}
