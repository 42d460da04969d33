// A part of a snapshot as a store: cached, compared, and shaped so that other libraries take it as it is.

import type { Readable } from 'steadywire'
import { toReadable } from 'steadywire/store'
import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage } from '../support/stage.ts'

interface Snapshot {
  readonly status: string
  readonly list: readonly number[]
}

/** A source that a test can set; counts who listens. */
function aSource(snapshot: Snapshot = { status: 'idle', list: [] }) {
  const listeners = new Set<() => void>()
  const source: Readable<Snapshot> = {
    getSnapshot: () => snapshot,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const set = (next: Partial<Snapshot>): void => {
    snapshot = { ...snapshot, ...next }
    for (const listener of [...listeners]) listener()
  }
  return { source, set, listeners }
}

describe('getSnapshot', () => {
  test('gives the selection of the newest snapshot', () => {
    const { source, set } = aSource()
    const status = toReadable(source, (snapshot) => snapshot.status)
    set({ status: 'connected' })
    expect(status.getSnapshot()).toBe('connected')
  })

  test('gives the whole snapshot where nothing is selected', () => {
    const { source } = aSource()
    expect(toReadable(source).getSnapshot()).toBe(source.getSnapshot())
  })

  test('selects once per snapshot, however often it is called', () => {
    const { source, set } = aSource()
    let selected = 0
    const store = toReadable(source, ({ list }) => (selected++, [...list]))
    expect(store.getSnapshot()).toBe(store.getSnapshot())
    set({ status: 'other' })
    store.getSnapshot()
    store.getSnapshot()
    expect(selected).toBe(2)
  })

  test('gives the same reference while the selection counts as equal', () => {
    const { source, set } = aSource({ status: 'idle', list: [1, 2] })
    const store = toReadable(
      source,
      ({ list }) => [...list],
      (a, b) => a.length === b.length,
    )
    const before = store.getSnapshot()
    set({ list: [3, 4] })
    expect(store.getSnapshot()).toBe(before)
    set({ list: [3] })
    expect(store.getSnapshot()).toEqual([3])
  })

  test('holds a selection that is undefined', () => {
    const { source, set } = aSource()
    let selected = 0
    const store = toReadable(source, () => void selected++)
    store.getSnapshot()
    store.getSnapshot()
    set({ status: 'other' })
    expect([store.getSnapshot(), selected]).toEqual([undefined, 2])
  })

  test('works without a subscription, and when passed on by itself', () => {
    const { source, set, listeners } = aSource()
    const { getSnapshot } = toReadable(source, ({ status }) => status)
    set({ status: 'connected' })
    expect([getSnapshot(), listeners.size]).toEqual(['connected', 0])
  })
})

describe('subscribe', () => {
  test('calls at once, and with every change of the selection', () => {
    const { source, set } = aSource()
    const heard: string[] = []
    toReadable(source, ({ status }) => status).subscribe((status) => heard.push(status))
    set({ status: 'connecting' })
    set({ list: [1] })
    set({ status: 'connecting' })
    set({ status: 'connected' })
    expect(heard).toEqual(['idle', 'connecting', 'connected'])
  })

  test('does not call where the selection counts as equal', () => {
    const { source, set } = aSource({ status: 'idle', list: [1] })
    let heard = 0
    toReadable(
      source,
      ({ list }) => [...list],
      (a, b) => a.join() === b.join(),
    ).subscribe(() => heard++)
    set({ list: [1] })
    set({ status: 'other' })
    expect(heard).toBe(1)
  })

  test('stops, and leaves no listener behind', () => {
    const { source, set, listeners } = aSource()
    const heard: string[] = []
    const stop = toReadable(source, ({ status }) => status).subscribe((status) => heard.push(status))
    stop()
    set({ status: 'connected' })
    expect([heard.length, listeners.size]).toEqual([1, 0])
  })

  test('tells each of several listeners once', () => {
    const { source, set } = aSource()
    const heard: string[] = []
    const store = toReadable(source, ({ status }) => status)
    store.subscribe((status) => heard.push(`a ${status}`))
    store.subscribe((status) => heard.push(`b ${status}`))
    heard.length = 0
    set({ status: 'x' })
    expect(heard).toEqual(['a x', 'b x'])
  })

  test('tells one who comes later the newest, also where nobody listened in between', () => {
    const { source, set } = aSource()
    const store = toReadable(source, ({ status }) => status)
    store.subscribe(() => {})()
    set({ status: 'connected' })
    const heard: string[] = []
    store.subscribe((status) => heard.push(status))
    expect(heard).toEqual(['connected'])
  })
})

// What each kind of library does with a store, in ten lines.

/** The contract of Svelte: subscribe calls at once and returns the function that stops. `get` and `$store` use no more. */
function svelteGet<T>(store: { subscribe(run: (value: T) => void): () => void }): T {
  let value: T | undefined
  store.subscribe((next) => (value = next))()
  return value as T
}

/** As nanostores derive an atom from another: mounted with the first listener, let go with the last. */
function anAtom<T>(mount: (set: (value: T) => void) => () => void) {
  const listeners = new Set<(value: T) => void>()
  let unmount: (() => void) | undefined
  return {
    value: undefined as T | undefined,
    listen(listener: (value: T) => void) {
      listeners.add(listener)
      unmount ??= mount((value) => {
        this.value = value
        for (const each of listeners) each(value)
      })
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        unmount?.()
        unmount = undefined
      }
    },
  }
}

