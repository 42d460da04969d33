// The records that no connection is attached to, in the order of leaving, and which of them have to go.
//
// Rules of this file:
// - Time is told at `expire` alone: whoever left since the last one left now. So a record may live one turn too long.

export class Unattached<Key> {
  readonly #limit: number
  readonly #ttlMs: number
  readonly #leftAtMs = new Map<Key, number | undefined>()

  constructor(limit: number, ttlMs: number) {
    this.#limit = limit
    this.#ttlMs = ttlMs
  }

  /** Puts it last, if it is not there. Returns the one that has to go for it, if any. */
  add(key: Key): Key | undefined {
    this.#leftAtMs.set(key, this.#leftAtMs.get(key))
    if (this.#leftAtMs.size <= this.#limit) return undefined
    const [oldest] = this.#leftAtMs.keys()
    if (oldest !== undefined) this.#leftAtMs.delete(oldest)
    return oldest
  }

  /** Somebody is attached to it again. */
  delete(key: Key): void {
    this.#leftAtMs.delete(key)
  }

  /** Takes out those whose time is over. */
  expire(nowMs: number): Key[] {
    const expired: Key[] = []
    for (const [key, leftAtMs = nowMs] of this.#leftAtMs) {
      this.#leftAtMs.set(key, leftAtMs)
      if (nowMs - leftAtMs < this.#ttlMs) continue
      this.#leftAtMs.delete(key)
      expired.push(key)
    }
    return expired
  }
}
