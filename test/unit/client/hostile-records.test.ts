// What an odd or hostile server can do with records, attachments and tops: nothing that is untrue, and nothing without end.

import { describe, expect, test } from 'vitest'
import { anAttached, anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected, SILENT } from '../../support/desk.ts'
import { aRecord, type Done, reconnect, recorded, remembering } from '../../support/records.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

/** Two publishes on their way to `a`, and one to `b`. */
async function inFlight() {
  const it = await recorded()
  const sent = ['a', 'a', 'b'].map((name, n) => watch(it.client.channel(name).publish('m', n)))
  await it.stage.advance(CONNECT_MS)
  const ids = it.server.framesOf('pub').map(({ id }) => id)
  return { ...it, sent, ids, results: () => sent.map(({ result }) => result) }
}

const OPEN = [undefined, undefined, undefined]

describe('done', () => {
  test.each<[string, (ids: readonly string[]) => Done[]]>([
    ['of sequences that were never sent', () => [[99, 'x', 1]]],
    ['of sequence 0', (ids) => [[0, ids[0] ?? '', 1]]],
    ['with the right id under a wrong sequence', (ids) => [[2, ids[0] ?? '', 1]]],
    ['with another channel’s publish', (ids) => [[3, ids[2] ?? '', 1]]],
    ['of the largest numbers there are', () => [[Number.MAX_SAFE_INTEGER, 'x', Number.MAX_SAFE_INTEGER]]],
    [
      'with ids that are names of every object',
      () => [
        [1, '__proto__', 1],
        [2, 'constructor', 2],
      ],
    ],
  ])('%s settles nothing', async (_, done) => {
    const it = await inFlight()
    await reconnect(it, {
      ...SILENT,
      sub: ({ channel, request, want }) => [
        anAttached(channel, request, want, 0, aRecord('incarnation-1', channel === 'a' ? done(it.ids) : [])),
      ],
    })
    expect(it.results()).toEqual(OPEN)
    expect(it.server.last.framesOf('pub')).toHaveLength(3)
  })

  test('of one publish twice settles it once', async () => {
    const it = await inFlight()
    const id = it.ids[0] ?? ''
    await reconnect(it, {
      ...SILENT,
      ...remembering('incarnation-1', [
        [1, id, 5],
        [1, id, 6],
      ]),
    })
    expect(it.results()).toMatchObject([{ offset: 6 }, undefined, undefined])
  })

  test.each<[string, unknown]>([
    ['that is no list', {}],
    ['of texts', ['1']],
    ['of short entries', [[1, 'x']]],
    ['of sequences below 0', [[-1, 'x', 1]]],
    ['of sequences that are no numbers', [['1', 'x', 1]]],
    ['of ids that are no texts', [[1, 7, 1]]],
  ])('%s is a broken message, and publishes survive it', async (_, done) => {
    const it = await inFlight()
    let isBroken = true
    const polite = remembering()
    await reconnect(it, {
      ...SILENT,
      sub: (frame, connection) => {
        if (!isBroken) return polite.sub?.(frame, connection) ?? []
        isBroken = false
        const { channel, request, want } = frame
        return [anAttached(channel, request, want, 0, { producer: { incarnation: 'incarnation-1', last: 0, done } })]
      },
    })
    await it.stage.advance(1_000)
    expect(it.stage.dials[1]?.closedWith).toMatchObject({ code: 4400 })
    expect(it.results()).toEqual(OPEN)
    expect(it.server.last.framesOf('pub').map(({ sequence }) => sequence)).toEqual([1, 2, 3])
  })
})

describe('an incarnation', () => {
  test('that is empty is none: nothing is sent again under it', async () => {
    const it = await inFlight()
    await reconnect(it, { ...SILENT, ...remembering('') })
    expect(it.results()).toMatchObject([{ outcome: 'unknown' }, { outcome: 'unknown' }, { outcome: 'unknown' }])
    expect(it.server.last.framesOf('pub')).toEqual([])
  })

  test('that changes with every attachment leaves at most what is on its way unknown, and sends nothing twice', async () => {
    let n = 0
    const it = await recorded(
      {},
      { sub: ({ channel, request, want }) => [anAttached(channel, request, want, 0, aRecord(`i-${n++}`))] },
    )
    const sent = []
    for (let i = 0; i < 5; i++) {
      sent.push(watch(it.client.channel('a').publish('m', i)))
      await it.stage.advance(CONNECT_MS)
      await reconnect(it)
    }
    expect(sent.map(({ result }) => (result as { code?: string }).code)).toEqual(Array(5).fill('record-lost'))
    expect(it.server.framesOf('pub').map(({ data }) => data)).toEqual([0, 1, 2, 3, 4])
  })
})

