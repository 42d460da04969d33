// What the server's stores have really stored, and when, seen from outside: the truth that the checkers compare with.
//
// Rules of this file:
// - It watches every store of a world through the store's own port and changes nothing.
// - A log that is lost stays known here: what was once stored was once stored.

import type { Store, StoredEvent } from '@steadywire/server'
import { violation } from './checkers/checker.ts'
import type { Counts } from './counts.ts'

/** When an entry was stored, and where. */
export interface Stored {
  readonly atMs: number
  readonly epoch: string
  readonly offset: number
}

export interface Oracle {
  readonly wrapStore: (store: Store) => Store
  /** The entry at a position, in whatever store it was written. */
  entry(channel: string, epoch: string, offset: number): StoredEvent | undefined
  /** How often, in all stores there have been, a message id was stored. */
  storedCount(id: string): number
  /** The newest entry of the log that is in use now. */
  top(channel: string): Stored | undefined
  /** The newest entry that the store in use at that moment held then. */
  topAt(channel: string, atMs: number): Stored | undefined
  /** The history that a channel has now, as far as anybody has been told. */
  epoch(channel: string): string | undefined
}

export function createOracle(now: () => number, counts: Counts): Oracle {
  const logs = new Map<string, StoredEvent[]>()
  const storedCounts = new Map<string, number>()
  const histories = new Map<string, Stored[]>()
  const epochs = new Map<string, string>()
  const lostAtMs: number[] = []
  let stores = 0

  function stored(channel: string, epoch: string, event: StoredEvent, isInUse: boolean): void {
    const key = `${channel} ${epoch}`
    let log = logs.get(key)
    if (!log) logs.set(key, (log = []))
    if (log[event.offset]) violation('G2', `the store wrote ${channel} ${epoch}:${event.offset} twice`)
    log[event.offset] = event
    storedCounts.set(event.id, (storedCounts.get(event.id) ?? 0) + 1)
    if (!isInUse) return
    let history = histories.get(channel)
    if (!history) histories.set(channel, (history = []))
    history.push({ atMs: now(), epoch, offset: event.offset })
  }

  const topAt: Oracle['topAt'] = (channel, atMs) => {
    const history = histories.get(channel) ?? []
    let low = 0
    let high = history.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((history[middle] as Stored).atMs <= atMs) low = middle + 1
      else high = middle
    }
    const found = history[low - 1]
    return found && lostAtMs.some((lost) => lost >= found.atMs && lost <= atMs) ? undefined : found
  }

  return {
    wrapStore(store) {
      const number = ++stores
      if (number > 1) lostAtMs.push(now())
      // What a dead process had begun may still happen in a store that nobody uses any more.
      const isInUse = (): boolean => number === stores
      const learn = (channel: string, epoch: string): void => {
        if (isInUse()) epochs.set(channel, epoch)
      }
      // The newest generation that has claimed each producer's record. A record that was lost may be made anew by an older one.
      const claims = new Map<string, { readonly incarnation: string; readonly generation: number }>()
      return {
        ...store,
        attach(query, done) {
          store.attach(query, (answer) => {
            if (answer !== 'unavailable') learn(query.channel, answer.extent.epoch)
            if (query.producer && answer !== 'unavailable' && typeof answer.producer === 'object') {
              const key = `${query.producer.id} ${query.channel}`
              const { incarnation } = answer.producer
              const { generation } = query.producer
              const before = claims.get(key)
              if (before?.incarnation === incarnation && generation < before.generation)
                violation('G23', `an older connection claimed ${query.channel}`)
              if (before && before.incarnation !== incarnation && generation < before.generation)
                counts.add('claim: anew by an older connection')
              if (before?.incarnation === incarnation && generation > before.generation && answer.producer.last === 0)
                counts.add('claim: again before anything was stored')
              claims.set(key, { incarnation, generation })
            }
            done(answer)
          })
        },
        append(query, done) {
          store.append(query, (answer) => {
            if (answer !== 'unavailable') {
              learn(query.channel, answer.epoch)
              for (const [i, outcome] of answer.outcomes.entries()) {
                counts.add(`append: ${outcome.type}`)
                if (outcome.type !== 'stored') continue
                const origin = query.events[i]?.origin
                const newest = origin && claims.get(`${origin.producerId} ${query.channel}`)
                if (newest && origin && origin.generation < newest.generation)
                  violation('G23', `${query.channel}:${outcome.event.offset} was stored for an older connection`)
                stored(query.channel, answer.epoch, outcome.event, isInUse())
              }
            }
            done(answer)
          })
        },
        page(query, done) {
          store.page(query, (answer) => {
            if (answer !== 'unavailable') learn(query.channel, answer.extent.epoch)
            done(answer)
          })
        },
        tops(channels, done) {
          store.tops(channels, (answer) => {
            if (answer !== 'unavailable')
              for (const [i, { epoch }] of answer.entries()) learn(channels[i] as string, epoch)
            done(answer)
          })
        },
      }
    },
    entry: (channel, epoch, offset) => logs.get(`${channel} ${epoch}`)?.[offset],
    storedCount: (id) => storedCounts.get(id) ?? 0,
    top(channel) {
      const found = topAt(channel, Infinity)
      return found?.epoch === epochs.get(channel) ? found : undefined
    },
    topAt,
    epoch: (channel) => epochs.get(channel),
  }
}
