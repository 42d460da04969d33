// From what somebody wants published to what can be stored, or to the reason why not.
//
// Rules of this file:
// - The limits are those of the protocol, whoever publishes. A breach is an answer, never the end of a connection.
// - What is stored can be delivered: its event frame, and a page that holds it alone, are within the size of one message,
//   so no subscriber is ever sent what it may not accept.

import {
  isChannelName,
  isIdentifier,
  isShallow,
  MAX_DEPTH,
  MAX_ID_BYTES,
  type Sender,
  utf8Bytes,
} from 'steadywire/protocol'
import type { NewEvent, StoredEvent } from './store/store.ts'
import { encodeEvent } from './wire.ts'

/** How much longer than an event frame a page with that event alone can be, at most. */
const PAGE_MARGIN_BYTES = 256

export interface Message {
  readonly channel: string
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly sender?: Sender
}

/** Why something cannot be stored: a word for programs, a sentence for people. */
export interface Fault {
  readonly code: string
  readonly message: string
}

export function isFault<Value extends object | string>(value: Value | Fault): value is Fault {
  return typeof value === 'object' && 'code' in value
}

/** A message as the application is shown it. */
export interface StoredMessage {
  readonly offset: number
  readonly id: string
  readonly name: string
  readonly data: unknown
  /** Null on what the server itself published. */
  readonly sender: Sender | null
  /** Unix milliseconds. */
  readonly storedAtMs: number
}

export function messageOf({ dataText, sender, ...event }: StoredEvent): StoredMessage {
  return { ...event, data: JSON.parse(dataText) as unknown, sender: sender ?? null }
}

/** Whether a channel or a user can be named so. NUL ends a text in some stores: what they kept instead would be another name. */
export function isStorableName(name: string): boolean {
  return isChannelName(name) && !name.includes('\0')
}

/** Whether a message, its kind or a producer can be named so. */
export function isStorableId(id: string): boolean {
  return isIdentifier(id) && !id.includes('\0')
}

/** The message as a store takes it, its data encoded once and for all. */
export function newEvent({ channel, data, ...message }: Message, maxBytes: number): NewEvent | Fault {
  if (!isStorableId(message.id)) return invalid(`An id has 1 to ${MAX_ID_BYTES} bytes.`)
  if (!isStorableId(message.name)) return invalid(`A name has 1 to ${MAX_ID_BYTES} bytes.`)
  const dataText = dataTextOf(data)
  if (isFault(dataText)) return dataText
  // Offset and time as long as they can get.
  const widest = { ...message, dataText: '', offset: Number.MAX_SAFE_INTEGER, storedAtMs: Number.MAX_SAFE_INTEGER }
  if (encodeEvent(channel, widest).bytes + utf8Bytes(dataText) + PAGE_MARGIN_BYTES > maxBytes)
    return { code: 'too-large', message: `A message has ${maxBytes} bytes at most.` }
  return { ...message, dataText }
}

export function invalid(message: string): Fault {
  return { code: 'invalid', message }
}

/** The data as JSON text. */
export function dataTextOf(data: unknown): string | Fault {
  if (!isShallow(data)) return invalid(`Data nests ${MAX_DEPTH} levels deep at most.`)
  try {
    // What is no JSON value at all, such as a function, becomes nothing.
    return (JSON.stringify(data) as string | undefined) ?? invalid('Data is a JSON value.')
  } catch {
    return invalid('Data is a JSON value.')
  }
}
