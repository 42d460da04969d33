// Who is here: the roster of each channel, and who is told of it.
//
// Rules of this file:
// - A roster is what is true, and what has been told. What differs is told to everyone at once, no more often than every
//   100 ms; so of what happens in between only the newest counts, and what comes back as it was has never been away.
// - It is encoded once; only the version is each one's own. `full` is what has been told, so the next change fits everybody.
// - Who has too much unsent is passed over, and sent `full` when there is room.
// - A member is one producer, which has one connection at a time. One whose connection was lost stays for a while, in bounded
//   number; saying anything ends that.
// - All of a roster fits into one message. What would make it larger is refused.

import { type EncodedFrame, type Refused, type Sender, utf8Bytes } from 'steadywire/protocol'
import { Cadence } from './cadence.ts'
import { dataTextOf, isFault } from './content.ts'
import type { ServerEnvironment } from './environment.ts'
import type { Settings } from './options.ts'
import { encodeChange, type EncodedPart, encodeEveryone, encodeMember, encodePresence } from './wire.ts'

/** What presence needs of the connection of whoever is here. */
export interface PresenceLine {
  readonly sender: Sender
  send(frame: EncodedFrame): void
  /** Whether so much is unsent that nothing should be pushed. */
  isCongested(): boolean
  /** Asks for a call of {@link Attendance.catchUp} when there is room. */
  wantsRoom(): void
}

/** What a node's presence is made of. */
export interface PresenceParts {
  readonly environment: ServerEnvironment
  readonly settings: Settings
  /** Asks for a call of {@link Presence.sweep} at this monotonic instant, or a little later. */
  wakeBy(atMs: number): void
}

const REST_MS = 100
const GRACE_MS = 10_000
const MAX_DATA_BYTES = 4_096
const MAX_MEMBERS = 1_000
/** Members without a connection that are waited for, on one node. */
const MAX_AWAY = 10_000
/** What a frame has besides the entries, at most. */
const MARGIN_BYTES = 2_048

export const NOT_PRESENT: Refused = { code: 'forbidden', message: 'You cannot be seen in this channel.' }
const TOO_LARGE: Refused = { code: 'too-large', message: `Presence data has ${MAX_DATA_BYTES} bytes at most.` }
const TOO_MANY: Refused = { code: 'too-many', message: 'No more can be told of who is here.' }

/** The rosters of one node. */
export class Presence {
  readonly #parts: PresenceParts
  readonly #rosters = new Map<string, Roster>()
  readonly #cadence: Cadence<Roster>
  /** Those whose connection was lost, the earliest first: where they were, and until when they are waited for. */
  readonly #away = new Map<Member, { readonly roster: Roster; readonly goesAtMs: number }>()

  constructor(parts: PresenceParts) {
    this.#parts = parts
    this.#cadence = new Cadence(parts.environment, REST_MS, (roster) => {
      roster.tell()
      this.#tidy(roster)
    })
  }

  /** When {@link sweep} has something to do next. */
  get dueAtMs(): number {
    const [first] = this.#away.values()
    return first?.goesAtMs ?? Infinity
  }

  /** Lets a connection know who is in the channel, and be seen. */
  attend(channel: string, line: PresenceLine): Attendance {
    let roster = this.#rosters.get(channel)
    if (!roster) this.#rosters.set(channel, (roster = new Roster(channel, this.#parts.settings.limits.maxMessageBytes)))
    return new Attendance(this, roster, line)
  }

  set(roster: Roster, sender: Sender, dataText: string): Refused | undefined {
    const member = roster.set(sender, dataText)
    if (!member) return TOO_MANY
    this.#away.delete(member)
    this.#cadence.ask(roster)
    return undefined
  }

  /** That member is here no more. */
  clear(roster: Roster, id: string): void {
    const member = roster.clear(id)
    if (!member) return
    this.#away.delete(member)
    this.#cadence.ask(roster)
  }

  /** That member's connection was lost, but it may come back. */
  lose(roster: Roster, id: string): void {
    const member = roster.find(id)
    // One who came back and was lost again without a word is waited for no longer than before.
    if (!member || this.#away.has(member)) return
    const goesAtMs = this.#parts.environment.monotonicNow() + GRACE_MS
    this.#away.set(member, { roster, goesAtMs })
    if (this.#away.size > MAX_AWAY) this.#goUntil(() => this.#away.size <= MAX_AWAY)
    this.#parts.wakeBy(goesAtMs)
  }

  leave(roster: Roster, attendance: Attendance): void {
    roster.readers.delete(attendance)
    this.#tidy(roster)
  }

  /** Waits no longer for those who have been away for long. */
  sweep(nowMs: number): void {
    this.#goUntil(({ goesAtMs }) => goesAtMs > nowMs)
  }

  #goUntil(isDone: (earliest: { goesAtMs: number }) => boolean): void {
    for (const [member, away] of this.#away) {
      if (isDone(away)) return
      this.clear(away.roster, member.id)
    }
  }

  #tidy(roster: Roster): void {
    if (roster.isEmpty) this.#rosters.delete(roster.channel)
  }
}

