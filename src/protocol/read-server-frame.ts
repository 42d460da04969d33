// What a client accepts from a server: one row per frame, one check per field.

import type {
  AttachedFrame,
  EventFrame,
  Limits,
  LogEvent,
  Refused,
  RosterEntry,
  Sender,
  ServerFrame,
  Top,
  WelcomeFrame,
} from './frames.ts'
import { isShallow } from './content.ts'
import {
  createReader,
  type FrameReader,
  isAmount,
  isCount,
  isFlag,
  isGrants,
  isObject,
  isText,
  listOf,
  oneOf,
  optional,
  positionShape,
  record,
} from './guards.ts'

/** Data deeper than the limit was never accepted by a sound server; a handler that walks it could exhaust the stack. */
const isData = (value: unknown): value is unknown => value !== undefined && isShallow(value)

const isSender = (value: unknown): value is Sender | undefined =>
  value === undefined || (isObject(value) && isText(value['user']) && isText(value['member']))

type Done = NonNullable<AttachedFrame['producer']>['done'][number]
const isDone = (value: unknown): value is Done =>
  Array.isArray(value) && isCount(value[0]) && isText(value[1]) && isCount(value[2])

/** Built by a call, so that importing has no effect and a bundle carries only the direction it reads. */
export function createServerFrameReader(): FrameReader<ServerFrame> {
  const isPosition = record(positionShape())
  const isOptionalText = optional(isText)
  // Written out: most of what a client reads are events.
  const isLogEvent = (value: unknown): value is LogEvent =>
    isObject(value) &&
    isCount(value['offset']) &&
    isOptionalText(value['tag']) &&
    isText(value['id']) &&
    isText(value['name']) &&
    isData(value['data']) &&
    isSender(value['sender']) &&
    isAmount(value['storedAtMs'])
  const isRoster = optional(listOf(record<RosterEntry>({ user: isText, member: isText, data: isData })))
  const isRefused = optional(record<Refused>({ code: isText, message: isOptionalText }))
  return createReader<ServerFrame>({
    welcome: {
      version: isCount,
      level: isCount,
      features: listOf(isText),
      member: isText,
      heartbeat: record<WelcomeFrame['heartbeat']>({ intervalMs: isAmount }),
      limits: record<Limits>({
        window: isCount,
        windowBytes: isCount,
        messageBytes: isCount,
        snapshotBytes: isCount,
        pageCount: isCount,
        publishesPerSecond: isAmount,
        publishBurst: isAmount,
        volatilePerSecond: optional(isAmount),
      }),
      tokenExpiresInMs: optional(isAmount),
      contractVersion: isOptionalText,
    },
    attached: {
      channel: isText,
      request: isCount,
      grants: isGrants(),
      top: isPosition,
      mode: oneOf('live', 'catching-up', 'reset'),
      producer: optional(
        record<NonNullable<AttachedFrame['producer']>>({ incarnation: isText, last: isCount, done: listOf(isDone) }),
      ),
    },
    detached: { channel: isText, request: isCount, code: isText },
    denied: { channel: isText, request: isCount, code: isText, message: isOptionalText },
    reset: {
      channel: isText,
      request: optional(isCount),
      reason: isText,
      position: isPosition,
      top: isPosition,
      snapshot: optional(isData),
      overlapTo: optional(isCount),
    },
    ack: { channel: isText, sequence: isCount, offset: isCount, tag: isOptionalText },
    nack: { channel: isText, sequence: isCount, code: isText, message: isOptionalText },
    event: (value): value is EventFrame => isLogEvent(value) && isText((value as EventFrame).channel),
    page: {
      channel: isText,
      request: isCount,
      from: isCount,
      previousTag: isOptionalText,
      events: listOf(isLogEvent),
      more: isFlag,
      top: optional(isPosition),
    },
    behind: { channel: isText },
    ping: { n: isCount },
    pong: { n: isCount, tops: listOf(record<Top>({ channel: isText, ...positionShape() })) },
    error: { code: isText, message: isText, retryAfterMs: optional(isAmount) },
    authreq: { withinMs: isAmount },
    drain: { afterMinMs: isAmount, afterMaxMs: isAmount },
    res: { id: isText, data: optional(isData), error: isRefused },
    histpage: { id: isText, events: listOf(isLogEvent), more: isFlag, epoch: isText, error: isRefused },
    vol: { channel: isText, name: isText, data: isData, key: isOptionalText, sender: isSender },
    pres: { channel: isText, version: isCount, full: isRoster, set: isRoster, cleared: optional(listOf(isText)) },
  })
}
