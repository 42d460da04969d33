// From what somebody wants published to what can be stored, or to the reason why not.
//
// Rules of this file:
// - The limits are those of the protocol, whoever publishes. A breach is an answer, never the end of a connection.
// - What is stored can be delivered: its event frame, and a page that holds it alone, are within the size of one message,
//   so no subscriber is ever sent what it may not accept.

import { isIdentifier, isShallow, MAX_DEPTH, MAX_ID_BYTES, type Sender, utf8Bytes } from 'steadywire/protocol'
import type { NewEvent } from './store/store.ts'
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

export function isFault(value: object): value is Fault {
  return 'code' in value
}

/** The message as a store takes it, its data encoded once and for all. */
export function newEvent({ channel, data, ...message }: Message, maxBytes: number): NewEvent | Fault {
  if (!isIdentifier(message.id)) return invalid(`An id has 1 to ${MAX_ID_BYTES} bytes.`)
  if (!isIdentifier(message.name)) return invalid(`A name has 1 to ${MAX_ID_BYTES} bytes.`)
  if (!isShallow(data)) return invalid(`Data nests ${MAX_DEPTH} levels deep at most.`)
  const dataText = jsonText(data)
  if (dataText === undefined) return invalid('Data is a JSON value.')
  // Offset and time as long as they can get.
  const widest = { ...message, dataText: '', offset: Number.MAX_SAFE_INTEGER, storedAtMs: Number.MAX_SAFE_INTEGER }
  if (encodeEvent(channel, widest).bytes + utf8Bytes(dataText) + PAGE_MARGIN_BYTES > maxBytes)
    return { code: 'too-large', message: `A message has ${maxBytes} bytes at most.` }
  return { ...message, dataText }
}

export function invalid(message: string): Fault {
  return { code: 'invalid', message }
}

function jsonText(data: unknown): string | undefined {
  try {
    return JSON.stringify(data)
  } catch {
    return undefined
  }
}