/** As Redux: an action per change, and a reducer that replaces the slice. */
function aReduxStore(reduce: (state: object, action: { type: string; payload: unknown }) => object) {
  let state: object = {}
  return {
    getState: () => state,
    dispatch: (action: { type: string; payload: unknown }) => (state = reduce(state, action)),
  }
}

describe('a library', () => {
  test('like Svelte takes it as a store', () => {
    const { source, set, listeners } = aSource()
    const store = toReadable(source, ({ status }) => status)
    set({ status: 'connected' })
    expect([svelteGet(store), listeners.size]).toEqual(['connected', 0])
  })

  test('like nanostores mounts it as an atom', async () => {
    const stage = new Stage()
    const client = stage.client()
    const status = toReadable(client.state, (snapshot) => snapshot.status)
    const atom = anAtom<string>((set) => status.subscribe(set))
    const heard: string[] = []
    const stop = atom.listen((value) => heard.push(value))
    client.connect()
    await stage.advance(CONNECT_MS)
    stop()
    client.disconnect()
    expect([heard, atom.value]).toEqual([['idle', 'connecting', 'connected'], 'connected'])
  })

  test('like Redux gets an action per change', async () => {
    const stage = new Stage()
    const client = stage.client()
    const store = aReduxStore((state, { type, payload }) => (type === 'status' ? { ...state, status: payload } : state))
    toReadable(client.state, ({ status }) => status).subscribe((payload) => store.dispatch({ type: 'status', payload }))
    client.connect()
    expect(store.getState()).toEqual({ status: 'connecting' })
    await stage.advance(CONNECT_MS)
    expect(store.getState()).toEqual({ status: 'connected' })
  })

  test('like React reads a stable snapshot, by useSyncExternalStore’s own check', () => {
    const client = new Stage().client()
    const { state } = client.channel('a')
    const store = toReadable(state, ({ position, status }) => ({ position, status }))
    expect(Object.is(store.getSnapshot(), store.getSnapshot())).toBe(true)
  })
})

test('a channel’s position can be followed', async () => {
  const stage = new Stage()
  const client = await stage.connected()
  const channel = client.channel('a')
  channel.retain()
  await stage.advance(CONNECT_MS)
  const heard: (number | undefined)[] = []
  toReadable(channel.state, ({ position }) => position?.offset).subscribe((offset) => heard.push(offset))
  stage.world.server.publish('a', 'm', 1)
  await stage.advance(CONNECT_MS)
  expect(heard).toEqual([0, 1])
})
