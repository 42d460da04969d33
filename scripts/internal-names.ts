// Property names that never leave the client, shortened in the build: more than a kilobyte on every page.
//
// Rules of this file:
// - Only names of the inside: none of a frame, an option, a snapshot, an error, the Environment, or the platform.
//   `test/package/doors.test.ts` looks for each of them in the public declarations.
// - No name that is also a text: a table asked by that text would no longer have the row. `test/package/mangled.test.ts`
//   looks for that.
// - The short names are given here, not by the bundler: every file of every format must agree on them.
// - Two names share a letter unless some object has both: the fewer letters there are, the better the code compresses.
//   So every kind of object is listed with all its names, most used first.

/** What is found together on one object. */
const LISTS = {
  core: `clock settings publishes effects connection records counters socketId patience roundTripMs tries timerAtMs heartbeatMs
    closeDueAtMs sweepAtMs answerMs frameLength drainedBytes attemptId pingedAtMs view serverLimits producerId askedWaitMs
    liveAtMs strikes pings drainedAtMs hurriedAtMs outageAtMs topsAskedAtMs sentBeforePingBytes lastRequest memberId isResumed`,
  channelRecord: `phase lane reached granted askedAtMs recordId fetching early history wanted asking view shown shownIn isFresh channelName newest
    readUntilMs trouble gapAtMs asksReset isRefreshing questionAtMs unsettled topAskedAtMs unrestAtMs readers fetchedAtMs
    topHeardAtMs`,
  clock: 'awakeMs elapsedMs wallMs sentBytes',
  connection: 'phase',
  phaseFacts: 'sends timer accepts socket',
  // An entry of the outbox is a publish, and that an input.
  entry: 'socketId recordId dueAtMs dataText refusal bytes isDoubtful sentAtMs attemptId deliveries',
  outbox: 'unsettled unanswered unansweredBytes dueAtMs unsettledBytes lastSequence',
  delivery: 'lane detail',
  lane: 'queued parked isClosed skipTo',
  encodedFrame: 'bytes',
  decoded: 'unknownCount',
  closeMeaning: 'policy',
  session: 'dueInMs getChannelSnapshot getStats',
  driver: 'feed elapsedMs',
  channelPort: 'feed use',
  settlement: 'isAwaited',
}

export const OBJECTS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(LISTS).map(([kind, list]) => [kind, list.split(/\s+/)]),
)

/** Not `n`, which is a field of frames. */
const LETTERS = 'abcdefghijklmopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_'

export const INTERNAL_NAMES: readonly string[] = [...new Set(Object.values(OBJECTS).flat())]

/** For esbuild: which properties to shorten, and to what. */
export const MANGLING: { mangleProps: RegExp; mangleCache: Record<string, string> } = {
  mangleProps: new RegExp(`^(?:${INTERNAL_NAMES.join('|')})$`),
  mangleCache: Object.fromEntries(lettersOf(INTERNAL_NAMES)),
}

/** Gives each name the first letter that nothing beside it has. */
function lettersOf(names: readonly string[]): Map<string, string> {
  const letters = new Map<string, string>()
  for (const name of names) {
    const beside = Object.values(OBJECTS).filter((together) => together.includes(name))
    const taken = new Set(beside.flat().map((other) => letters.get(other)))
    const letter = [...LETTERS].find((one) => !taken.has(one))
    if (!letter) throw new Error(`No letter is left for ${name}`)
    letters.set(name, letter)
  }
  return letters
}
