// What checking a frame costs, beside what parsing it costs anyway: hand-written guards and zod schemas over the same text.
//
// Run with `npx vitest bench --run --project unit bench/decode.bench.ts`; read the ratios, not the times.

import { decodeMessage, createServerFrameReader } from 'steadywire/protocol'
import { serverFrameSchema } from 'steadywire/schema'
import { bench, describe } from 'vitest'

const event = {
  type: 'event',
  channel: 'chat:lobby',
  offset: 42,
  id: '4294967295-4294967295-4294967295-4294967295',
  name: 'message',
  data: { text: 'hello', tags: ['a', 'b'], at: { x: 1, y: 2 } },
  sender: { user: 'ada', member: '7f3a' },
  storedAtMs: 1_750_000_000_000,
}
const text = JSON.stringify(Array.from({ length: 64 }, (_, i) => ({ ...event, offset: i + 1 })))
const read = createServerFrameReader()

describe('a message of 64 events', () => {
  bench('JSON.parse alone', () => {
    JSON.parse(text)
  })
  bench('decoded with guards', () => {
    decodeMessage(text, 1_048_576, read)
  })
  bench('parsed, then checked with zod', () => {
    for (const frame of JSON.parse(text) as unknown[]) serverFrameSchema.parse(frame)
  })
})
