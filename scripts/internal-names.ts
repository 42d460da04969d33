// Words that never leave the client, shortened in the build: property names, and texts that tell one thing from another.
//
// Rules of this file:
// - Only names of the inside: none of a frame, an option, a snapshot, an error, the Environment, or the platform.
//   `test/package/doors.test.ts` looks for each of them in the public declarations.
// - A text is listed as one, and then shortened wherever it stands, as the key of a table too. No name that is also a text
//   may be missing there: a table asked by that text would no longer have the row. `test/package/mangled.test.ts` looks for that.
// - The short names are given here, not by the bundler: every file of every format must agree on them.
// - Two names share a letter unless some object has both: the fewer letters there are, the better the code compresses.
//   So every kind of object is listed with all its names, most used first.

import { readFile } from 'node:fs/promises'
import type { OnLoadResult, Plugin } from 'esbuild'
import ts from 'typescript'

/** What is found together on one object. */
const LISTS = {
  core: `clock settings publishes effects phase records counters socketId patience roundTripMs tries timerAtMs heartbeatMs
    closeDueAtMs sweepAtMs answerMs frameLength drainedBytes attemptId pingedAtMs view serverLimits producerId askedWaitMs
    liveAtMs strikes pings drainedAtMs hurriedAtMs outageAtMs topsAskedAtMs sentBeforePingBytes lastRequest tokenReason
    tokenUntilMs leavesAtMs questions volatiles paceAtMs`,
  channelRecord: `phase lane reached granted readUntilMs incarnationId fetching trouble historyEpoch wanted asking
    topAskedAtMs shown shownIn isFresh fetchedAtMs newest askedAtMs early gapAtMs isRefreshing questionAtMs unsettled
    overlapOffset unrestAtMs readers channelName topHeardAtMs completeAtMs view roster rosterVersion writeUntilMs`,
  clock: 'awakeMs elapsedMs wallMs sentBytes waitingBytes',
  connection: 'phase',
  phaseFacts: 'sends timer accepts socket',
  // An entry of the outbox is a publish, and that an input.
  entry:
    'socketId incarnationId dueAtMs dataText refusal bytes sentAtMs attemptId deliveries isDoubtful result hint dials isSent',
  outbox: 'unsettled unanswered unansweredBytes dueAtMs unsettledBytes lastSequence',
  delivery: 'lane detail',
  lane: 'queued parked isClosed skipTo',
  encodedFrame: 'bytes text',
  decoded: 'frames unknownCount',
  closeMeaning: 'policy',
  session: 'dueInMs getChannelSnapshot getStats getRoster',
  driver: 'feed elapsedMs',
  channelPort: 'feed use present getRoster',
  channelHandle: 'deliver refreshed wipe',
  asking: 'lateAtMs asker',
  settlement: 'isAwaited',
}

/** What is compared with each other, or found together as the keys of a table. */
const TEXT_LISTS = {
  effect: 'changed deliver settle authorize refreshed socket.open socket.send socket.close',
  input: 'authorized delivered wake hint unsubscribe socket.opened socket.received socket.ended',
  cell: 'stay waiting probing authorizing opening handshaking stopped',
  trigger: 'lost due heard nudge moved welcomed authorized',
  status: 'trying',
  answer: 'settled never-sent malformed',
}

export const OBJECTS = wordsOf({ ...LISTS, ...TEXT_LISTS })
export const INTERNAL_TEXTS: readonly string[] = Object.values(wordsOf(TEXT_LISTS)).flat()

/** In the order in which minifiers name variables: what is frequent anyway compresses best. Not `n`, which is a field of frames. */
const LETTERS = 'etsaiolrfcudhmgpvwbkyxzqjABCDEFGHIJKLMNOPQRSTUVWXYZ$_'

export const INTERNAL_NAMES: readonly string[] = [...new Set(Object.values(OBJECTS).flat())]

/** For esbuild: which properties to shorten, and to what. Needs {@link TEXT_MARKER}. */
export const MANGLING: { mangleProps: RegExp; mangleCache: Record<string, string> } = {
  mangleProps: new RegExp(`^(?:${INTERNAL_NAMES.join('|')})$`),
  mangleCache: Object.fromEntries(lettersOf(INTERNAL_NAMES)),
}

/** For esbuild: has it treat the texts of the inside like names. */
export const TEXT_MARKER: Plugin = {
  name: 'texts of the inside',
  setup: (build) => build.onLoad({ filter: /\.ts$/ }, markTexts),
}

async function markTexts({ path }: { readonly path: string }): Promise<OnLoadResult> {
  const source = ts.createSourceFile(path, await readFile(path, 'utf8'), ts.ScriptTarget.Latest, true)
  let contents = ''
  let end = 0
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && INTERNAL_TEXTS.includes(node.text)) {
      const text = `/* @__KEY__ */ ${node.getText()}`
      const isKey = ts.isObjectLiteralElement(node.parent) && node.parent.name === node
      contents += source.text.slice(end, node.getStart()) + (isKey ? `[${text}]` : text)
      end = node.getEnd()
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { contents: contents + source.text.slice(end), loader: 'ts' }
}

function wordsOf(lists: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.entries(lists).map(([kind, list]) => [kind, list.split(/\s+/)]))
}

/** Gives each name the first letter that nothing beside it has. */
function lettersOf(names: readonly string[]): Map<string, string> {
  const letters = new Map<string, string>()
  for (const name of names) {
    const beside = Object.values(OBJECTS).filter((together) => together.includes(name))
    const taken = new Set(beside.flat().map((other) => letters.get(other)))
    const letter = LETTERS.split('').find((one) => !taken.has(one))
    if (!letter) throw new Error(`No letter is left for ${name}`)
    letters.set(name, letter)
  }
  return letters
}