describe('an attachment', () => {
  test('that was answered is not answered again: a second answer settles and resends nothing', async () => {
    const it = await inFlight()
    const request = it.server.last.requestOf('a')
    it.server.last.say(anAttached('a', request, ['write'], 0, aRecord('incarnation-2', [[1, it.ids[0] ?? '', 1]])))
    await it.stage.advance(CONNECT_MS)
    expect([it.results(), it.server.framesOf('pub').length, it.stage.dials.length]).toEqual([OPEN, 3, 1])
  })

  test('grants no more than was wanted', async () => {
    const it = await connected({}, { sub: ({ channel, request }) => [anAttached(channel, request, ['read', 'write'])] })
    const heard: unknown[] = []
    watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(20)
    it.server.last.say(anEvent('a', 1))
    it.client.channel('a').onAny((message) => heard.push(message))
    await it.stage.advance(5)
    expect(heard).toEqual([])
  })

  test('that is revoked before it was answered refuses what comes, and nobody goes on asking', async () => {
    const it = await connected(
      {},
      { sub: ({ channel, request }) => [{ type: 'detached', channel, request, code: 'revoked' }] },
    )
    const first = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    const second = watch(it.client.channel('a').publish('m', 2))
    await it.stage.advance(20_000)
    expect([first.result, second.result]).toMatchObject([
      { code: 'forbidden', outcome: 'rejected' },
      { code: 'forbidden', outcome: 'rejected' },
    ])
    expect(it.server.framesOf('ping')).toEqual([])
  })
})

describe('tops', () => {
  test('that run ahead for ever cost one fetch per pong and no loop', async () => {
    let offset = 10
    const it = await connected(
      { heartbeat: { intervalMs: 1_000 } },
      {
        ping: ({ n }) => [{ type: 'pong', n, tops: [{ channel: 'a', epoch: EPOCH, offset: offset++ }] }],
        fetch: ({ channel, request, position }) => [
          { type: 'page', channel, request, from: position.offset + 1, events: [], more: false },
        ],
      },
    )
    it.client.channel('a').retain()
    await it.stage.advance(20_000)
    expect(it.server.framesOf('fetch').length).toBeLessThanOrEqual(it.server.framesOf('ping').length + 1)
  })

  test('of a thousand pongs at once cost nothing', async () => {
    const it = await connected()
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    const pong = { type: 'pong', n: 0, tops: [{ channel: 'a', epoch: 'epoch-2', offset: 9 }] }
    it.server.last.sayTogether(...Array.from({ length: 1_000 }, () => pong))
    await it.stage.advance(3_000)
    expect(it.server.framesOf('fetch')).toHaveLength(1)
  })
})

describe('a reset', () => {
  test('whose position lies beyond its top, or in another history, is against the protocol', async () => {
    for (const position of [
      { epoch: EPOCH, offset: 6 },
      { epoch: 'epoch-2', offset: 5 },
    ]) {
      const it = await connected()
      const resets: unknown[] = []
      it.client.channel('a').onReset((reset) => resets.push(reset))
      await it.stage.advance(CONNECT_MS)
      it.server.last.say({ type: 'reset', channel: 'a', reason: 'r', position, top: { epoch: EPOCH, offset: 5 } })
      await it.stage.advance(20)
      expect([resets, it.stage.dials[0]?.closedWith?.code]).toEqual([[], 4400])
    }
  })

  test('that answers a question of before is ignored', async () => {
    const it = await connected()
    const resets: unknown[] = []
    it.client.channel('a').onReset((reset) => resets.push(reset))
    await it.stage.advance(CONNECT_MS)
    const position = { epoch: EPOCH, offset: 5 }
    for (const request of [99, 77]) {
      it.server.last.say({ type: 'reset', channel: 'a', request, reason: 'r', position, top: position })
    }
    await it.stage.advance(20)
    expect([resets, it.stage.dials.length]).toEqual([[], 1])
  })

  test('with a page still on its way makes that page mean nothing', async () => {
    const it = await connected({}, { fetch: () => [] })
    const heard: number[] = []
    it.client.channel('a').onAny(({ offset }) => heard.push(offset))
    await it.stage.advance(CONNECT_MS)
    it.server.last.say({ type: 'behind', channel: 'a' })
    await it.stage.advance(20)
    const [fetch] = it.server.framesOf('fetch')
    const position = { epoch: 'epoch-2', offset: 5 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'r', position, top: position })
    const events = [{ ...anEvent('a', 1), type: undefined, channel: undefined }]
    it.server.last.say({ type: 'page', channel: 'a', request: fetch?.request, from: 1, events, more: false })
    it.server.last.say(anEvent('a', 6))
    await it.stage.advance(20)
    expect([heard, it.stage.dials.length]).toEqual([[6], 1])
  })
})
