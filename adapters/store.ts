// A part of a snapshot as a store of its own, for any framework.
//
// Rules of this file:
// - No batching here: the core tells of the network's changes once per frame, of the application's own at once.
// - The selection is cached by the snapshot it was made from, so `getSnapshot` may be called at any time.

import type { Readable } from '../src/index.ts'

/** A store that can be read, subscribed to, and used where Svelte expects a store. */
export interface ReadableStore<T> {
  /** The same reference until the selection has changed. */
  getSnapshot(): T
  /** Calls `listener` with the selection: at once, and after every change of it. Returns the function that stops it. */
  subscribe(listener: (value: T) => void): () => void
}

/**
 * Makes a store of a part of `source`: `client.state`, `channel.state`.
 *
 * @param select - What to take of the snapshot. Default: all of it.
 * @param equal - Whether two selections count as the same. Default: `Object.is`.
 *
 * @example
 * const status = toReadable(client.state, (snapshot) => snapshot.status)
 */
export function toReadable<S>(source: Readable<S>): ReadableStore<S>
export function toReadable<S, T>(
  source: Readable<S>,
  select: (snapshot: S) => T,
  equal?: (a: T, b: T) => boolean,
): ReadableStore<T>
export function toReadable<S, T>(
  source: Readable<S>,
  select = (snapshot: S) => snapshot as unknown as T,
  equal: (a: T, b: T) => boolean = Object.is,
): ReadableStore<T> {
  let from: { readonly snapshot: S } | undefined
  let selected: T
  function getSnapshot(): T {
    const snapshot = source.getSnapshot()
    if (from?.snapshot !== snapshot) {
      const next = select(snapshot)
      if (!from || !equal(selected, next)) selected = next
      from = { snapshot }
    }
    return selected
  }
  return {
    getSnapshot,
    subscribe(listener) {
      let told = getSnapshot()
      listener(told)
      return source.subscribe(() => {
        const now = getSnapshot()
        if (Object.is(told, now)) return
        told = now
        listener(now)
      })
    },
  }
}
