// The wire, as the build speaks it: shortening names must not touch what frames are called.

import { fc, test } from '@fast-check/vitest'
import { createClientFrameReader, createServerFrameReader } from 'steadywire/protocol'
import { clientFrameSchema, serverFrameSchema } from 'steadywire/schema'
import { describe, expect } from 'vitest'
import { clientFrames, serverFrames } from '../unit/protocol/arbitrary-frames.ts'

const DIRECTIONS = [
  {
    peer: 'a client',
    frames: clientFrames as fc.Arbitrary<object>,
    read: createClientFrameReader(),
    schema: clientFrameSchema,
  },
  {
    peer: 'a server',
    frames: serverFrames as fc.Arbitrary<object>,
    read: createServerFrameReader(),
    schema: serverFrameSchema,
  },
]

describe.each(DIRECTIONS)('the build, of what $peer sends', ({ frames, read, schema }) => {
  test.prop([frames], { numRuns: 2_000 })('accepts every well-formed frame and leaves it as it is', (frame) => {
    expect(schema.parse(frame)).toEqual(frame)
    expect(read(frame)).not.toBe('malformed')
  })
})
