// Who is here: the roster as the server tells of it, and what the server is told of this client.
//
// Rules of this file:
// - What is told of this client is a question (`asking.ts`), said once on every socket, until the application takes it back
//   or the server refuses it.
// - Without a connection the roster stays as it was; after the next attachment the server tells of everyone.

import type { ServerPresFrame } from '../protocol/frames.ts'
import { type ChannelRecord, channelRecord, type Core, reading, send, sends, type Violation } from './core.ts'

/** No roster is larger: a server must not fill the page's memory. */
const MAX_MEMBERS = 10_000

/** The server tells who is here, or how that has changed. */
export function roster(core: Core, frame: ServerPresFrame): Violation {
  const record = reading(core, frame)
  if (!record) return
  const { channel, version, full, set = full, cleared = [] } = frame
  if (!full && version !== record.rosterVersion + 1) return 'protocol'
  record.rosterVersion = version
  const members = new Map(full ? [] : record.roster.map((one) => [one.member, one]))
  for (const member of cleared) members.delete(member)
  for (const { user, member, data } of set ?? [])
    members.set(member, { user, member, data, isSelf: member === core.member })
  if (members.size > MAX_MEMBERS) return 'protocol'
  record.roster = [...members.values()]
  core.effects.push({ type: 'changed', channel })
}

/** The channel is attached anew: the server tells of others if there are any, and has to be told of this client. */
export function beSeen(core: Core, record: ChannelRecord): void {
  const { presence } = record
  record.roster = []
  if (!presence || presence.socketId === core.socketId || core.questions.has(presence.id)) return
  record.presence = { ...presence, dueAtMs: Infinity }
  core.questions.set(presence.id, record.presence)
}

/** The application takes back what it has said here. What it still waits to have said is a question, and ends as such. */
export function leave(core: Core, { channel }: { readonly channel: string }): void {
  const record = channelRecord(core, channel)
  const { presence } = record
  if (!presence) return
  record.presence = undefined
  if (sends(core) && presence.socketId === core.socketId)
    send(core, { type: 'pres', id: core.createId(), channel, data: null })
}
