// What every store promises the broker about its logs and cursors. Each store runs this suite.
//
// Rules of this file:
// - Answers may come at once or later; the suite waits for each.
// - A store that keeps more than the process does must pass it also when it is opened anew before every question.
// - What holds within one process only is in `retention-conformance.ts`, what holds of producers in
//   `producer-conformance.ts`; what one store promises beyond is tested beside its own suites.

import { REMEMBERED_IDS, type StoredEvent } from '@steadywire/server'
import { expect, test } from 'vitest'
import { anEvent, NOW_MS, type OpenStore, promising } from './promising.ts'

const idsOf = (events: readonly StoredEvent[]) => events.map(({ id }) => id)

export function storeConformance(open: OpenStore): void {
  test('a channel begins empty, with an epoch that stays', async () => {
    const store = promising(open({}))
    const first = await store.attach({ channel: 'a' })
    expect(first).toEqual({ extent: { epoch: expect.any(String), top: 0, first: 1 }, judgement: 'live' })
    expect(first.extent.epoch).not.toBe('')
    expect(await store.attach({ channel: 'a' })).toEqual(first)
    expect(await store.tops(['a'])).toEqual([first.extent])
  })

  test('channels have epochs and offsets of their own', async () => {
    const store = promising(open({}))
    const epochs = [await store.add('a', '1'), await store.add('b', '1', '2')]
    expect(new Set(epochs).size).toBe(2)
    expect((await store.tops(['b', 'a', 'b'])).map(({ top }) => top)).toEqual([2, 1, 2])
  })

  test.each(['constructor', '__proto__', ' ', '\u0000', "'; --", '\ud83d\ude00', 'x'.repeat(256)])(
    'a channel may be named %j',
    async (channel) => {
      const store = promising(open({}))
      const epoch = await store.add(channel, 'one')
      const { events } = await store.page({ channel, position: { epoch, offset: 0 }, count: 9, dataLength: 9_999 })
      expect(idsOf(events)).toEqual(['one'])
    },
  )

  test('names that differ in case or by a trailing space are different channels', async () => {
    const store = promising(open({}))
    await store.add('a', '1')
    expect((await store.tops(['A', 'a '])).map(({ top }) => top)).toEqual([0, 0])
  })

  test('events get consecutive offsets and come back as they were given', async () => {
    const store = promising(open({}))
    const sender = { user: 'ä', member: 'm' }
    const events = [
      anEvent('one', { sender, dataText: '{"__proto__":1,"x":"\u2028\\ud800"}' }),
      anEvent('two', { name: 'constructor', dataText: 'null' }),
    ]
    const { epoch, outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events })
    const stored = events.map((event, i) => ({ ...event, offset: i + 1, storedAtMs: NOW_MS }))
    expect(outcomes).toEqual(stored.map((event) => ({ type: 'stored', event })))
    const page = await store.page({ channel: 'a', position: { epoch, offset: 0 }, count: 9, dataLength: 9_999 })
    expect(page).toEqual({ extent: { epoch, top: 2, first: 1 }, judgement: 'catching-up', events: stored })
  })

  test('appending to a channel nobody has attached to begins it', async () => {
    const store = promising(open({}))
    const epoch = await store.add('a', '1')
    expect((await store.attach({ channel: 'a' })).extent).toEqual({ epoch, top: 1, first: 1 })
  })

  test.each([
    ['another epoch', 'other', 3, 'epoch-changed'],
    ['another epoch, even at 0', '', 0, 'epoch-changed'],
    ['beyond the top', undefined, 4, 'offset-ahead'],
    ['the top', undefined, 3, 'live'],
    ['one short of it', undefined, 2, 'catching-up'],
    ['right before the oldest kept', undefined, 1, 'catching-up'],
    ['one before that', undefined, 0, 'history-evicted'],
  ])('a position at %s is judged the same at attach and at page', async (_, otherEpoch, offset, judgement) => {
    const store = promising(open({ historyLimit: 2 }))
    const epoch = await store.add('a', '1', '2', '3')
    const position = { epoch: otherEpoch ?? epoch, offset }
    const attached = await store.attach({ channel: 'a', position })
    const page = await store.page({ channel: 'a', position, count: 9, dataLength: 9_999 })
    expect([attached.judgement, page.judgement]).toEqual([judgement, judgement])
    expect(attached.extent).toEqual({ epoch, top: 3, first: 2 })
    expect(page.extent).toEqual(attached.extent)
    expect(page.events.length > 0).toBe(judgement === 'catching-up')
  })

  test('a page is bounded by count, and by length but for its first event', async () => {
    const store = promising(open({}))
    const epoch = await store.add('a', '1', '2', '3', '4')
    const page = async (offset: number, count: number, dataLength: number) => {
      const { events } = await store.page({ channel: 'a', position: { epoch, offset }, count, dataLength })
      return idsOf(events)
    }
    expect(await page(0, 2, 9_999)).toEqual(['1', '2'])
    // Each is three characters of data.
    expect(await page(1, 9, 6)).toEqual(['2', '3'])
    expect(await page(1, 9, 8)).toEqual(['2', '3'])
    expect(await page(2, 9, 1)).toEqual(['3'])
    expect(await page(3, 9, 9_999)).toEqual(['4'])
  })

  test('retention by count drops the oldest and leaves offsets alone', async () => {
    const store = promising(open({ historyLimit: 3 }))
    const epoch = await store.add('a', '1', '2', '3', '4', '5', '6', '7', '8', '9', '0')
    const { extent, events } = await store.page({
      channel: 'a',
      position: { epoch, offset: 7 },
      count: 9,
      dataLength: 999,
    })
    expect([extent, idsOf(events)]).toEqual([{ epoch, top: 10, first: 8 }, ['8', '9', '0']])
  })

  test('a base must be the newest position, within one append too', async () => {
    const store = promising(open({}))
    const epoch = await store.add('a', '1')
    const base = { epoch, offset: 1 }
    const { outcomes } = await store.append({
      channel: 'a',
      nowMs: NOW_MS,
      events: [
        anEvent('other epoch', { base: { epoch: 'other', offset: 1 } }),
        anEvent('ahead', { base: { epoch, offset: 2 } }),
        anEvent('first', { base }),
        anEvent('second', { base }),
      ],
    })
    expect(outcomes.map(({ type }) => type)).toEqual(['stale-base', 'stale-base', 'stored', 'stale-base'])
    expect(await store.tops(['a'])).toMatchObject([{ top: 2 }])
  })

  test('an event to be stored once is, among the last 1,000 of its channel so marked', async () => {
    const store = promising(open({}))
    const append = (channel: string, id: string, once = true) =>
      store.append({ channel, nowMs: NOW_MS, events: [anEvent(id, { once })] }).then(({ outcomes }) => outcomes[0])
    await append('a', 'key', false)
    expect(await append('a', 'key')).toMatchObject({ type: 'stored', event: { offset: 2 } })
    expect(await append('a', 'key')).toEqual({ type: 'repeated', offset: 2 })
    expect(await append('b', 'key')).toMatchObject({ type: 'stored' })
    expect(await append('a', 'key', false)).toMatchObject({ type: 'stored', event: { offset: 3 } })
    const others = Array.from({ length: REMEMBERED_IDS - 1 }, (_, i) => anEvent(`k${i}`, { once: true }))
    await store.append({ channel: 'a', nowMs: NOW_MS, events: others })
    expect(await append('a', 'key')).toEqual({ type: 'repeated', offset: 2 })
    await append('a', 'one more')
    expect(await append('a', 'key')).toMatchObject({ type: 'stored' })
  })

  test('the mark of an event to be stored once is not stored', async () => {
    const store = promising(open({}))
    const event = anEvent('key', { once: true })
    const { outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events: [event] })
    const { once, ...rest } = event
    expect(outcomes).toEqual([{ type: 'stored', event: { ...rest, offset: 1, storedAtMs: NOW_MS } }])
    expect(once).toBe(true)
  })

  test('answers about appends come in the order of their offsets', async () => {
    const store = promising(open({}))
    const offsets: number[] = []
    const appends = Array.from({ length: 20 }, async (_, i) => {
      const { outcomes } = await store.append({ channel: 'a', nowMs: NOW_MS, events: [anEvent(`${i}`)] })
      if (outcomes[0]?.type === 'stored') offsets.push(outcomes[0].event.offset)
    })
    await Promise.all(appends)
    expect(offsets).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  })

  test('a cursor is none until it is set, and then where it was set last', async () => {
    const store = promising(open({}))
    const at = (offset: number) => ({ epoch: 'e', offset })
    expect(await store.mark({ name: 'c', channel: 'a' })).toBeNull()
    expect(await store.mark({ name: 'c', channel: 'a', position: at(5) })).toEqual(at(5))
    expect(await store.mark({ name: 'c', channel: 'a', position: at(3) })).toEqual(at(3))
    expect(await store.mark({ name: 'c', channel: 'a' })).toEqual(at(3))
    expect(await store.mark({ name: 'd', channel: 'a' })).toBeNull()
    expect(await store.mark({ name: 'c', channel: 'b' })).toBeNull()
  })

  test('channels whose cursor stands before the newest message are named', async () => {
    const store = promising(open({}))
    const set = (channel: string, epoch: string, offset: number, name = 'c') =>
      store.mark({ name, channel, position: { epoch, offset } })
    const epochs = new Map<string, string>()
    for (const channel of ['level', 'short', 'other epoch', 'unset', 'other name'])
      epochs.set(channel, await store.add(channel, '1', '2'))
    await set('level', epochs.get('level') ?? '', 2)
    await set('short', epochs.get('short') ?? '', 1)
    await set('other epoch', 'other', 2)
    await set('other name', epochs.get('other name') ?? '', 0, 'd')
    await set('empty', 'other', 0)
    expect([...(await store.behind('c'))].sort()).toEqual(['other epoch', 'short'])
    await store.add('level', '3')
    await set('short', epochs.get('short') ?? '', 2)
    expect([...(await store.behind('c'))].sort()).toEqual(['level', 'other epoch'])
  })
}