/** One connection in a channel's roster: what it is told, and what it says of itself. */
export class Attendance {
  readonly #presence: Presence
  readonly #roster: Roster
  readonly #line: PresenceLine
  #version = 0
  /** Whether it has been told everything that has been told. */
  #isLevel = false

  constructor(presence: Presence, roster: Roster, line: PresenceLine) {
    this.#presence = presence
    this.#roster = roster
    this.#line = line
    roster.readers.add(this)
  }

  /** Sends everyone who is here, if anybody is: now, or as soon as there is room. */
  begin(): void {
    this.#version = 0
    this.#isLevel = this.#roster.isToldEmpty
    this.catchUp()
  }

  catchUp(): void {
    if (this.#isLevel) return
    if (this.#line.isCongested()) return this.#line.wantsRoom()
    this.#isLevel = true
    this.#send(this.#roster.everyone())
  }

  /** Something has changed since the last call. */
  told(change: EncodedPart): void {
    if (!this.#isLevel) return
    // Who has been told nothing yet is told everything.
    if (!this.#line.isCongested()) return this.#send(this.#version === 0 ? this.#roster.everyone() : change)
    this.#isLevel = false
    this.#line.wantsRoom()
  }

  /** What others are told of this client from now on; null: it is here no more. */
  say(data: unknown): Refused | undefined {
    const { sender } = this.#line
    if (data === null) {
      this.#presence.clear(this.#roster, sender.member)
      return undefined
    }
    const dataText = dataTextOf(data)
    if (isFault(dataText)) return dataText
    if (utf8Bytes(dataText) > MAX_DATA_BYTES) return TOO_LARGE
    return this.#presence.set(this.#roster, sender, dataText)
  }

  /** Ends it: because the client wants that, or because its connection is lost. */
  end(isMeant: boolean): void {
    const { member } = this.#line.sender
    if (isMeant) this.#presence.clear(this.#roster, member)
    else this.#presence.lose(this.#roster, member)
    this.#presence.leave(this.#roster, this)
  }

  #send(content: EncodedPart): void {
    this.#line.send(encodePresence(this.#roster.channel, ++this.#version, content))
  }
}

/** One who is here, or whose going is still to be told. */
interface Member {
  readonly id: string
  /** The entry as JSON; undefined once it is here no more. */
  text: string | undefined
  /** The entry that was told last; undefined if none is. */
  toldText: string | undefined
  bytes: number
}

class Roster {
  readonly channel: string
  readonly readers = new Set<Attendance>()
  readonly #maxBytes: number
  readonly #members = new Map<string, Member>()
  /** Those of whom something else may be true than what was told. */
  readonly #changed = new Set<Member>()
  #bytes = MARGIN_BYTES
  /** Everyone as they were told of, encoded; undefined until somebody asks. */
  #everyone: EncodedPart | undefined

  constructor(channel: string, maxBytes: number) {
    this.channel = channel
    this.#maxBytes = maxBytes
  }

  get isEmpty(): boolean {
    return this.readers.size === 0 && this.#members.size === 0
  }

  /** Whether nobody is here, as far as anybody has been told. */
  get isToldEmpty(): boolean {
    for (const { toldText } of this.#members.values()) if (toldText !== undefined) return false
    return true
  }

  /** The member of that name, if it is here. */
  find(id: string): Member | undefined {
    const member = this.#members.get(id)
    return member?.text === undefined ? undefined : member
  }

  /** The member of that sender, with what is true of it now; undefined if there is no room. */
  set(sender: Sender, dataText: string): Member | undefined {
    const id = sender.member
    const { text, bytes: textBytes } = encodeMember(sender, dataText)
    // With the comma before the next.
    const bytes = textBytes + 1
    const known = this.#members.get(id)
    const grownBytes = bytes - (known?.bytes ?? 0)
    if ((!known && this.#members.size >= MAX_MEMBERS) || this.#bytes + grownBytes > this.#maxBytes) return undefined
    const member = known ?? { id, text, toldText: undefined, bytes }
    member.text = text
    member.bytes = bytes
    this.#bytes += grownBytes
    this.#members.set(id, member)
    this.#changed.add(member)
    return member
  }

  clear(id: string): Member | undefined {
    const member = this.find(id)
    if (!member) return undefined
    member.text = undefined
    this.#changed.add(member)
    return member
  }

  /** Tells everyone what has changed since the last call. */
  tell(): void {
    const set: string[] = []
    const cleared: string[] = []
    for (const member of this.#changed) {
      const { id, text, toldText } = member
      if (text === undefined) {
        this.#members.delete(id)
        this.#bytes -= member.bytes
      }
      if (text === toldText) continue
      member.toldText = text
      if (text === undefined) cleared.push(id)
      else set.push(text)
    }
    this.#changed.clear()
    if (set.length === 0 && cleared.length === 0) return
    this.#everyone = undefined
    const change = encodeChange(set, cleared)
    for (const reader of this.readers) reader.told(change)
  }

  /** Everyone who has been told of. */
  everyone(): EncodedPart {
    this.#everyone ??= encodeEveryone([...this.#members.values()].flatMap(({ toldText }) => toldText ?? []))
    return this.#everyone
  }
}
