// What the server's stores have really stored, seen from outside: the truth that the checkers compare with.
//
// Rules of this file:
// - It watches every store of a world through the store's own port and changes nothing.
// - A log that is lost stays known here: what was once stored was once stored.

import type { Store, StoredEvent } from '@steadywire/server'

export interface Oracle {
  readonly wrapStore: (store: Store) => Store
  /** The entry at a position, in whatever store it was written. */
  entry(channel: string, epoch: string, offset: number): StoredEvent | undefined
  /** How often, in all stores there have been, a message id was stored. */
  storedCount(id: string): number
  /** The newest offset of the log that is in use now. */
  top(channel: string): { epoch: string; offset: number } | undefined
}

export function createOracle(): Oracle {
  const logs = new Map<string, StoredEvent[]>()
  const counts = new Map<string, number>()
  const tops = new Map<string, { epoch: string; offset: number }>()
  return {
    wrapStore(store) {
      tops.clear()
      return {
        ...store,
        append(query, done) {
          store.append(query, (answer) => {
            if (answer !== 'unavailable') {
              for (const outcome of answer.outcomes) {
                if (outcome.type !== 'stored') continue
                const { event } = outcome
                const key = `${query.channel} ${answer.epoch}`
                const log = logs.get(key) ?? []
                logs.set(key, log)
                log[event.offset] = event
                counts.set(event.id, (counts.get(event.id) ?? 0) + 1)
                tops.set(query.channel, { epoch: answer.epoch, offset: event.offset })
              }
            }
            done(answer)
          })
        },
      }
    },
    entry: (channel, epoch, offset) => logs.get(`${channel} ${epoch}`)?.[offset],
    storedCount: (id) => counts.get(id) ?? 0,
    top: (channel) => tops.get(channel),
  }
}
