// The frames of the protocol as zod schemas: for servers, tools and tests that want to say what is wrong with a frame.
//
// Rules of this file:
// - An entry of its own, `steadywire/schema`: it needs zod, an optional peer dependency. Without zod importing it
//   fails, and `steadywire/protocol`, which does not import it, is as good as ever.
// - Never in the client's bundle nor where a server reads frames: there `guards.ts` says the same in fewer bytes. That
//   both accept and refuse the same values is a property that `test/unit/protocol/schema.test.ts` holds them to.
// - The compiler holds every schema to its type in `frames.ts`, and the types to the schemas.
// - What is parsed is a copy without the fields that this version does not know; that there are some is no fault.

import * as z from 'zod'
import { isShallow, MAX_DEPTH } from './content.ts'
import type {
  AckFrame,
  AttachedFrame,
  AuthFrame,
  AuthreqFrame,
  BehindFrame,
  ClientFrame,
  ClientPongFrame,
  DeniedFrame,
  DetachedFrame,
  DrainFrame,
  ErrorFrame,
  EventFrame,
  FetchFrame,
  HelloFrame,
  HistFrame,
  HistpageFrame,
  LogEvent,
  NackFrame,
  PageFrame,
  PingFrame,
  PongFrame,
  Position,
  PresFrame,
  PubFrame,
  ReqFrame,
  ResetFrame,
  ResFrame,
  ServerFrame,
  ServerPresFrame,
  ServerVolFrame,
  SubFrame,
  UnsubFrame,
  VolFrame,
  WelcomeFrame,
} from './frames.ts'

const text = z.string()
const flag = z.boolean()
/** Counts, offsets, sequences: 0 to 2⁵³ − 1. */
const count = z.int().min(0)
/** Spans, instants and rates: finite and never negative. */
const amount = z.number().min(0)
// Versions of zod differ in whether a field of type unknown may be missing.
const present = z.unknown().refine((value): boolean => value !== undefined, 'Required')
const data = present.refine((value) => isShallow(value), `Nests deeper than ${MAX_DEPTH} levels`)

/** As zod's own, but a field that is absent has no value: on the wire there is no `undefined`. */
type Optional<T> = z.ZodType<T> & { readonly _zod: { readonly optin: 'optional'; readonly optout: 'optional' } }
function optional<T>(schema: z.ZodType<T>): Optional<T> {
  return schema.optional() as unknown as Optional<T>
}

/** As zod's own, but of the type that the frames have: nobody writes into a frame. */
function listOf<T>(schema: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z.array(schema)
}
const grants = listOf(z.enum(['read', 'write']))

const position = z.object({ epoch: text, offset: count, tag: optional(text) })
const sender = z.object({ user: text, member: text })
const logEvent = z.object({
  offset: count,
  tag: optional(text),
  id: text,
  name: text,
  data,
  sender: optional(sender),
  storedAtMs: amount,
})

// client → server

const hello = z.object({
  type: z.literal('hello'),
  version: count,
  producer: text,
  generation: count,
  token: optional(text),
})
const sub = z.object({
  type: z.literal('sub'),
  channel: text,
  request: count,
  want: grants,
  position: optional(position),
  reset: optional(flag),
  settledBelow: optional(count),
})
const unsub = z.object({ type: z.literal('unsub'), channel: text, request: count })
// How deep the data nests is not its shape: a server answers that with `nack`.
const pub = z.object({
  type: z.literal('pub'),
  channel: text,
  sequence: count,
  id: text,
  name: text,
  data: present,
  base: optional(position),
})
const fetch = z.object({ type: z.literal('fetch'), channel: text, request: count, position, count })
const auth = z.object({ type: z.literal('auth'), token: text })
const req = z.object({ type: z.literal('req'), id: text, name: text, params: present })
const hist = z.object({
  type: z.literal('hist'),
  id: text,
  channel: text,
  before: optional(position),
  limit: count,
})
const vol = z.object({ type: z.literal('vol'), channel: text, name: text, data: present, key: optional(text) })
const pres = z.object({ type: z.literal('pres'), id: text, channel: text, data: present })
const ping = z.object({ type: z.literal('ping'), n: count })
const clientPong = z.object({ type: z.literal('pong'), n: count })

// server → client

const welcome = z.object({
  type: z.literal('welcome'),
  version: count,
  level: count,
  features: listOf(text),
  member: text,
  heartbeat: z.object({ intervalMs: amount }),
  limits: z.object({
    window: count,
    windowBytes: count,
    messageBytes: count,
    snapshotBytes: count,
    pageCount: count,
    publishesPerSecond: amount,
    publishBurst: amount,
    volatilePerSecond: optional(amount),
  }),
  tokenExpiresInMs: optional(amount),
  contractVersion: optional(text),
})
type Done = NonNullable<AttachedFrame['producer']>['done'][number]
// Its three are typed, and more may follow in a later version.
const done = z.tuple([count, text, count]).rest(z.unknown()) as unknown as z.ZodType<Done>
const attached = z.object({
  type: z.literal('attached'),
  channel: text,
  request: count,
  grants,
  top: position,
  mode: z.enum(['live', 'catching-up', 'reset']),
  producer: optional(z.object({ incarnation: text, last: count, done: listOf(done) })),
})
const denied = z.object({
  type: z.literal('denied'),
  channel: text,
  request: count,
  code: text,
  message: optional(text),
})
const reset = z.object({
  type: z.literal('reset'),
  channel: text,
  request: optional(count),
  reason: text,
  position,
  top: position,
  snapshot: optional(data),
  overlapTo: optional(count),
})
const detached = z.object({ type: z.literal('detached'), channel: text, request: count, code: text })
const ack = z.object({ type: z.literal('ack'), channel: text, sequence: count, offset: count, tag: optional(text) })
const nack = z.object({
  type: z.literal('nack'),
  channel: text,
  sequence: count,
  code: text,
  message: optional(text),
})
const event = z.object({ type: z.literal('event'), channel: text, ...logEvent.shape })
const page = z.object({
  type: z.literal('page'),
  channel: text,
  request: count,
  from: count,
  previousTag: optional(text),
  events: listOf(logEvent),
  more: flag,
  top: optional(position),
})
const behind = z.object({ type: z.literal('behind'), channel: text })
const pong = z.object({
  type: z.literal('pong'),
  n: count,
  tops: listOf(z.object({ channel: text, ...position.shape })),
})
const error = z.object({ type: z.literal('error'), code: text, message: text, retryAfterMs: optional(amount) })

