// What the chat says about its connection: a sentence for each state, and no sentence that is not true.
//
// Rules of this file:
// - The snapshots are the client's own types, so a state that is new there must be put into words here.

import type { ChannelSnapshot, ClientSnapshot, Status } from 'steadywire'
import { describe, expect, test } from 'vitest'

interface Words {
  readonly mood: string
  readonly text: string
  readonly spoken: string
  readonly retry: boolean
}

// Not a literal, because there are no types to find for it.
const WORDS: string = '../../examples/vanilla-chat/words.js'
const { connectionWords, outcomeWords, syncedWords, resetWords } = (await import(WORDS)) as {
  connectionWords(connection: object, room: object, now: { nowMs: number; online: boolean }): Words
  syncedWords(room: object): string
  resetWords(reason: string): string
  outcomeWords(state: string, error: object): string
}

const NOW_MS = 1_000_000
const CAUSE = { code: 'unauthorized', message: 'Not accepted.', remedy: 'Sign in again.' }
const LIVE = { status: 'live', fresh: true, syncedAtMs: NOW_MS, lastError: null } as const

const SAID: Readonly<Record<Status, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Connection lost — reconnecting…',
  disconnected: 'Offline — what you write waits here until you connect again',
  failed: 'Stopped: Not accepted. Sign in again.',
  closed: 'Closed. Reload the page to start again.',
}

test.each(Object.entries(SAID))('%s is said', (status, text) => {
  expect(say({ status: status as Status }).text).toBe(text)
})

describe('while waiting for the next try', () => {
  test('the seconds are counted and trying now is offered', () => {
    expect(say({ status: 'reconnecting', retryAtMs: NOW_MS + 2_001 })).toMatchObject({
      text: 'Connection lost — reconnecting in 3 s',
      spoken: 'Connection lost, reconnecting soon',
      retry: true,
    })
    expect(say({ status: 'connecting', retryAtMs: NOW_MS + 900 }).text).toBe('Could not connect — next try in 1 s')
  })

  test('a time that has passed is still a second away', () => {
    expect(say({ status: 'reconnecting', retryAtMs: NOW_MS - 50 }).text).toBe('Connection lost — reconnecting in 1 s')
  })

  test('a browser that says it is offline is believed, in words only', () => {
    expect(say({ status: 'reconnecting', retryAtMs: NOW_MS + 1_000 }, LIVE, false).text).toBe(
      'Offline — reconnecting in 1 s',
    )
  })
})

describe('a room that is not live', () => {
  test.each(['attaching', 'catching-up'] as const)('%s is no connection to rely on yet', (status) => {
    expect(say({ status: 'connected' }, { ...LIVE, status })).toMatchObject({
      mood: 'waiting',
      text: 'Connected — catching up…',
    })
  })

  test('a refusal is said with what to do', () => {
    const lastError = { message: 'Refused.', remedy: 'Ask for access.' } as NonNullable<ChannelSnapshot['lastError']>
    expect(say({ status: 'connected' }, { ...LIVE, status: 'denied', lastError })).toMatchObject({
      mood: 'stopped',
      text: 'Connected, but not to this room. Refused. Ask for access.',
    })
  })
})

test('how far the page is complete is said only while it may be behind', () => {
  expect(syncedWords(LIVE)).toBe('')
  expect(syncedWords({ ...LIVE, status: 'attaching' })).toContain('Complete up to ')
  expect(syncedWords({ ...LIVE, fresh: false })).toContain('Complete up to ')
  expect(syncedWords({ ...LIVE, status: 'attaching', syncedAtMs: null })).toBe('')
})

test.each([
  ['epoch-changed', 'The server was reset meanwhile.'],
  ['record-lost', 'The server was reset meanwhile.'],
  ['timeout', 'No answer has come in time.'],
  ['replaced', 'Taken over.'],
])('a message in doubt says why: %s', (code, why) => {
  expect(outcomeWords('unknown', { code, message: 'Taken over' })).toBe(`May or may not have arrived. ${why}`)
})

test('a reset for a reason of the server’s own still says that history restarted', () => {
  expect(resetWords('something-new')).toBe('History restarted — the server was reset')
})

function say(connection: Partial<ClientSnapshot>, room: Partial<ChannelSnapshot> = LIVE, online = true): Words {
  return connectionWords({ retryAtMs: null, cause: CAUSE, ...connection }, room, { nowMs: NOW_MS, online })
}
