// A process that publishes to a store in SQLite as fast as it can, until it is killed or the disk takes no more.
//
// Rules of this file:
// - Prints `opened`, then `ack SEQUENCE OFFSET` for each acknowledgement as it comes, `lost` where the store does not know.
// - Carries on behind the last publish that the producer's record knows. Some publishes are always on their way.

import { writeSync } from 'node:fs'
import { sqliteStore } from '../../server/src/store/sqlite.ts'

const [file = '', generation = '1'] = process.argv.slice(2)
const store = sqliteStore(file, { historyLimit: 1_000_000, onError: () => {} })
say('opened')

const claim = { id: 'p', userId: 'ann', generation: Number(generation), settledBelow: 0, window: 64 }
let lastSequence = 0
store.attach({ channel: 'a', producer: claim }, (answer) => {
  if (answer === 'unavailable' || typeof answer.producer !== 'object') return say('lost')
  lastSequence = answer.producer.last
  for (let i = 0; i < 8; i++) publish()
})

function publish(): void {
  const sequence = ++lastSequence
  const origin = { producerId: claim.id, generation: claim.generation, sequence }
  // Some of the data is longer than a page of the file.
  const event = { id: `m${sequence}`, name: 'note', dataText: `"${'x'.repeat((sequence * 997) % 9_000)}"`, origin }
  store.append({ channel: 'a', nowMs: Date.now(), events: [event] }, (answer) => {
    const outcome = answer === 'unavailable' ? undefined : answer.outcomes[0]
    if (outcome?.type !== 'stored') {
      say('lost')
      return store.close()
    }
    say(`ack ${sequence} ${outcome.event.offset}`)
    publish()
  })
}

// At once, so that a kill right after the acknowledgement cannot take it back.
function say(line: string): void {
  writeSync(1, `${line}\n`)
}
