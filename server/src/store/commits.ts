// One transaction per tick: what is asked in one tick is done together, committed once, and then answered.
//
// Rules of this file:
// - Work is done in the order in which it was asked for, and answered in that order, after the commit.
// - If anything of a transaction fails, all of it has not happened, and all that was asked in it is lost.
// - So much of it at once and no more: what is left has the next tick, and the sockets are read in between.

/** Something asked of a store. */
export interface Work {
  /** Does it, within the transaction. Returns what is to happen once that is committed. */
  run(): () => void
  /** The transaction has failed. */
  lost(): void
}

/** What transactions are made of; each may throw. */
export interface Transaction {
  begin(): void
  commit(): void
  rollback(): void
}

const MAX_WORK = 128

export class Commits {
  readonly #transaction: Transaction
  readonly #failed: (error: unknown) => void
  #queue: Work[] = []
  #tick: NodeJS.Immediate | undefined
  #isClosed = false

  /** `failed` is told why a transaction failed. */
  constructor(transaction: Transaction, failed: (error: unknown) => void) {
    this.#transaction = transaction
    this.#failed = failed
  }

  /** Has it done at the end of this tick, when everything that has arrived by now has been asked. */
  add(work: Work): void {
    if (this.#isClosed) return work.lost()
    this.#queue.push(work)
    this.#tick ??= setImmediate(() => this.#next())
  }

  /** Does what is left and takes no more. */
  close(): void {
    this.#isClosed = true
    while (this.#queue.length > 0) this.#next()
  }

  #next(): void {
    clearImmediate(this.#tick)
    const batch = this.#queue
    this.#queue = batch.splice(MAX_WORK)
    this.#tick = this.#queue.length > 0 ? setImmediate(() => this.#next()) : undefined
    for (const act of this.#commit(batch)) isolated(act)
  }

  /** What is to happen now that the work is done, or lost. */
  #commit(batch: readonly Work[]): (() => void)[] {
    try {
      this.#transaction.begin()
      const acts = batch.map((work) => work.run())
      this.#transaction.commit()
      return acts
    } catch (error) {
      this.#rollBack()
      return [() => this.#failed(error), ...batch.map((work) => () => work.lost())]
    }
  }

  #rollBack(): void {
    try {
      this.#transaction.rollback()
    } catch {
      // Some errors have done so already.
    }
  }
}

/** An exception of one is nobody else's: it surfaces by itself, when all have been served. */
function isolated(act: () => void): void {
  try {
    act()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
