// One broken line per rule: the simulator must notice each of them.
//
// Rules of this file:
// - A line is named as it stands in the sources, without its indentation. Whoever rewrites it rewrites the mutant.
// - None of them may leave a loop without an end: virtual time would stand still. That is why R12 has none.

import type { Mutation } from './bundle.ts'

/** A mutation, and what it breaks. */
export interface Mutant extends Mutation {
  /** The rule of the protocol, or the guarantee, that it breaks. */
  readonly rule: string
  readonly what: string
}

export const MUTANTS: readonly Mutant[] = [
  {
    rule: 'R1',
    what: 'a client listens to sockets that it has abandoned',
    file: 'src/session/connecting.ts',
    line: 'return core.socketId === socketId && PHASES[core.phase].socket',
    instead: '  return PHASES[core.phase].socket',
  },
  {
    rule: 'R1',
    what: 'the server keeps the connection that was replaced',
    file: 'server/src/producers.ts',
    line: "before?.close(CLOSE_REPLACED, closeReason('replaced'))",
    instead: '',
  },
  {
    rule: 'R2',
    what: "an older connection claims a producer's record",
    file: 'server/src/store/records.ts',
    line: "if (known.generation > generation) return 'replaced'",
    instead: '',
  },
  {
    rule: 'R3',
    what: 'an older connection stores',
    file: 'server/src/store/records.ts',
    line: "if (record.generation > origin.generation) return { type: 'replaced' }",
    instead: '',
  },
  {
    rule: 'R3',
    what: 'a publish that was stored is stored again',
    file: 'server/src/store/records.ts',
    line: 'if (origin.sequence > record.last) return undefined',
    instead: '  return undefined',
  },
  {
    rule: 'R3',
    what: 'what has left the ring is stored again',
    file: 'server/src/store/records.ts',
    line: "if (!before) return { type: 'superseded' }",
    instead: '  if (!before) return undefined',
  },
  {
    rule: 'R3',
    what: 'the ring is not kept',
    file: 'server/src/store/records.ts',
    line: 'return { ...record, last: sequence, done: done.slice(Math.max(0, done.length - record.window)) }',
    instead: '  return { ...record, last: sequence, done: [] }',
  },
  {
    rule: 'R4',
    what: 'the server refuses what the store may have',
    file: 'server/src/publishing.ts',
    line: "if (answer === 'unavailable') this.#line.close(CLOSE_UNAVAILABLE, closeReason('store-unavailable'))",
    instead: "      if (answer === 'unavailable') this.#refuse(head, TROUBLE)",
  },
  {
    rule: 'R5',
    what: 'publishes are sent again under a record that knows nothing of them',
    file: 'src/session/publishing.ts',
    line: '} else if (entry.incarnationId !== record.incarnationId) loseTrack(core, entry, lostCode)',
    instead: '    }',
  },
  {
    rule: 'R5',
    what: 'a publish gets a new sequence when it is sent again',
    file: 'src/delivery/outbox.ts',
    line: 'entry.sequence ||= ++outbox.lastSequence',
    instead: '  entry.sequence = ++outbox.lastSequence',
  },
  {
    rule: 'R5',
    what: 'a later publish passes one that has no room',
    file: 'src/session/publishing.ts',
    line: '} else return',
    instead: '    }',
  },
  {
    rule: 'R6',
    what: 'a record that was lost comes back under its old name',
    file: 'server/src/store/records.ts',
    line: 'if (!known) return { incarnation: createId(), userId, generation, window, last: 0, done: [] }',
    instead: "  if (!known) return { incarnation: 'same', userId, generation, window, last: 0, done: [] }",
  },
  {
    rule: 'R8',
    what: 'a position in another history is taken for one in this',
    file: 'server/src/store/store.ts',
    line: "if (position.epoch !== epoch) return 'epoch-changed'",
    instead: '',
  },
  {
    rule: 'R9',
    what: 'a message of another history is pushed',
    file: 'server/src/attachment.ts',
    line: 'if (event.epoch !== live.epoch || event.offset !== live.offset + 1 || this.#line.isCongested())',
    instead: '    if (event.offset !== live.offset + 1 || this.#line.isCongested())',
  },
  {
    rule: 'R10',
    what: 'what is pushed while a page is awaited moves the position',
    file: 'src/session/receiving.ts',
    line: "if (record?.phase !== 'live') return",
    instead: '  if (!record) return',
  },
  {
    rule: 'R11',
    what: 'freshness counts from the answer',
    file: 'src/session/core.ts',
    line: 'record.topAskedAtMs = Math.max(record.topAskedAtMs, askedAtMs)',
    instead: '  record.topAskedAtMs = core.clock.elapsedMs',
  },
  {
    rule: 'R11',
    what: 'a channel is fresh without having reached the top',
    file: 'src/session/core.ts',
    line: 'if (record.shownIn !== record.lane || !hasReached(record.shown, record.newest)) return',
    instead: '',
  },
  {
    rule: 'R16',
    what: 'the server falls over a broken message',
    file: 'server/src/session.ts',
    line: "if (decoded === 'malformed') return this.close(CLOSE_BAD_FRAME, closeReason('malformed'))",
    instead: "    if (decoded === 'malformed') throw new Error('while reading')",
  },
  {
    rule: 'G11',
    what: 'a handler that throws stops the others',
    file: 'src/emitter.ts',
    line: 'reportError(error)',
    instead: '          throw error',
  },
  {
    rule: 'G16',
    what: "a server's wish for a wait is not heard",
    file: 'src/connection/backoff.ts',
    line: 'return Math.max(minDelayMs, floorMs) + random * Math.min(cap, maxDelayMs, grown)',
    instead: '  return minDelayMs + random * Math.min(cap, maxDelayMs, grown)',
  },
  {
    rule: 'G17',
    what: 'a closed client listens to the page',
    file: 'src/driver.ts',
    line: 'stopHints()',
    instead: '',
  },
]
