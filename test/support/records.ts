// What a scripted server of level 2 remembers of its client.
//
// Rules of this file:
// - Answers of this kind grant everything that is wanted. The log they speak of is empty: whoever reads stands at its end.

import { type Answers, anAttached } from './fake-server.ts'
import { type Desk, SILENT, connected } from './desk.ts'

export type Done = readonly [sequence: number, id: string, offset: number]

/** The part of `attached` that tells of the producer's record. */
export function aRecord(incarnation = 'incarnation-1', done: readonly Done[] = []): object {
  return { producer: { incarnation, last: done.at(-1)?.[0] ?? 0, done } }
}

/** Answers every `sub` from the record, and every publish politely. */
export function remembering(incarnation?: string, done?: readonly Done[]): Answers {
  return {
    sub: ({ channel, request, want }) => [anAttached(channel, request, want, 0, aRecord(incarnation, done))],
  }
}

/** However often the connection is lost, the next one comes soon. */
const QUICK = { baseDelayMs: 100, maxDelayMs: 100 }

/** A client of a server that keeps a record of it, and answers no publish. */
export function recorded(options: object = {}, answers: Answers = {}): Promise<Desk> {
  return connected({ backoff: QUICK, ...options }, { ...SILENT, ...remembering(), ...answers })
}

/** More than a lost connection takes to be replaced when nothing else is wrong, in milliseconds. */
export const RECONNECT_MS = 1_000

/** Loses the connection; the next one is met with `answers`. */
export async function reconnect({ stage, server }: Desk, answers: Answers = server.answers): Promise<void> {
  server.answers = answers
  server.last.close(1006)
  await stage.advance(RECONNECT_MS)
}
