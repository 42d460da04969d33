// The hand-written guards and the zod schemas: two descriptions of one wire that must not drift apart.

import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import type * as z from 'zod'
import type { FrameReader } from '../../../src/protocol/guards.ts'
import { createClientFrameReader } from '../../../src/protocol/read-client-frame.ts'
import { createServerFrameReader } from '../../../src/protocol/read-server-frame.ts'
import * as schemas from '../../../src/protocol/schema.ts'
import { anyJson, CLIENT_TYPES, clientFrames, SERVER_TYPES, serverFrames, spoilt } from './arbitrary-frames.ts'

interface Direction {
  readonly peer: string
  readonly types: readonly string[]
  readonly frames: fc.Arbitrary<{ readonly type: string }>
  readonly read: FrameReader<object>
  readonly schema: z.ZodType
  readonly schemaOf: (type: string) => z.ZodType | undefined
}

const BY_NAME: Readonly<Record<string, z.ZodType>> = { ...schemas }

const DIRECTIONS: readonly Direction[] = [
  {
    peer: 'a client',
    types: CLIENT_TYPES,
    frames: clientFrames,
    read: createClientFrameReader(),
    schema: schemas.clientFrameSchema,
    schemaOf: (type) => BY_NAME[type === 'pong' ? 'clientPongSchema' : `${type}Schema`],
  },
  {
    peer: 'a server',
    types: SERVER_TYPES,
    frames: serverFrames,
    read: createServerFrameReader(),
    schema: schemas.serverFrameSchema,
    schemaOf: (type) => BY_NAME[{ vol: 'serverVolSchema', pres: 'serverPresSchema' }[type] ?? `${type}Schema`],
  },
]

const numRuns = process.env['LONG'] ? 1_000_000 : 20_000
const strangeFields = fc.dictionary(
  fc.string().map((name) => `x-${name}`),
  fc.jsonValue(),
)

describe.each(DIRECTIONS)('guards and schemas of what $peer sends', ({ types, frames, read, schema, schemaOf }) => {
  test.prop([frames], { numRuns: 2_000 })('accept every well-formed frame and leave it as it is', (frame) => {
    expect(schema.parse(frame)).toEqual(frame)
    expect(schemaOf(frame.type)?.parse(frame)).toEqual(frame)
    expect(read(frame)).toBe(frame)
  })

  test.prop([frames, strangeFields])('pass over fields that they do not know', (frame, fields) => {
    const strange = { ...fields, ...frame }
    expect(schema.parse(strange)).toEqual(frame)
    expect(read(strange)).toBe(strange)
  })

  test.prop([spoilt(frames)], { numRuns })('agree about frames that were spoilt', agree)

  test.prop([anyJson], { numRuns: 5_000 })('agree about any other value', agree)

  function agree(value: unknown): void {
    const verdict = read(value)
    expect(schema.safeParse(value).success).toBe(verdict === value)
    // A frame of an unknown type is no fault to a guard, which passes over it; a schema can only refuse it.
    expect(verdict === 'unknown').toBe(hasType(value) && !types.includes(value.type))
  }
})

function hasType(value: unknown): value is { readonly type: string } {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
