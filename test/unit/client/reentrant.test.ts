// What an application does from inside its handlers, listeners and settled promises: heard at once, and nobody else notices.

import type { Channel, Client } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anEvent, EPOCH } from '../../support/fake-server.ts'
import { connected } from '../../support/desk.ts'
import { aReset, reading, startingAt } from '../../support/new-starts.ts'
import { reconnect, recorded, remembering } from '../../support/records.ts'
import { CONNECT_MS, watch } from '../../support/stage.ts'

describe('inside a handler of a new start', () => {
  const acts: [string, (room: Channel, client: Client) => unknown][] = [
    ['publish', (room) => watch(room.publish('m', 'mine'))],
    ['publish on its position', (room) => watch(room.publish('m', 1, { base: { epoch: EPOCH, offset: 3 } }))],
    ['a handler more', (room) => room.on('m', () => {})],
    ['a handler that comes and goes', (room) => room.on('m', () => {})()],
    ['a look', (room, client) => [room.state.getSnapshot(), client.stats(), client.state.getSnapshot()]],
    ['connect', (_, client) => client.connect()],
    ['retryNow', (_, client) => client.retryNow()],
    [
      'an error',
      () => {
        throw new Error('mine')
      },
    ],
  ]

  test.each(acts)('%s changes nothing for what comes after it', async (_, act) => {
    const it = await reading({}, {})
    it.room.onReset(() => void act(it.room, it.client))
    for (let i = 0; i < 5; i++) it.server.grow('a')
    it.server.last.sayTogether(aReset(3), anEvent('a', 4), anEvent('a', 5))
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets().slice(0, 2)).toEqual([4, 5])
    expect([it.stage.dials.length, it.client.state.getSnapshot().status]).toEqual([1, 'connected'])
  })

  test('close hands nothing more over, and resolves', async () => {
    const it = await reading()
    let isClosed = false
    it.room.onReset(() => void it.client.close().then(() => (isClosed = true)))
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    expect([it.offsets(), isClosed, [...it.stage.held]]).toEqual([[], true, []])
  })

  test('close and a wait for it comes to an end', async () => {
    const it = await reading()
    const seen: string[] = []
    it.room.onReset(async () => {
      await it.client.close()
      seen.push('closed')
    })
    it.server.last.sayTogether(aReset(3), anEvent('a', 4))
    await it.stage.advance(CONNECT_MS)
    expect([seen, it.offsets()]).toEqual([['closed'], []])
  })

  test('disconnect keeps what had arrived, and the next connection goes on after it', async () => {
    const it = await reading({}, {})
    it.room.onReset(() => it.client.disconnect())
    for (let i = 0; i < 6; i++) it.server.grow('a')
    it.server.last.sayTogether(aReset(3), anEvent('a', 4), anEvent('a', 5))
    await it.stage.advance(CONNECT_MS)
    it.client.connect()
    await it.stage.advance(CONNECT_MS)
    expect(it.offsets()).toEqual([4, 5, 6])
  })

  test('refresh once, from the handler of what was asked for, asks once more and comes to an end', async () => {
    const it = await reading({}, startingAt(5))
    let calls = 0
    const done: number[] = []
    it.room.onReset(() => {
      const call = ++calls
      if (call < 3) void it.room.refresh().then(() => done.push(call))
    })
    watch(it.room.refresh())
    await it.stage.advance(1_000)
    expect([calls, done.length, it.stage.dials.length]).toEqual([3, 2, 1])
  })
})

describe('inside a settled publish', () => {
  test('the next one goes out in order, over any number of losses', async () => {
    const it = await recorded({}, { pub: undefined as never })
    const seen: number[] = []
    const next = (n: number): void => {
      if (n > 20) return
      void it.client
        .channel('a')
        .publish('m', n)
        .then(({ offset }) => {
          seen.push(offset)
          next(n + 1)
        })
    }
    next(1)
    for (let i = 0; i < 3; i++) {
      await it.stage.advance(33)
      await reconnect(it)
    }
    await it.stage.advance(1_000)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    expect(it.server.framesOf('pub').map(({ sequence }) => sequence)).toEqual(
      it.server
        .framesOf('pub')
        .map(({ sequence }) => sequence)
        .sort((a, b) => a - b),
    )
    expect(it.client.stats().outbox).toBe(0)
  })

  test('an unknown one may be looked after by publishing again: it comes once more, as another one', async () => {
    const it = await recorded()
    const again = it.client
      .channel('a')
      .publish('m', 1)
      .catch(() => it.client.channel('a').publish('m', 1))
    const settled = watch(again)
    await it.stage.advance(CONNECT_MS)
    await reconnect(it, remembering('incarnation-2'))
    const [first, second] = it.server.framesOf('pub')
    expect(second?.id).not.toBe(first?.id)
    expect(settled.result).toMatchObject({ id: second?.id })
  })
})

describe('inside a listener', () => {
  test('of the status, a publish at the loss waits for the next connection', async () => {
    const it = await recorded()
    let sent: ReturnType<typeof watch> | undefined
    it.client.on('status', ({ status }) => {
      if (status === 'reconnecting') sent = watch(it.client.channel('a').publish('m', 1))
    })
    await reconnect(it, remembering())
    expect(sent?.result).toMatchObject({ offset: 1 })
  })

  test('of the channel’s state, a publish that changes the state ends', async () => {
    const it = await connected()
    let calls = 0
    const room = it.client.channel('a')
    room.state.subscribe(() => {
      if (calls++ < 10) watch(room.publish('m', calls))
    })
    watch(room.publish('m', 0))
    await it.stage.advance(1_000)
    expect([it.server.framesOf('pub').length, room.state.getSnapshot().pending]).toEqual([11, 0])
  })

  test('of errors, close at a refused channel ends the client', async () => {
    const it = await connected(
      { onError: () => {} },
      { sub: ({ channel, request }) => [{ type: 'denied', channel, request, code: 'forbidden' }] },
    )
    it.client.on('error', () => void it.client.close())
    const sent = watch(it.client.channel('a').publish('m', 1))
    await it.stage.advance(CONNECT_MS)
    expect([sent.result, it.client.state.getSnapshot().status]).toMatchObject([
      { code: 'forbidden', outcome: 'rejected' },
      'closed',
    ])
    expect([...it.stage.held]).toEqual([])
  })

  test('of a signal, which is aborted while its own publish is settled, nothing is settled twice', async () => {
    const it = await connected()
    const controller = new AbortController()
    let settled = 0
    void it.client
      .channel('a')
      .publish('m', 1, { signal: controller.signal })
      .finally(() => {
        settled++
        controller.abort()
      })
    await it.stage.advance(CONNECT_MS)
    expect([settled, ...it.stage.errors]).toEqual([1])
  })
})
