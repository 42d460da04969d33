// How often what happened: faults struck, hazards met, outcomes. Added up over runs, and over shards.

export class Counts {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  addAll(others: Iterable<readonly [name: string, count: number]>): void {
    for (const [name, count] of others) this.add(name, count)
  }

  [Symbol.iterator](): Iterator<readonly [name: string, count: number]> {
    return this.#counts.entries()
  }
}
