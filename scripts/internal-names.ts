// Property names that never leave the client, shortened in the build: a third of a kilobyte on every page.
//
// Rules of this file:
// - Only names of the inside: none of a frame, an option, a snapshot, an error, the Environment, or the platform.
//   `test/package/doors.test.ts` looks for each of them in the public declarations.
// - The short names are given here, not by the bundler: every file of every format must agree on them.

const NAMES = [
  'answerMs',
  'answered',
  'askedAtMs',
  'attachment',
  'attemptId',
  'awakeMs',
  'closeDueAtMs',
  'connection',
  'counters',
  'dataText',
  'drainedAtMs',
  'dueAtMs',
  'dueInMs',
  'effects',
  'elapsedMs',
  'fetchedAtMs',
  'firstDueAtMs',
  'forgetUnanswered',
  'getChannelSnapshot',
  'getStats',
  'granted',
  'heartbeatMs',
  'hurriedAtMs',
  'isAwaited',
  'liveAtMs',
  'outageAtMs',
  'outgoingBytes',
  'phase',
  'pingedAtMs',
  'readUntilMs',
  'readers',
  'refusal',
  'sends',
  'sentAtMs',
  'settings',
  'socketId',
  'stepBytes',
  'strikes',
  'sweepAtMs',
  'timerAtMs',
  'unansweredSinceMs',
  'undrainedBytes',
  'wallMs',
  'wanted',
  'wasConnected',
]

export const INTERNAL_NAMES: readonly string[] = NAMES

/** For esbuild: which properties to shorten, and to what. */
export const MANGLING: { mangleProps: RegExp; mangleCache: Record<string, string> } = {
  mangleProps: new RegExp(`^(?:${NAMES.join('|')})$`),
  mangleCache: Object.fromEntries(NAMES.map((name, i) => [name, `_${i.toString(36)}`])),
}