const authreq = z.object({ type: z.literal('authreq'), withinMs: amount })
const drain = z.object({ type: z.literal('drain'), afterMinMs: amount, afterMaxMs: amount })
const refused = z.object({ code: text, message: optional(text) })
const res = z.object({ type: z.literal('res'), id: text, data: optional(data), error: optional(refused) })
const histpage = z.object({
  type: z.literal('histpage'),
  id: text,
  events: listOf(logEvent),
  more: flag,
  epoch: text,
  error: optional(refused),
})

const serverVol = z.object({
  type: z.literal('vol'),
  channel: text,
  name: text,
  data,
  key: optional(text),
  sender: optional(sender),
})
const roster = listOf(z.object({ user: text, member: text, data }))
const serverPres = z.object({
  type: z.literal('pres'),
  channel: text,
  version: count,
  full: optional(roster),
  set: optional(roster),
  cleared: optional(listOf(text)),
})

/** Answers the schema. If it refuses what `Frame` allows, the compiler asks for one argument more and names its type. */
function covering<Frame>() {
  return <S extends z.ZodType>(schema: S, ..._uncovered: Uncovered<Frame, z.output<S>>): S => schema
}
type Uncovered<Frame, Read> = [Frame] extends [Read] ? [] : [Exclude<Frame, Read>]
const client = covering<ClientFrame>()(
  z.discriminatedUnion('type', [hello, sub, unsub, pub, fetch, ping, clientPong, auth, req, hist, vol, pres]),
)
const server = covering<ServerFrame>()(
  z.discriminatedUnion('type', [
    welcome,
    attached,
    denied,
    reset,
    detached,
    ack,
    nack,
    event,
    page,
    behind,
    ping,
    pong,
    error,
    authreq,
    drain,
    res,
    histpage,
    serverVol,
    serverPres,
  ]),
)

// What leaves this file has its type written out: zod's own would fill pages of the declarations. That also holds each
// schema to its type, as `covering` holds the types to the schemas.

/** Every frame that a client sends. */
export const clientFrameSchema: z.ZodType<ClientFrame> = client
/** Every frame that a server sends. */
export const serverFrameSchema: z.ZodType<ServerFrame> = server

export const positionSchema: z.ZodType<Position> = position
export const logEventSchema: z.ZodType<LogEvent> = logEvent

export const helloSchema: z.ZodType<HelloFrame> = hello
export const subSchema: z.ZodType<SubFrame> = sub
export const unsubSchema: z.ZodType<UnsubFrame> = unsub
export const pubSchema: z.ZodType<PubFrame> = pub
export const fetchSchema: z.ZodType<FetchFrame> = fetch
/** Either side's. */
export const pingSchema: z.ZodType<PingFrame> = ping
export const reqSchema: z.ZodType<ReqFrame> = req
export const histSchema: z.ZodType<HistFrame> = hist
export const volSchema: z.ZodType<VolFrame> = vol
export const presSchema: z.ZodType<PresFrame> = pres
export const authSchema: z.ZodType<AuthFrame> = auth
/** A client's: it carries no tops. */
export const clientPongSchema: z.ZodType<ClientPongFrame> = clientPong

export const welcomeSchema: z.ZodType<WelcomeFrame> = welcome
export const attachedSchema: z.ZodType<AttachedFrame> = attached
export const deniedSchema: z.ZodType<DeniedFrame> = denied
export const resetSchema: z.ZodType<ResetFrame> = reset
export const detachedSchema: z.ZodType<DetachedFrame> = detached
export const ackSchema: z.ZodType<AckFrame> = ack
export const nackSchema: z.ZodType<NackFrame> = nack
export const eventSchema: z.ZodType<EventFrame> = event
export const pageSchema: z.ZodType<PageFrame> = page
export const behindSchema: z.ZodType<BehindFrame> = behind
export const pongSchema: z.ZodType<PongFrame> = pong
export const errorSchema: z.ZodType<ErrorFrame> = error
export const authreqSchema: z.ZodType<AuthreqFrame> = authreq
export const drainSchema: z.ZodType<DrainFrame> = drain
export const resSchema: z.ZodType<ResFrame> = res
export const histpageSchema: z.ZodType<HistpageFrame> = histpage
export const serverVolSchema: z.ZodType<ServerVolFrame> = serverVol
export const serverPresSchema: z.ZodType<ServerPresFrame> = serverPres
