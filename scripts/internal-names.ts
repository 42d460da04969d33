// Property names that never leave the client, shortened in the build: a third of a kilobyte on every page.
//
// Rules of this file:
// - Only names of the inside: none of a frame, an option, a snapshot, an error, the Environment, or the platform.
//   `test/package/doors.test.ts` looks for each of them in the public declarations.
// - No name that is also a text: a table asked by that text would no longer have the row. `test/package/mangled.test.ts`
//   looks for that.
// - The short names are given here, not by the bundler: every file of every format must agree on them.
// - Most used first: what is used most compresses best when it is named alike everywhere.

const NAMES = [
  'clock',
  'phase',
  'socket',
  'connection',
  'awakeMs',
  'socketId',
  'elapsedMs',
  'effects',
  'lane',
  'dueAtMs',
  'publishes',
  'settings',
  'feed',
  'askedAtMs',
  'sends',
  'reached',
  'attemptId',
  'early',
  'records',
  'view',
  'granted',
  'recordId',
  'fetching',
  'timerAtMs',
  'deliveries',
  'wallMs',
  'timer',
  'queued',
  'unanswered',
  'tries',
  'heartbeatMs',
  'gapAtMs',
  'accepts',
  'drainedBytes',
  'wanted',
  'dataText',
  'dueInMs',
  'counters',
  'patience',
  'parked',
  'asking',
  'roundTripMs',
  'isClosed',
  'answerMs',
  'closeDueAtMs',
  'refusal',
  'shown',
  'skipTo',
  'trouble',
  'sentBytes',
  'pingedAtMs',
  'readUntilMs',
  'sweepAtMs',
  'questionAtMs',
  'isRefreshing',
  'asksReset',
  'pendingBytes',
  'liveAtMs',
  'unrestAtMs',
  'unsettled',
  'askedWaitMs',
  'unansweredBytes',
  'lastSequence',
  'frameLength',
  'topAskedAtMs',
  'readers',
  'strikes',
  'pings',
  'drainedAtMs',
  'fetchedAtMs',
  'hurriedAtMs',
  'outageAtMs',
  'sentAtMs',
  'isAwaited',
  'sentBeforePingBytes',
  'topsAskedAtMs',
  'topHeardAtMs',
  'isResumed',
  'lastRequest',
  'memberId',
  'getChannelSnapshot',
  'answered',
  'getStats',
]

/** One letter each, and two where they run out; not `n`, which is a field of frames. */
const LETTERS = 'abcdefghijklmopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_'

export const INTERNAL_NAMES: readonly string[] = NAMES

/** For esbuild: which properties to shorten, and to what. */
export const MANGLING: { mangleProps: RegExp; mangleCache: Record<string, string> } = {
  mangleProps: new RegExp(`^(?:${NAMES.join('|')})$`),
  mangleCache: Object.fromEntries(NAMES.map((name, i) => [name, LETTERS.charAt(i) || `$${LETTERS.charAt(i - LETTERS.length)}`])),
}
