// Every hazard of the protocol: what in a run tells that it was met, or why it is not met here and where it is tested.
//
// Rules of this file:
// - The numbers are those of the hazards in the protocol's design: one row each, none left out.
// - A counter is what was observed on the wire, in the store or by the application, or a fault that is the hazard itself.

import type { Counts } from './counts.ts'

interface Hazard {
  readonly number: number
  readonly what: string
  /** Any of these counts. */
  readonly met?: readonly string[]
  readonly elsewhere?: string
}

const TABS = 'comes with the tabs'
const BUS = 'comes with more than one node: one node has no bus'

const HAZARDS: readonly Hazard[] = [
  { number: 1, what: 'acknowledgement lost', met: ['settled by done', 'append: repeated'] },
  { number: 2, what: 'stored, crashed before the acknowledgement', met: ['store: storedUnheard'] },
  { number: 3, what: 'restart with log and records kept', met: ['restart', 'crash'] },
  { number: 4, what: 'restart with nothing', met: ['restart with nothing', 'crash with nothing left'] },
  { number: 5, what: 'record lost while a publish is in flight', met: ['unknown: record-lost'] },
  { number: 6, what: 'late bytes of an old socket', met: ['late bytes of an abandoned socket'] },
  { number: 7, what: 'publishes after the record was lost', met: ['heard: detached'] },
  { number: 8, what: 'an older connection makes the record anew', met: ['claim: anew by an older connection'] },
  { number: 9, what: 'answer lost, later ones stored, then a retry', met: ['append: superseded', 'append: repeated'] },
  { number: 10, what: 'the answer that a record was made is lost', met: ['claim: again before anything was stored'] },
  {
    number: 11,
    what: 'a duplicated tab',
    elsewhere: 'nothing to clone: the producer is drawn in createSession; test/unit/client',
  },
  { number: 12, what: 'two tabs of one user', met: ['two tabs of one user'] },
  { number: 13, what: "another user names a client's producer", met: ['stranger with a known producer'] },
  { number: 14, what: 'the leading tab dies', elsewhere: TABS },
  { number: 15, what: 'two leaders', elsewhere: TABS },
  { number: 16, what: 'the epoch changes', met: ['reset: epoch-changed'] },
  { number: 17, what: 'a failover drops the newest entries', elsewhere: 'comes with tags, level 3' },
  { number: 18, what: 'live messages meet a replay', met: ['pushed while a page is awaited'] },
  { number: 19, what: 'stored between judging and listening', met: ['store is slow'] },
  { number: 20, what: 'the bus drops the last message', elsewhere: BUS },
  { number: 21, what: 'an answer about freshness read late', met: ['pong read late'] },
  { number: 22, what: 'the bus doubles or reorders', elsewhere: BUS },
  { number: 23, what: 'a replay larger than any buffer', met: ['heard: page with more'] },
  { number: 24, what: 'history trimmed between two pages', met: ['reset: history-evicted'] },
  { number: 25, what: 'a slow consumer', met: ['heard: behind'] },
  { number: 26, what: 'a slow link upstream', met: ['narrow'] },
  { number: 27, what: 'a slow link downstream', met: ['narrow'] },
  { number: 28, what: 'the outbox overflows', met: ['rejected: outbox-full'] },
  { number: 29, what: 'an answer for what has settled', met: ['answer for what has settled'] },
  { number: 30, what: 'abort in flight, and before', met: ['unknown: aborted', 'rejected: aborted'] },
  { number: 31, what: 'data changed after publish', elsewhere: 'test/unit/client/publishing.test.ts' },
  { number: 32, what: 'close at any moment', met: ['close'] },
  { number: 33, what: 'drain', elsewhere: 'comes with drain' },
  { number: 34, what: 'all clients at once', met: ['restart', 'crash', 'cut'] },
  { number: 35, what: 'accepted, then closed at once', met: ['slam'] },
  { number: 36, what: 'hello twice', met: ['hello twice'] },
  { number: 37, what: 'subscribed, unsubscribed, subscribed', met: ['unsubscribe'] },
  { number: 38, what: 'several handlers, a late one', met: ['subscribe'] },
  { number: 39, what: 'the address slow, failing, never there', met: ['authorize goes wrong'] },
  { number: 40, what: 'a token of another user', elsewhere: 'comes with tokens' },
  { number: 41, what: "the server's clock jumps", met: ['server clock jumps'] },
  { number: 42, what: "the client's clock jumps, sleep", met: ['sleep', 'wall clock jumps', 'freeze'] },
  { number: 43, what: 'an own message before its acknowledgement', met: ['own message before its answer'] },
  { number: 44, what: 'an acknowledgement, then a reset that contains the message', met: ['reset: asked'] },
  { number: 45, what: 'a snapshot older or newer than its position', met: ['overlap'] },
  { number: 46, what: 'hostile messages', met: ['broken message to a client', 'broken message to the server'] },
  { number: 47, what: 'frames out of order', met: ['broken message to the server'] },
  { number: 48, what: 'frames of another version', met: ['meaningless message to a client'] },
  { number: 49, what: 'origins, floods', elsewhere: 'test/edge/server.test.ts' },
  { number: 50, what: 'limits reset by reconnecting', elsewhere: 'comes with limits by user' },
  { number: 51, what: 'a handler throws', met: ['handler throws'] },
  { number: 52, what: 'published before attached', met: ['published before attached'] },
  { number: 53, what: 'permission revoked before a retry', met: ['heard: denied'] },
  { number: 54, what: 'the store did it and could not say', met: ['store does it and does not say'] },
  { number: 55, what: 'hooks out of order', met: ['hook answers late'] },
  { number: 56, what: 'slow snapshots', met: ['snapshot late'] },
]

/** One row per hazard, and how often it was met; those that are tested elsewhere are never missed. */
export function hazardTable(counts: Counts): { readonly line: string; readonly met: number }[] {
  return HAZARDS.map(({ number, what, met, elsewhere }) => {
    const count = met?.reduce((sum, name) => sum + counts.get(name), 0)
    return { line: `H${number} ${what}: ${count ?? elsewhere}`, met: count ?? Infinity }
  })
}
