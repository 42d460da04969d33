// Text of a message to frames and back.

import { fc, test } from '@fast-check/vitest'
import { afterEach, describe, expect, vi } from 'vitest'
import {
  batchFrames,
  decodeMessage,
  type EncodedFrame,
  encodeFrame,
  type OutgoingFrame,
} from '../../../src/protocol/codec.ts'
import { MAX_BATCH_BYTES, utf8Bytes } from '../../../src/protocol/content.ts'
import type { ClientFrame } from '../../../src/protocol/frames.ts'
import { createClientFrameReader } from '../../../src/protocol/read-client-frame.ts'
import { createServerFrameReader } from '../../../src/protocol/read-server-frame.ts'
import { clientFrames } from './arbitrary-frames.ts'

const read = createClientFrameReader()
const MAX_BYTES = 1_048_576
const PING = '{"type":"ping","n":1}'
const PUB = '{"type":"pub","channel":"a","sequence":1,"id":"i","name":"n"'
const EVENT = '{"type":"event","channel":"a","offset":1,"id":"i","name":"n","storedAtMs":0'

const decode = (text: string, maxBytes = MAX_BYTES) => decodeMessage(text, maxBytes, read)

afterEach(() => {
  vi.restoreAllMocks()
})

describe('encodeFrame and decodeMessage', () => {
  test.prop([clientFrames])('bring every frame back as it was', (frame) => {
    const { text, bytes } = encodeFrame(outgoing(frame))
    expect(decode(text)).toEqual({ frames: [frame], unknownCount: 0 })
    expect(bytes).toBe(new TextEncoder().encode(text).length)
  })

  test.prop([fc.array(clientFrames)])('bring a batch of frames back in order', (frames) => {
    const messages = batchFrames(frames.map((frame) => encodeFrame(outgoing(frame))))
    const decoded = messages.map((text) => decode(text))
    expect(decoded).not.toContain('malformed')
    expect(decoded.flatMap((message) => (message === 'malformed' ? [] : message.frames))).toEqual(frames)
  })

  test('put the data of a publish in its place, whatever its text looks like', () => {
    const { text } = encodeFrame({
      type: 'pub',
      channel: 'a',
      sequence: 1,
      id: 'i',
      name: 'n',
      base: undefined,
      dataText: '"}$&\\""',
    })
    expect(decode(text)).toMatchObject({ frames: [{ data: '}$&"' }] })
  })
})

describe('decodeMessage', () => {
  test.each([
    '',
    ' ',
    'ping',
    '{"type":"ping","n":1',
    '{"type":"ping","n":1}{"type":"ping","n":2}',
    '{"type":"ping","n":NaN}',
    "{'type':'ping','n':1}",
    'null',
    '1',
    '"ping"',
    '{}',
    '{"type":1}',
    '{"type":"ping"}',
    '[null]',
    '[[]]',
    `[[${PING}]]`,
  ])('answers malformed to %j', (text) => {
    expect(decode(text)).toBe('malformed')
  })

  test('takes one frame and an array of one for the same', () => {
    expect(decode(`[${PING}]`)).toEqual(decode(PING))
  })

  test('finds nothing in an empty array, which is no fault', () => {
    expect(decode('[]')).toEqual({ frames: [], unknownCount: 0 })
  })

  test('refuses the whole message for one broken frame', () => {
    expect(decode(`[${PING},{"type":"ping","n":-1},${PING}]`)).toBe('malformed')
  })

  test.each(['wave', '', 'constructor', '__proto__', 'toString', 'Ping'])(
    'leaves a frame of the unknown type %j out, and counts it',
    (type) => {
      expect(decode(`[{"type":${JSON.stringify(type)},"n":"any"},${PING},{"type":${JSON.stringify(type)}}]`)).toEqual({
        frames: [{ type: 'ping', n: 1 }],
        unknownCount: 2,
      })
    },
  )

  test('leaves Object.prototype alone', () => {
    decode('{"type":"ping","n":1,"__proto__":{"spoilt":true},"constructor":{"prototype":{"spoilt":true}}}')
    expect('spoilt' in {}).toBe(false)
  })

  test('accepts a message of the largest size', () => {
    expect(decode(PING, PING.length)).not.toBe('malformed')
  })

  test('does not parse a message that is larger', () => {
    const parse = vi.spyOn(JSON, 'parse')
    expect(decode(PING, PING.length - 1)).toBe('malformed')
    expect(parse).not.toHaveBeenCalled()
  })

  test.each([
    ['arrays', deep('[', ']')],
    ['objects', deep('{"a":', '}', '1')],
    ['an array around a frame', deep('[', ']', PING)],
    ['the data of a publish', `${PUB},"data":${deep('[', ']')}}`],
    ['a field that nobody knows', `{"type":"ping","n":1,"x":${deep('{"a":', '}', '1')}}`],
  ])('does not throw at 100,000 levels of %s', (_, text) => {
    expect(() => decode(text)).not.toThrow()
  })

  test('refuses an event whose data nests 100,000 levels', () => {
    const text = `${EVENT},"data":${deep('[', ']')}}`
    expect(decodeMessage(text, MAX_BYTES, createServerFrameReader())).toBe('malformed')
  })
})

