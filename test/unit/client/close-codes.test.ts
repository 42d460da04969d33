// How a session's end is told apart, and what the client makes of every close code.

import type { Client, ClosePolicy } from 'steadywire'
import { closeMeaning } from 'steadywire/protocol'
import { describe, expect, test } from 'vitest'
import type { FakeServer } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const causeOf = (client: Client) => client.state.getSnapshot().cause
const statusOf = (client: Client) => client.state.getSnapshot().status

/** Closes every session right after its welcome, and tells how many there are before the client stops, or 5. */
async function endEverySession(
  code: number,
  closeCodes: Record<number, ClosePolicy> = {},
): Promise<{ stage: Stage; client: Client; server: FakeServer; sessions: number }> {
  const stage = new Stage()
  const server = stage.fake()
  const client = await stage.connected({ closeCodes, backoff: { baseDelayMs: 100, maxDelayMs: 100 } })
  let sessions = 0
  while (statusOf(client) === 'connected' && sessions < 5) {
    sessions++
    server.last.close(code)
    await stage.advance(2_000)
  }
  return { stage, client, server, sessions }
}

describe('a close code', () => {
  test.each([1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 3000, 4000, 4001, 4408, 4429, 4500, 4503, 4999])(
    '%i is tried again, for as long as it comes',
    async (code) => {
      const { client, sessions } = await endEverySession(code)
      expect([sessions, statusOf(client)]).toEqual([5, 'connected'])
    },
  )

  test.each([4403, 1002, 1003, 1007, 4409])('%i stops at once', async (code) => {
    const { client, sessions } = await endEverySession(code)
    expect([sessions, statusOf(client), causeOf(client)]).toEqual([
      1,
      'failed',
      expect.objectContaining({ code: closeMeaning(code).code, closeCode: code }),
    ])
  })

  test.each([4401, 1008])('%i is tried again once, then stops', async (code) => {
    const { client, sessions } = await endEverySession(code)
    expect([sessions, statusOf(client), causeOf(client)?.code]).toEqual([2, 'failed', 'unauthorized'])
  })

  test('4400 stops at the third in a row', async () => {
    const { client, sessions } = await endEverySession(4400)
    expect([sessions, statusOf(client), causeOf(client)?.code]).toEqual([3, 'failed', 'protocol'])
  })

  test.each([1011, 1013, 4500])('%i waits a second at least', async (code) => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected()
    server.last.close(code)
    await stage.advance(5 + 999)
    expect(stage.dials).toHaveLength(1)
    await stage.advance(1)
    expect(stage.dials).toHaveLength(2)
  })

  test.each([4429, 4503, 1006, 4500])('%i waits as long as its reason asks for', async (code) => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected()
    server.last.close(code, 'busy; retry=20000')
    await stage.advance(5 + 19_999)
    expect(stage.dials).toHaveLength(1)
    await stage.advance(1)
    expect(stage.dials).toHaveLength(2)
  })

  test.each(['retry=5000', 'busy; retry=', 'busy; retry=-5000', 'busy; retry=many', 'busy; retry=99999999999', '{}'])(
    'with the reason %j waits no longer than without',
    async (reason) => {
      const stage = new Stage()
      const server = stage.fake()
      stage.random = 0
      await stage.connected()
      server.last.close(4503, reason)
      await stage.advance(CONNECT_MS)
      expect(stage.dials).toHaveLength(2)
    },
  )

  test('asks only for the next wait: the one after it follows the backoff', async () => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected()
    server.last.close(4503, 'busy; retry=20000')
    await stage.advance(20_100)
    server.last.close(1006)
    await stage.advance(CONNECT_MS)
    expect(stage.dials).toHaveLength(3)
  })

  test('4409 goes on as a new producer after retryNow', async () => {
    const { stage, client, server } = await endEverySession(4409)
    client.retryNow()
    await stage.advance(CONNECT_MS)
    const [first, second] = server.framesOf('hello').map(({ producer }) => producer)
    expect(statusOf(client)).toBe('connected')
    expect(second).not.toBe(first)
  })

  test('that is retried keeps the producer, with a higher generation', async () => {
    const { server } = await endEverySession(1006)
    const hellos = server.framesOf('hello')
    expect(new Set(hellos.map(({ producer }) => producer)).size).toBe(1)
    expect(hellos.map(({ generation }) => generation)).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('4401 is forgiven again after a stable session', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected({ backoff: { stableAfterMs: 5_000 } })
    for (let i = 0; i < 4; i++) {
      await stage.advance(6_000)
      server.last.close(4401)
      await stage.advance(2_000)
    }
    expect(statusOf(client)).toBe('connected')
  })

  test('4400 is forgiven again after a stable session', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected({ backoff: { stableAfterMs: 5_000 } })
    for (let i = 0; i < 5; i++) {
      await stage.advance(6_000)
      server.last.close(4400)
      await stage.advance(2_000)
    }
    expect(statusOf(client)).toBe('connected')
  })
})

