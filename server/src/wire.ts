// Frames to text: what a server says, encoded once for everyone who hears it.
//
// Rules of this file:
// - Data is JSON text already and is put in its place, never parsed and encoded again.
// - Bytes are counted here, once per frame.

import {
  type EncodedFrame,
  type HistpageFrame,
  type LogEvent,
  type PageFrame,
  type Refused,
  type ResetFrame,
  type Sender,
  type ServerFrame,
  type ServerVolFrame,
  utf8Bytes,
} from 'steadywire/protocol'
import type { StoredEvent } from './store/store.ts'

/** A piece of a frame as text, with its size: counted once, however many frames it goes into. */
export type EncodedPart = EncodedFrame

/** A page holds as many events as fit into this, and at least one. Small, so that a slow link delivers it whole. */
export const PAGE_BYTES = 32_768

export function encode(frame: ServerFrame): EncodedFrame {
  return encoded(JSON.stringify(frame))
}

export function encodeEvent(channel: string, event: StoredEvent): EncodedFrame {
  const head = JSON.stringify({ type: 'event', channel })
  return encoded(`${head.slice(0, -1)},${logEventText(event).slice(1)}`)
}

/** The first of `events` as text: as many as fit into a page. */
export function pageTexts(events: readonly StoredEvent[]): string[] {
  const texts: string[] = []
  let bytes = 0
  for (const event of events) {
    const text = logEventText(event)
    bytes += utf8Bytes(text) + 1
    if (texts.length > 0 && bytes > PAGE_BYTES) break
    texts.push(text)
  }
  return texts
}

export function encodePage(page: Omit<PageFrame, 'type' | 'events'>, texts: readonly string[]): EncodedFrame {
  return encoded(`${JSON.stringify({ type: 'page', ...page }).slice(0, -1)},"events":[${texts.join(',')}]}`)
}

/** Data that is JSON text already goes into its place; a reset may have none. */
export function encodeReset(
  reset: Omit<ResetFrame, 'type' | 'snapshot'>,
  snapshotText: string | undefined,
): EncodedFrame {
  const head = JSON.stringify({ type: 'reset', ...reset })
  return encoded(snapshotText === undefined ? head : `${head.slice(0, -1)},"snapshot":${snapshotText}}`)
}

export function encodeResponse(id: string, error: Refused | undefined, dataText: string | undefined): EncodedFrame {
  const head = JSON.stringify({ type: 'res', id, error })
  return encoded(dataText === undefined ? head : `${head.slice(0, -1)},"data":${dataText}}`)
}

export function encodeHistoryPage(
  page: Omit<HistpageFrame, 'type' | 'events'>,
  texts: readonly string[],
): EncodedFrame {
  return encoded(`${JSON.stringify({ type: 'histpage', ...page }).slice(0, -1)},"events":[${texts.join(',')}]}`)
}

export function encodeVolatile(head: Omit<ServerVolFrame, 'type' | 'data'>, dataText: string): EncodedFrame {
  return encoded(`${JSON.stringify({ type: 'vol', ...head }).slice(0, -1)},"data":${dataText}}`)
}

export function encodeMember({ user, member }: Sender, dataText: string): EncodedPart {
  return encoded(`${JSON.stringify({ user, member }).slice(0, -1)},"data":${dataText}}`)
}

export function encodeEveryone(memberTexts: readonly string[]): EncodedPart {
  return encoded(`"full":[${memberTexts.join(',')}]`)
}

export function encodeChange(setTexts: readonly string[], cleared: readonly string[]): EncodedPart {
  const fields = [
    ...(setTexts.length > 0 ? [`"set":[${setTexts.join(',')}]`] : []),
    ...(cleared.length > 0 ? [`"cleared":${JSON.stringify(cleared)}`] : []),
  ]
  return encoded(fields.join(','))
}

export function encodePresence(channel: string, version: number, content: EncodedPart): EncodedFrame {
  const head = encoded(`${JSON.stringify({ type: 'pres', channel, version }).slice(0, -1)},`)
  return { text: `${head.text}${content.text}}`, bytes: head.bytes + content.bytes + 1 }
}

function logEventText({ dataText, ...rest }: StoredEvent): string {
  const { storedAtMs, offset, id, name, sender } = rest
  const head: Omit<LogEvent, 'data'> = { offset, id, name, ...(sender && { sender }), storedAtMs }
  return `${JSON.stringify(head).slice(0, -1)},"data":${dataText}}`
}

function encoded(text: string): EncodedFrame {
  return { text, bytes: utf8Bytes(text) }
}
