// What the server keeps of a frame: what means something, and nothing that a peer has only put there.

import type { ClientFrame } from 'steadywire/protocol'
import { describe, expect, test } from 'vitest'
import { knownOf } from '../../../server/src/incoming.ts'

const position = { epoch: 'e', offset: 3 }
const FRAMES: readonly ClientFrame[] = [
  { type: 'hello', version: 1, producer: 'p', generation: 2, token: 't' },
  { type: 'hello', version: 1, producer: 'p', generation: 2 },
  { type: 'sub', channel: 'a', request: 1, want: ['read', 'write'], position, reset: true, settledBelow: 4 },
  { type: 'sub', channel: 'a', request: 1, want: [] },
  { type: 'unsub', channel: 'a', request: 1 },
  { type: 'pub', channel: 'a', sequence: 1, id: 'i', name: 'n', data: { later: 1 }, base: position },
  { type: 'fetch', channel: 'a', request: 1, position, count: 5 },
  { type: 'ping', n: 1 },
  { type: 'pong', n: 1 },
]

describe('of a frame', () => {
  test.each(FRAMES)('$type is kept what is known', (frame) => {
    expect(knownOf(Object.assign({}, frame, { later: ['x'] }))).toEqual(frame)
  })

  test('a position is kept without what else it holds, and no more of its epoch than an epoch can have', () => {
    const long = { epoch: 'x'.repeat(1_000_000), offset: 3, later: 'y' }
    const kept = knownOf({ type: 'fetch', channel: 'a', request: 1, position: long, count: 1 })
    expect(kept).toMatchObject({ position: { epoch: 'x'.repeat(65), offset: 3 } })
    expect(JSON.stringify(kept)).not.toContain('later')
  })

  test('a wish that is said a thousand times is kept once', () => {
    const want = Array.from({ length: 1_000 }, () => 'read' as const)
    expect(knownOf({ type: 'sub', channel: 'a', request: 1, want })).toMatchObject({ want: ['read'] })
  })
})
