// Limits of content: lengths in bytes, depth, and what can be a name.

import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import {
  isChannelName,
  isIdentifier,
  isShallow,
  MAX_CHANNEL_BYTES,
  MAX_DEPTH,
  MAX_ID_BYTES,
  utf8Bytes,
} from '../../../src/protocol/content.ts'

const encoder = new TextEncoder()

/** Any string at all: every UTF-16 unit, and surrogates often enough to meet in every way. */
const anyText = fc
  .array(
    fc.oneof(
      fc.nat({ max: 0xffff }),
      fc.integer({ min: 0xd800, max: 0xdfff }),
      fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff),
    ),
  )
  .map((units) => String.fromCharCode(...units))

describe('utf8Bytes', () => {
  test.prop([anyText], { numRuns: 5_000 })('counts what a TextEncoder writes of any text in JSON', (text) => {
    const json = JSON.stringify({ text })
    expect(utf8Bytes(json)).toBe(encoder.encode(json).length)
  })

  test.prop([fc.string({ unit: 'binary' })], { numRuns: 5_000 })(
    'counts what it writes of any well-formed text',
    (text) => {
      expect(utf8Bytes(text)).toBe(encoder.encode(text).length)
    },
  )

  test.prop([anyText], { numRuns: 5_000 })(
    'counts two bytes for half a surrogate pair, which no frame contains',
    (text) => {
      const loneHalves = text.match(/\p{Surrogate}/gu) ?? []
      expect(utf8Bytes(text)).toBe(encoder.encode(text).length - loneHalves.length)
    },
  )

  test.each([
    ['', 0],
    ['a', 1],
    ['ä', 2],
    ['€', 3],
    ['😀', 4],
  ])('counts %j', (text, bytes) => {
    expect(utf8Bytes(text)).toBe(bytes)
  })
})

describe('isShallow', () => {
  test.prop([fc.jsonValue({ maxDepth: 6 }), fc.nat({ max: 7 })])('measures how deep a value nests', (value, depth) => {
    expect(isShallow(value, depth)).toBe(depthOf(value) <= depth)
  })

  test.each([
    ['arrays', (inner: unknown) => [inner]],
    ['objects', (inner: unknown) => ({ a: inner })],
    ['the last field of objects', (inner: unknown) => ({ a: 1, b: 'x', c: inner })],
  ])('allows 64 levels of %s and no more', (_, around) => {
    expect(isShallow(nest(around, MAX_DEPTH))).toBe(true)
    expect(isShallow(nest(around, MAX_DEPTH + 1))).toBe(false)
  })

  test('answers in time and does not throw at 100,000 levels', () => {
    expect(isShallow(nest((inner) => [inner], 100_000))).toBe(false)
  })

  test('does not look at what is not the value’s own', () => {
    expect(isShallow(Object.create(nest((inner) => ({ a: inner }), 100) as object))).toBe(true)
  })
})

describe.each([
  ['isChannelName', isChannelName, MAX_CHANNEL_BYTES],
  ['isIdentifier', isIdentifier, MAX_ID_BYTES],
])('%s', (_, isName, maxBytes) => {
  test.each(['a', 'chat:lobby', 'constructor', '__proto__', ' ', 'ü', '😀', '\u0000'])('accepts %j', (name) => {
    expect(isName(name)).toBe(true)
  })

  test.each(['', '\ud83d', 'a\ude00', '\ude00\ud83d'])('refuses %j', (name) => {
    expect(isName(name)).toBe(false)
  })

  test.each(['a', 'ä', '😀'])('counts bytes, not letters, of %j', (letter) => {
    const letters = maxBytes / utf8Bytes(letter)
    expect(isName(letter.repeat(letters))).toBe(true)
    expect(isName(`${letter.repeat(letters)}a`)).toBe(false)
  })
})

function nest(around: (inner: unknown) => unknown, levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = around(value)
  return value
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