describe('closeCodes', () => {
  test('makes a retried code stop', async () => {
    const { client, sessions } = await endEverySession(4503, { 4503: 'stop' })
    expect([sessions, statusOf(client), causeOf(client)?.closeCode]).toEqual([1, 'failed', 4503])
  })

  test('makes a final code be retried', async () => {
    const { client, sessions } = await endEverySession(4403, { 4403: 'retry' })
    expect([sessions, statusOf(client)]).toEqual([5, 'connected'])
  })

  test('makes an unknown code go on as somebody new', async () => {
    const { stage, client, server } = await endEverySession(4777, { 4777: 'replace' })
    client.retryNow()
    await stage.advance(CONNECT_MS)
    expect(new Set(server.framesOf('hello').map(({ producer }) => producer)).size).toBe(2)
  })

  test('makes a code slower', async () => {
    const stage = new Stage()
    const server = stage.fake()
    stage.random = 0
    await stage.connected({ closeCodes: { 4003: 'retry-slower' } })
    server.last.close(4003)
    await stage.advance(5 + 999)
    expect(stage.dials).toHaveLength(1)
    await stage.advance(1)
    expect(stage.dials).toHaveLength(2)
  })

  test('makes a code of the application’s own ask for new credentials once, then stop', async () => {
    const { client, sessions } = await endEverySession(4001, { 4001: 'reauthorize' })
    expect([sessions, statusOf(client), causeOf(client)]).toEqual([
      2,
      'failed',
      expect.objectContaining({ code: 'unauthorized', closeCode: 4001 }),
    ])
  })

  test('leaves the other codes as they are', async () => {
    const { client } = await endEverySession(4403, { 4001: 'retry' })
    expect(statusOf(client)).toBe('failed')
  })
})

describe('the cause', () => {
  test('of a server that cannot be reached is connection-refused', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected()
    expect(causeOf(client)).toMatchObject({ code: 'connection-refused', closeCode: 1006 })
  })

  test('of a session that was cut is connection-lost', async () => {
    const stage = new Stage()
    const client = await stage.connected({ backoff: { minDelayMs: 5_000 } })
    stage.world.network.cut()
    await stage.advance(CONNECT_MS)
    expect([statusOf(client), causeOf(client)]).toEqual([
      'reconnecting',
      expect.objectContaining({ code: 'connection-lost', closeCode: 1006 }),
    ])
  })

  test('of a server that refused with a code is that code’s, also before the welcome', async () => {
    const stage = new Stage()
    stage.fake({ hello: (_, connection) => (connection.close(4429, 'too-many'), []) })
    const client = await stage.connected({ backoff: { minDelayMs: 5_000 } })
    expect(causeOf(client)).toMatchObject({ code: 'rate-limited', closeCode: 4429 })
  })

  test('of an intended end is null', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    client.disconnect()
    expect(causeOf(client)).toBeNull()
  })

  test('says what happened and what to do, and names no address', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = await stage.connected({ url: 'ws://secret.test/path?x=1' })
    const cause = causeOf(client)
    expect(cause?.message).toBe('Connection refused')
    expect(cause?.remedy).toContain('Check address')
    expect(JSON.stringify(cause)).not.toContain('secret')
  })

  test('of a server that never says welcome is timeout, and the socket is abandoned', async () => {
    const stage = new Stage()
    stage.fake({ hello: () => [] })
    const client = await stage.connected({ connect: { timeoutMs: 3_000 }, backoff: { minDelayMs: 60_000 } })
    await stage.advance(3_000)
    expect(causeOf(client)?.code).toBe('timeout')
    expect(stage.lastDial.closedWith).toMatchObject({ code: 4000 })
  })

  test('of a dial that never ends is timeout, and the dial is abandoned', async () => {
    const stage = new Stage({ faults: { minDelayMs: 600_000, maxDelayMs: 600_000 } })
    const client = await stage.connected({ connect: { timeoutMs: 3_000 }, backoff: { minDelayMs: 60_000 } })
    await stage.advance(3_000)
    expect(causeOf(client)?.code).toBe('timeout')
    expect(stage.lastDial.closedWith).toMatchObject({ code: 4000 })
  })
})
