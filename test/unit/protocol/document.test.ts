// PROTOCOL.md and docs/errors.md: their examples are frames, their numbers are in order, and what is generated is fresh.

import { fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { DOCUMENTS, readDocument, renderDocument } from '../../../scripts/diagrams.ts'
import { welcomeFrame } from '../../../server/src/greeting.ts'
import { settingsOf } from '../../../server/src/options.ts'
import { decodeMessage } from '../../../src/protocol/codec.ts'
import { MAX_BATCH_BYTES } from '../../../src/protocol/content.ts'
import { createClientFrameReader } from '../../../src/protocol/read-client-frame.ts'
import { createServerFrameReader } from '../../../src/protocol/read-server-frame.ts'
import { clientFrameSchema, serverFrameSchema } from '../../../src/protocol/schema.ts'
import { CLIENT_TYPES, clientFrames, SERVER_TYPES, serverFrames } from './arbitrary-frames.ts'

const PROTOCOL = readDocument('PROTOCOL.md')

const SENDERS = [
  { sender: 'client', types: CLIENT_TYPES, schema: clientFrameSchema, read: decoderOf(createClientFrameReader()) },
  { sender: 'server', types: SERVER_TYPES, schema: serverFrameSchema, read: decoderOf(createServerFrameReader()) },
]

describe.each(SENDERS)('the examples of what a $sender sends', ({ sender, types, schema, read }) => {
  const examples = examplesOf(PROTOCOL, sender)

  test.each(examples)('the example in line $line is one', ({ text }) => {
    const decoded = read(text)
    expect(decoded).toMatchObject({ unknownCount: 0 })
    expect(decoded.frames.map((frame) => schema.parse(frame))).toEqual(decoded.frames)
  })

  test('show every frame', () => {
    const shown = new Set(examples.flatMap(({ text }) => read(text).frames.map(({ type }) => type)))
    expect([...shown].sort()).toEqual([...types].sort())
  })
})

test('every example says who sends it', () => {
  const fences = PROTOCOL.match(/^```json.*$/gm) ?? []
  expect(fences.filter((fence) => !/^```json (client|server)$/.test(fence))).toEqual([])
})

test('every field of every frame is named', () => {
  const frames = [...fc.sample(clientFrames, 1_000), ...fc.sample(serverFrames, 1_000)]
  const fields = new Set(frames.flatMap((frame) => Object.keys(frame)))
  expect([...fields].filter((field) => !PROTOCOL.includes(`\`${field}\``))).toEqual([])
})

test('the example of welcome is what the reference server says', () => {
  const [welcome] = examplesOf(PROTOCOL, 'server').map(({ text }) => JSON.parse(text) as { member: string })
  expect(welcome).toEqual(welcomeFrame(settingsOf({}, true), [], welcome?.member ?? '', Infinity))
})

test('statements are numbered without a gap, each in its section', () => {
  let section = 0
  let statement = 0
  for (const line of PROTOCOL.split('\n')) {
    const heading = /^## (\d+) /.exec(line)
    if (heading) {
      expect(Number(heading[1])).toBe(section + 1)
      section++
      statement = 0
    }
    const [, number] = /^- \*\*(.+?)\*\*/.exec(line) ?? []
    if (number !== undefined) expect(number).toBe(`P${section}.${++statement}`)
  }
  expect(section).toBeGreaterThan(10)
})

test('statements and sections that are referred to are there', () => {
  const statements = PROTOCOL.match(/(?<=\()P\d+\.\d+(?=\))/g) ?? []
  expect(statements.filter((number) => !PROTOCOL.includes(`- **${number}** `))).toEqual([])
  const anchors = (PROTOCOL.match(/^## .+$/gm) ?? []).map((heading) =>
    heading.slice(3).toLowerCase().replaceAll(' ', '-'),
  )
  const links = [...PROTOCOL.matchAll(/\]\(#(.+?)\)/g)].map(([, anchor]) => anchor)
  expect(links).not.toEqual([])
  expect(links.filter((anchor) => !anchors.includes(anchor as string))).toEqual([])
})

test.each(Object.keys(DOCUMENTS))('what is generated in %s is fresh: npm run diagrams', (path) => {
  const text = readDocument(path)
  expect(renderDocument(path, text)).toBe(text)
})

interface Example {
  readonly line: number
  readonly text: string
}

function examplesOf(document: string, sender: string): Example[] {
  const found = [...document.matchAll(new RegExp(`^\`\`\`json ${sender}\\n([^]*?)^\`\`\`$`, 'gm'))]
  return found.map(({ 1: text = '', index }) => ({ line: document.slice(0, index).split('\n').length, text }))
}

function decoderOf<Frame extends { type: string }>(read: Parameters<typeof decodeMessage<Frame>>[2]) {
  return (text: string) => {
    const decoded = decodeMessage(text, MAX_BATCH_BYTES, read)
    if (decoded === 'malformed') throw new Error(`This is a broken message: ${text}`)
    return decoded
  }
}
