// New starts of channel `a` from a scripted server, and handlers that take them.

import type { Message } from 'steadywire'
import { connected } from './desk.ts'
import { anAttached, type Answers, EPOCH } from './fake-server.ts'
import { CONNECT_MS } from './stage.ts'

export const position = (offset: number, epoch = EPOCH) => ({ epoch, offset })
export const aReset = (offset: number, change: object = {}) => ({
  type: 'reset',
  channel: 'a',
  reason: 'r',
  position: position(offset),
  top: position(offset),
  ...change,
})

/** Answers a `sub` that asks for a new start with one at this offset. */
export const startingAt = (offset: number): Answers => ({
  sub: ({ channel, request, want, reset }) =>
    reset
      ? [
          anAttached(channel, request, want, offset, { mode: 'reset' }),
          aReset(offset, { channel, request, reason: 'asked', snapshot: { at: offset } }),
        ]
      : [anAttached(channel, request, want, 0)],
})

/** A handler of resets that takes as long as the test wants. */
export function slowly() {
  const waiting: ((answer?: unknown) => void)[] = []
  return {
    handler: () => new Promise<unknown>((resolve) => waiting.push(resolve)),
    get count() {
      return waiting.length
    },
    done: (index: number, answer?: unknown) => waiting[index]?.(answer),
  }
}

/** A client that reads `a` and writes down what it hears. */
export async function reading(options: object = {}, answers: Answers = startingAt(5)) {
  const it = await connected(options, answers)
  const room = it.client.channel('a')
  const heard: Message[] = []
  room.onAny((message) => heard.push(message))
  await it.stage.advance(CONNECT_MS)
  return { ...it, room, heard, offsets: () => heard.map(({ offset }) => offset) }
}
