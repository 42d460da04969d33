// Who is who: the sessions by producer, and how many each user has.
//
// Rules of this file:
// - A producer has at most one connection. A newer generation takes over; a lower or equal one is turned away.
// - A producer belongs to the user it first came with, for as long as it is remembered.
// - It keeps its public `member` id across connections. Producers are secrets: they never leave this file.
// - Those without a connection are remembered for a while and in bounded number: what is forgotten costs a new member id.

import { CLOSE_FORBIDDEN, CLOSE_REPLACED, CLOSE_TOO_MANY, closeReason, type HelloFrame } from 'steadywire/protocol'

/** A connection that acts for a producer. */
export interface Holder {
  /** The monotonic instant of the last sign of life. */
  readonly heardAtMs: number
  close(code: number, reason: string): void
}

/** The way in, or why there is none. */
export type Entry =
  | { readonly type: 'entered'; readonly member: string }
  | { readonly type: 'refused'; readonly code: number; readonly reason: string }

interface Producer {
  readonly userId: string
  readonly member: string
  generation: number
  holder: Holder | undefined
  leftAtMs: number
}

const MAX_ABSENT = 10_000

export class Producers {
  readonly #present = new Map<string, Producer>()
  // In the order of leaving.
  readonly #absent = new Map<string, Producer>()
  readonly #holdersByUser = new Map<string, Set<Holder>>()
  readonly #createId: () => string
  readonly #maxPerUser: number
  readonly #silentMs: number

  /** A session silent for `silentMs` yields to a new one of its user. */
  constructor(createId: () => string, maxPerUser: number, silentMs: number) {
    this.#createId = createId
    this.#maxPerUser = maxPerUser
    this.#silentMs = silentMs
  }

  /** Lets a connection act for a producer; closes the one that did so before. */
  enter({ producer: id, generation }: HelloFrame, userId: string, holder: Holder, nowMs: number): Entry {
    const known = this.#present.get(id) ?? this.#absent.get(id)
    if (known && known.userId !== userId) return refused(CLOSE_FORBIDDEN, 'other-user')
    if (known && generation <= known.generation) return refused(CLOSE_REPLACED, 'replaced')
    const before = known?.holder
    if (!before && !this.#makeRoom(userId, nowMs))
      return refused(CLOSE_TOO_MANY, closeReason('too-many', this.#silentMs))
    const producer = known ?? { userId, member: this.#createId(), generation, holder, leftAtMs: 0 }
    producer.generation = generation
    producer.holder = holder
    this.#absent.delete(id)
    this.#present.set(id, producer)
    this.#holdersOf(userId).add(holder)
    before?.close(CLOSE_REPLACED, closeReason('replaced'))
    return { type: 'entered', member: producer.member }
  }

  leave({ producer: id }: HelloFrame, userId: string, holder: Holder, nowMs: number): void {
    const holders = this.#holdersOf(userId)
    holders.delete(holder)
    if (holders.size === 0) this.#holdersByUser.delete(userId)
    const producer = this.#present.get(id)
    if (producer?.holder !== holder) return
    producer.holder = undefined
    producer.leftAtMs = nowMs
    this.#present.delete(id)
    this.#absent.set(id, producer)
    if (this.#absent.size > MAX_ABSENT) this.#forgetUntil(() => this.#absent.size <= MAX_ABSENT)
  }

  /** Forgets producers that left `idleMs` ago. */
  sweep(nowMs: number, idleMs: number): void {
    this.#forgetUntil(({ leftAtMs }) => nowMs - leftAtMs < idleMs)
  }

  #forgetUntil(isDone: (oldest: Producer) => boolean): void {
    for (const [id, producer] of this.#absent) {
      if (isDone(producer)) return
      this.#absent.delete(id)
    }
  }

  #holdersOf(userId: string): Set<Holder> {
    let holders = this.#holdersByUser.get(userId)
    if (!holders) this.#holdersByUser.set(userId, (holders = new Set()))
    return holders
  }

  /** A user whose machines died must not be locked out by what is left of their connections; one with many tabs must
   * not have them push each other out in turn. Silence tells the two apart. */
  #makeRoom(userId: string, nowMs: number): boolean {
    const holders = this.#holdersByUser.get(userId)
    if (!holders || holders.size < this.#maxPerUser) return true
    let silent: Holder | undefined
    for (const holder of holders) if (!silent || holder.heardAtMs < silent.heardAtMs) silent = holder
    if (!silent || nowMs - silent.heardAtMs < this.#silentMs) return false
    silent.close(CLOSE_TOO_MANY, closeReason('too-many', this.#silentMs))
    return true
  }
}

function refused(code: number, word: string): Entry {
  return { type: 'refused', code, reason: closeReason(word) }
}
