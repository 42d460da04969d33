// Frames to try: every kind of well-formed one, and ways of spoiling them.
//
// Rules of this file:
// - Typed by `frames.ts` and by nothing that is tested: a field missing here does not compile.
// - What comes out is what `JSON.parse` could answer: own fields only, no `undefined`, no NaN.

import { fc } from '@fast-check/vitest'
import type {
  ClientFrame,
  Limits,
  LogEvent,
  Position,
  Refused,
  RosterEntry,
  ServerFrame,
} from '../../../src/protocol/frames.ts'

type Json = null | boolean | number | string | Json[] | { [field: string]: Json }
type FrameOf<Frame extends { type: string }, T extends string> = Extract<Frame, { type: T }>
/** One arbitrary per field of `T`, optional ones too. */
type Fields<T> = { readonly [Field in keyof T]-?: fc.Arbitrary<Exclude<T[Field], undefined>> }
type FieldsByType<Frame extends { type: string }> = {
  readonly [T in Frame['type']]: readonly [fields: Fields<Omit<FrameOf<Frame, T>, 'type'>>, optional: readonly string[]]
}

const count = fc.oneof(fc.nat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER))
const amount = fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }))
const text = fc.string({ unit: 'grapheme', maxLength: 8 })
const flag = fc.boolean()
const data = fc.jsonValue({ maxDepth: 3 })
const grants = fc.subarray(['read', 'write'] as const)

const position = recordOf<Position>({ epoch: text, offset: count, tag: text }, ['tag'])
const eventFields: Fields<LogEvent> = {
  offset: count,
  tag: text,
  id: text,
  name: text,
  data,
  sender: fc.record({ user: text, member: text }),
  storedAtMs: amount,
}
const refused = recordOf<Refused>({ code: text, message: text }, ['message'])
const roster = fc.array(recordOf<RosterEntry>({ user: text, member: text, data }, []), { maxLength: 3 })
const EVENT_OPTIONAL = ['tag', 'sender']

const CLIENT: FieldsByType<ClientFrame> = {
  hello: [{ version: count, producer: text, generation: count, token: text }, ['token']],
  sub: [
    { channel: text, request: count, want: grants, position, reset: flag, settledBelow: count },
    ['position', 'reset', 'settledBelow'],
  ],
  unsub: [{ channel: text, request: count }, []],
  pub: [{ channel: text, sequence: count, id: text, name: text, data, base: position }, ['base']],
  fetch: [{ channel: text, request: count, position, count }, []],
  ping: [{ n: count }, []],
  pong: [{ n: count }, []],
  auth: [{ token: text }, []],
  req: [{ id: text, name: text, params: data }, []],
  vol: [{ channel: text, name: text, data, key: text }, ['key']],
  pres: [{ id: text, channel: text, data }, []],
  hist: [{ id: text, channel: text, before: position, limit: count }, ['before']],
}

const SERVER: FieldsByType<ServerFrame> = {
  welcome: [
    {
      version: count,
      level: count,
      features: fc.array(text, { maxLength: 3 }),
      member: text,
      heartbeat: fc.record({ intervalMs: amount }),
      limits: recordOf<Limits>(
        {
          window: count,
          windowBytes: count,
          messageBytes: count,
          snapshotBytes: count,
          pageCount: count,
          publishesPerSecond: amount,
          publishBurst: amount,
          volatilePerSecond: amount,
        },
        ['volatilePerSecond'],
      ),
      tokenExpiresInMs: amount,
      contractVersion: text,
    },
    ['tokenExpiresInMs', 'contractVersion'],
  ],
  attached: [
    {
      channel: text,
      request: count,
      grants,
      top: position,
      mode: fc.constantFrom('live', 'catching-up', 'reset'),
      producer: fc.record({
        incarnation: text,
        last: count,
        done: fc.array(fc.tuple(count, text, count), { maxLength: 3 }),
      }),
    },
    ['producer'],
  ],
  denied: [{ channel: text, request: count, code: text, message: text }, ['message']],
  reset: [
    { channel: text, request: count, reason: text, position, top: position, snapshot: data, overlapTo: count },
    ['request', 'snapshot', 'overlapTo'],
  ],
  detached: [{ channel: text, request: count, code: text }, []],
  ack: [{ channel: text, sequence: count, offset: count, tag: text }, ['tag']],
  nack: [{ channel: text, sequence: count, code: text, message: text }, ['message']],
  event: [{ channel: text, ...eventFields }, EVENT_OPTIONAL],
  page: [
    {
      channel: text,
      request: count,
      from: count,
      previousTag: text,
      events: fc.array(recordOf<LogEvent>(eventFields, EVENT_OPTIONAL), { maxLength: 3 }),
      more: flag,
      top: position,
    },
    ['previousTag', 'top'],
  ],
  behind: [{ channel: text }, []],
  ping: [{ n: count }, []],
  pong: [{ n: count, tops: fc.array(recordOf({ channel: text, epoch: text, offset: count, tag: text }, ['tag'])) }, []],
  error: [{ code: text, message: text, retryAfterMs: amount }, ['retryAfterMs']],
  authreq: [{ withinMs: amount }, []],
  drain: [{ afterMinMs: amount, afterMaxMs: amount }, []],
  res: [{ id: text, data, error: refused }, ['data', 'error']],
  histpage: [
    {
      id: text,
      events: fc.array(recordOf<LogEvent>(eventFields, EVENT_OPTIONAL), { maxLength: 3 }),
      more: flag,
      epoch: text,
      error: refused,
    },
    ['error'],
  ],
  vol: [
    { channel: text, name: text, data, key: text, sender: fc.record({ user: text, member: text }) },
    ['key', 'sender'],
  ],
  pres: [
    { channel: text, version: count, full: roster, set: roster, cleared: fc.array(text, { maxLength: 3 }) },
    ['full', 'set', 'cleared'],
  ],
}