describe('batchFrames', () => {
  // Single sizes, and pairs that come close to filling a message together.
  const pair = fc
    .tuple(fc.nat({ max: MAX_BATCH_BYTES }), fc.integer({ min: -5, max: 5 }))
    .map(([size, rest]) => [size, MAX_BATCH_BYTES - size + rest])
  const size = fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 70_000 }), fc.integer({ min: 65_520, max: 65_540 }))
  const sizes = fc.array(fc.oneof(fc.tuple(size), pair), { maxLength: 15 }).map((some) => some.flat())

  test('makes no message of no frames', () => {
    expect(batchFrames([])).toEqual([])
  })

  test('sends one frame without an array', () => {
    expect(batchFrames([{ text: PING, bytes: PING.length }])).toEqual([PING])
  })

  test.prop([sizes, fc.constantFrom('a', 'ä', '€', '😀')])('keeps every frame once, in order', (all, letter) => {
    const frames = all.map((bytes, i) => textOf(i, bytes, letter))
    expect(batchFrames(frames).flatMap(framesIn)).toEqual(frames.map(({ text }) => text))
  })

  test.prop([sizes, fc.constantFrom('a', 'ä', '€', '😀')])('sends 64 KiB at once, at most', (all, letter) => {
    const messages = batchFrames(all.map((bytes, i) => textOf(i, bytes, letter)))
    for (const message of messages) {
      const frames = framesIn(message)
      expect(frames.length).toBeGreaterThan(0)
      if (frames.length > 1) expect(utf8Bytes(message)).toBeLessThanOrEqual(MAX_BATCH_BYTES)
    }
  })

  test('fills a message to the last byte', () => {
    const half = MAX_BATCH_BYTES / 2
    const brackets = '[,]'.length
    expect(batchFrames([textOf(1, half), textOf(2, half - brackets)])).toHaveLength(1)
    expect(batchFrames([textOf(1, half), textOf(2, half - brackets + 1)])).toHaveLength(2)
  })

  test.prop([sizes])('begins a message only for a frame that would not fit into the one before', (all) => {
    const messages = batchFrames(all.map((bytes, i) => textOf(i, bytes)))
    for (const [i, message] of messages.entries()) {
      const next = messages[i + 1]
      if (next === undefined) continue
      const joined = JSON.stringify(
        [...framesIn(message), ...framesIn(next).slice(0, 1)].map((text) => JSON.parse(text)),
      )
      expect(utf8Bytes(joined)).toBeGreaterThan(MAX_BATCH_BYTES)
    }
  })
})

function outgoing(frame: ClientFrame): OutgoingFrame {
  if (frame.type === 'sub') return { ...frame, position: frame.position, reset: frame.reset }
  if (frame.type === 'hello') return { ...frame, token: frame.token }
  if (frame.type !== 'pub') return frame
  const { data, base, ...rest } = frame
  return { ...rest, base, dataText: JSON.stringify(data) }
}

/** A text that stands for a frame: a JSON string of `bytes` bytes, or of a few more, that begins with a number. */
function textOf(n: number, bytes: number, letter = 'a'): EncodedFrame {
  const head = `"${n}:`
  const room = Math.max(0, bytes - head.length - 1)
  const letters = Math.floor(room / utf8Bytes(letter))
  const text = `${head}${letter.repeat(letters)}${'.'.repeat(room - letters * utf8Bytes(letter))}"`
  return { text, bytes: utf8Bytes(text) }
}

function framesIn(message: string): string[] {
  const parsed: unknown = JSON.parse(message)
  return (Array.isArray(parsed) ? parsed : [parsed]).map((frame) => JSON.stringify(frame))
}

function deep(open: string, close: string, inner = ''): string {
  return open.repeat(100_000) + inner + close.repeat(100_000)
}
