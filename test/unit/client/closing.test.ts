// The end of a client: resolved once, nothing left running, every publish settled, whatever is called afterwards.

import type { Client, Status } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

const statusOf = (client: Client): Status => client.state.getSnapshot().status

/** Every status from now on, in order. */
function statuses(client: Client): Status[] {
  const seen: Status[] = []
  client.on('status', ({ status }) => seen.push(status))
  return seen
}

describe('close', () => {
  test('resolves, and says so in the status', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const seen = statuses(client)
    let isClosed = false
    void client.close().then(() => (isClosed = true))
    await stage.advance(0)
    expect([isClosed, ...seen]).toEqual([true, 'closed'])
    expect(stage.lastDial.closedWith).toMatchObject({ code: 1000 })
  })

  test.each<[string, (stage: Stage) => Promise<Client> | Client]>([
    ['idle', (stage) => stage.client()],
    ['connected', (stage) => stage.connected()],
    [
      'authorizing',
      (stage) => {
        const client = stage.client({ url: () => new Promise(() => {}) })
        client.connect()
        return client
      },
    ],
    [
      'waiting',
      (stage) => {
        stage.world.network.isRefusing = true
        return stage.connected({ backoff: { minDelayMs: 60_000 } })
      },
    ],
    [
      'with handlers and publishes',
      async (stage) => {
        const client = await stage.connected()
        client.channel('a').on('m', () => {})
        watch(client.channel('a').publish('m', 1))
        watch(client.channel('b').publish('m', 1))
        await stage.advance(CONNECT_MS / 2)
        watch(client.channel('a').publish('m', 1))
        return client
      },
    ],
  ])('while %s leaves nothing running', async (_, make) => {
    const stage = new Stage()
    const client = await make(stage)
    const closed = watch(client.close().then(() => 'closed'))
    await stage.advance(0)
    expect(closed.result).toBe('closed')
    expect([...stage.held]).toEqual([])
    const dialCount = stage.dials.length
    stage.hint('online')
    await stage.advance(600_000)
    expect(stage.dials).toHaveLength(dialCount)
  })

  test('twice, and thrice later, is one end', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const seen = statuses(client)
    const ends = [client.close(), client.close()].map((end) => watch(end.then(() => 'closed')))
    await stage.advance(0)
    ends.push(watch(client.close({ drainMs: 1_000 }).then(() => 'closed')))
    await stage.advance(0)
    expect(ends.map(({ result }) => result)).toEqual(['closed', 'closed', 'closed'])
    expect(seen).toEqual(['closed'])
  })

  test('inside a handler ends the client, and what comes later is not heard', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = await stage.connected()
    const seen: unknown[] = []
    client.channel('a').on('m', (data) => {
      seen.push(data)
      void client.close()
    })
    await stage.advance(CONNECT_MS)
    server.last.event('a')
    await stage.advance(CONNECT_MS)
    server.last.event('a')
    await stage.advance(CONNECT_MS)
    expect([...seen, statusOf(client)]).toEqual([1, 'closed'])
  })

  test('inside a status listener is heard once', async () => {
    const stage = new Stage()
    const client = stage.client()
    const seen = statuses(client)
    client.on('status', ({ status }) => void (status === 'connected' && client.close()))
    client.connect()
    await stage.advance(CONNECT_MS)
    expect(seen).toEqual(['connecting', 'connected', 'closed'])
  })

  test('rejects what was never sent, and leaves what was sent unknown', async () => {
    const stage = new Stage()
    stage.fake({ pub: () => [], sub: (frame, it) => (frame.channel === 'denies' ? [] : politely(frame, it)) })
    const client = await stage.connected()
    const sent = watch(client.channel('a').publish('m', 1))
    const waiting = watch(client.channel('denies').publish('m', 1))
    await stage.advance(CONNECT_MS)
    void client.close()
    await stage.advance(0)
    expect([sent.result, waiting.result]).toMatchObject([
      { code: 'closed', outcome: 'unknown' },
      { code: 'closed', outcome: 'rejected' },
    ])
  })

  test('goes on for drainMs while publishes are unsettled', async () => {
    const stage = new Stage()
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1))
    const closed = watch(client.close({ drainMs: 1_000 }).then(() => 'closed'))
    await stage.advance(CONNECT_MS)
    expect([sent.result, closed.result]).toMatchObject([{ offset: 1 }, 'closed'])
  })

  test('rejects what drainMs was too short for', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client()
    const sent = watch(client.channel('a').publish('m', 1))
    const closed = watch(client.close({ drainMs: 1_000 }).then(() => 'closed'))
    await stage.advance(999)
    expect(closed.result).toBeUndefined()
    await stage.advance(1)
    expect([sent.result, closed.result]).toMatchObject([{ code: 'closed', outcome: 'rejected' }, 'closed'])
  })

  test('takes no publish while it drains', async () => {
    const stage = new Stage()
    const client = stage.client()
    watch(client.channel('a').publish('m', 1))
    void client.close({ drainMs: 1_000 })
    const late = watch(client.channel('a').publish('m', 2))
    await stage.advance(0)
    expect(late.result).toMatchObject({ code: 'closed', outcome: 'rejected' })
  })

  test('without drainMs cuts a draining one short', async () => {
    const stage = new Stage()
    stage.world.network.isRefusing = true
    const client = stage.client()
    watch(client.channel('a').publish('m', 1))
    const closed = watch(client.close({ drainMs: 60_000 }).then(() => 'closed'))
    void client.close()
    await stage.advance(0)
    expect(closed.result).toBe('closed')
  })

  test('makes every later publish reject closed', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    void client.close()
    const late = watch(client.channel('a').publish('m', 1))
    await stage.advance(0)
    expect(late.result).toMatchObject({ code: 'closed', outcome: 'rejected', retry: 'never' })
  })

  test('leaves a channel used later without effect', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    void client.close()
    const off = client.channel('a').on('m', () => {})
    client.channel('a').retain()()
    off()
    client.disconnect()
    await stage.advance(60_000)
    expect(client.channel('a').state.getSnapshot().status).toBe('idle')
    expect([statusOf(client), ...stage.held]).toEqual(['closed'])
  })
})

function politely(frame: { channel: string; request: number; want: readonly string[] }, _: unknown): object[] {
  const { channel, request, want: grants } = frame
  return [{ type: 'attached', channel, request, grants, top: { epoch: 'e', offset: 0 }, mode: 'live' }]
}