export const CLIENT_TYPES = Object.keys(CLIENT) as ClientFrame['type'][]
export const SERVER_TYPES = Object.keys(SERVER) as ServerFrame['type'][]

/** Well-formed frames of every type that a client sends. */
export const clientFrames: fc.Arbitrary<ClientFrame> = framesOf(CLIENT)
/** Well-formed frames of every type that a server sends. */
export const serverFrames: fc.Arbitrary<ServerFrame> = framesOf(SERVER)

/** Anything at all that can be written as JSON, and what looks like a frame from afar. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue(),
  fc.record({ type: fc.oneof(fc.constantFrom(...CLIENT_TYPES, ...SERVER_TYPES), fc.jsonValue()) }),
  fc.dictionary(fc.constantFrom('type', 'channel', 'n', 'request', '__proto__'), fc.jsonValue()),
)

const WRONG: readonly string[] = [
  ...[
    'null',
    'true',
    'false',
    '""',
    '"a"',
    '"read"',
    '"live"',
    '"constructor"',
    '[]',
    '{}',
    '[[]]',
    '[null]',
    '{"a":{}}',
  ],
  ...['0', '-0', '1', '-1', '0.5', '-0.5', '9007199254740991', '9007199254740992', '1e300', '1e400', '-1e400'],
  ...[
    '{"__proto__":{"epoch":"e","offset":1}}',
    '{"epoch":"e","offset":1}',
    '["read"]',
    '["read","admin"]',
    '["a",1,"b"]',
  ],
  ...['[1,"a",2]', `${'['.repeat(64)}${']'.repeat(64)}`, `${'['.repeat(65)}${']'.repeat(65)}`],
]
const wrong = fc.oneof(
  fc.constantFrom(...WRONG).map((json) => JSON.parse(json) as Json),
  fc.constantFrom(...CLIENT_TYPES, ...SERVER_TYPES),
  fc.jsonValue() as fc.Arbitrary<Json>,
)
const wrongNumber = fc.constantFrom(-1, -0.5, -0, 0, 0.5, 1, 2 ** 53 - 1, 2 ** 53, 1e300, Infinity)
/**
 * One way to spoil: at which of all places, counted round and round, and what to put there; `undefined` takes it away.
 * A number is often replaced by another number: what makes one wrong is easily missed. Without bias: that is towards the
 * first places and the last.
 */
const spoiling = fc.noBias(
  fc.record({
    at: fc.nat({ max: 999 }),
    put: fc.option(wrong, { nil: undefined, freq: 3 }),
    number: fc.option(wrongNumber, { nil: undefined, freq: 2 }),
  }),
)
type Spoiling = typeof spoiling extends fc.Arbitrary<infer T> ? T : never

/** Frames of which one to three fields, however deep inside, are gone or hold something else. */
export function spoilt(frames: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(frames, fc.array(spoiling, { minLength: 1, maxLength: 3 }))
    .map(([frame, spoilings]) => spoilings.reduce(spoil, frame as Json))
}

function spoil(frame: Json, { at, put: anything, number }: Spoiling): Json {
  const copy = structuredClone(frame)
  const places = placesIn(copy)
  const place = places[at % places.length]
  if (!place) return anything ?? null
  const [holder, field] = place
  const put = typeof holder[field] === 'number' ? (number ?? anything) : anything
  if (put !== undefined) holder[field] = put
  else if (Array.isArray(holder)) holder.splice(Number(field), 1)
  else delete holder[field]
  return copy
}

function placesIn(value: Json): [holder: Record<string, Json>, field: string][] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Record<string, Json>
  return Object.keys(holder).flatMap(
    (field) => [[holder, field], ...placesIn(holder[field] as Json)] as ReturnType<typeof placesIn>,
  )
}

function recordOf<T>(fields: Fields<T>, optional: readonly string[]): fc.Arbitrary<T> {
  const requiredKeys = Object.keys(fields).filter((field) => !optional.includes(field))
  return fc.record(fields as Record<string, fc.Arbitrary<unknown>>, { requiredKeys }) as fc.Arbitrary<T>
}

function framesOf<Frame extends { type: string }>(byType: FieldsByType<Frame>): fc.Arbitrary<Frame> {
  const rows = Object.entries(byType) as [string, readonly [Fields<object>, readonly string[]]][]
  const frames = rows.map(([type, [fields, optional]]) => recordOf({ type: fc.constant(type), ...fields }, optional))
  // Through text, as frames arrive.
  return fc.oneof(...frames).map((frame) => JSON.parse(JSON.stringify(frame)) as Frame)
}
