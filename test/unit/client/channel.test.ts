// Handlers, readers and refusals of a channel, by the public door.

import type { Client, Message } from 'steadywire'
import { describe, expect, test } from 'vitest'
import { anEvent, type FakeServer } from '../../support/fake-server.ts'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

interface Reader {
  readonly stage: Stage
  readonly server: FakeServer
  readonly client: Client
}

async function connected(options: object = {}): Promise<Reader> {
  const stage = new Stage()
  const server = stage.fake()
  return { stage, server, client: await stage.connected(options) }
}

/** Stores and pushes messages of these names in one WebSocket message. */
async function push({ stage, server }: Reader, channel: string, ...names: readonly string[]): Promise<void> {
  server.last.sayTogether(
    ...names.map((name) => {
      const offset = server.grow(channel, { name, data: name })
      return anEvent(channel, offset, { name, data: name })
    }),
  )
  await stage.advance(CONNECT_MS)
}

describe('a handle', () => {
  test('is the same for the same name', () => {
    const client = new Stage().client()
    expect(client.channel('a')).toBe(client.channel('a'))
  })

  test.each([1, 256])('may have a name of %i bytes', (length) => {
    expect(new Stage().client().channel('x'.repeat(length)).name).toHaveLength(length)
  })

  test.each(['', 'x'.repeat(257), 'ü'.repeat(129), '\ud800'])('may not be named %j', (name) => {
    expect(() => new Stage().client().channel(name)).toThrow(expect.objectContaining({ code: 'config' }))
  })

  test('attaches nothing while only its state is looked at', async () => {
    const { stage, server, client } = await connected()
    client.channel('a').state.subscribe(() => {})
    client.channel('a').state.getSnapshot()
    await stage.advance(CONNECT_MS)
    expect(server.framesOf('sub')).toEqual([])
  })
})

describe('on', () => {
  test('hears the messages of its name, in order, with all that is known of them', async () => {
    const it = await connected()
    const heard: [unknown, Message][] = []
    it.client.channel('a').on('m', (data, message) => heard.push([data, message]))
    await it.stage.advance(CONNECT_MS)
    const sender = { user: 'u', member: 'x' }
    it.server.last.event('a', { data: { n: 1 }, sender, storedAtMs: 5 })
    it.server.last.event('a', { name: 'other' })
    it.server.last.event('a', { data: { n: 3 } })
    await it.stage.advance(CONNECT_MS)
    expect(heard.map(([data]) => data)).toEqual([{ n: 1 }, { n: 3 }])
    expect(heard[0]?.[1]).toMatchObject({
      id: 'id-1',
      name: 'm',
      offset: 1,
      epoch: 'epoch-1',
      sender,
      storedAtMs: 5,
      replayed: false,
      overlap: false,
    })
  })

  test('hears what was missed during an outage, marked as replayed, and each message once', async () => {
    const it = await connected()
    const heard: [unknown, boolean][] = []
    it.client.channel('a').on('m', (data, { replayed }) => heard.push([data, replayed]))
    await it.stage.advance(CONNECT_MS)
    it.server.last.event('a')
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    it.server.grow('a', { data: 'missed' })
    await it.stage.advance(5_000)
    it.server.last.event('a')
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual([
      [1, false],
      ['missed', true],
      [3, false],
    ])
  })

  test('hears one’s own messages', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const heard: unknown[] = []
    client.channel('a').on('m', (data) => heard.push(data))
    watch(client.channel('a').publish('m', 'mine'))
    await stage.advance(CONNECT_MS)
    expect(heard).toEqual(['mine'])
  })

  test.each(['constructor', '__proto__', 'toString', 'valueOf', 'status', 'changed', 'message', 'reset'])(
    'takes %j for a name like any other',
    async (name) => {
      const it = await connected()
      const heard: unknown[] = []
      it.client.channel('a').on(name, (data) => heard.push(data))
      await it.stage.advance(CONNECT_MS)
      await push(it, 'a', name, 'other')
      expect(heard).toEqual([name])
    },
  )

  test('registered twice with the same function hears twice, and once after one is stopped', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const handler = (data: unknown) => heard.push(data)
    const stop = it.client.channel('a').on('m', handler)
    it.client.channel('a').on('m', handler)
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm')
    expect(heard).toHaveLength(2)
    stop()
    stop()
    await push(it, 'a', 'm')
    expect(heard).toHaveLength(3)
  })

  test('added during a delivery hears the next message first', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const channel = it.client.channel('a')
    const stop = channel.on('m', () => {
      stop()
      channel.on('m', (_, { offset }) => heard.push(offset))
    })
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm')
    expect(heard).toEqual([2])
  })

  test('stopped by itself during a delivery hears no more, and the others do', async () => {
    const it = await connected()
    const heard: string[] = []
    const channel = it.client.channel('a')
    const stop = channel.on('m', () => {
      heard.push('first')
      stop()
    })
    channel.on('m', () => heard.push('second'))
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm')
    expect(heard).toEqual(['first', 'second', 'second'])
  })

  test('stopped by another handler during a delivery is not called in it', async () => {
    const it = await connected()
    const heard: string[] = []
    const channel = it.client.channel('a')
    channel.on('m', () => stopSecond())
    const stopSecond = channel.on('m', () => heard.push('second'))
    const stopAny = channel.onAny(() => heard.push('any'))
    channel.on('m', () => stopAny())
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm')
    expect(heard).toEqual([])
  })

  test('that throws is reported, and the others hear all the same', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const error = new Error('mine')
    it.client.channel('a').on('m', () => {
      throw error
    })
    it.client.channel('a').on('m', (data) => heard.push(data))
    it.client.channel('b').on('m', (data) => heard.push(data))
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm')
    await push(it, 'b', 'm')
    expect(heard).toEqual(['m', 'm', 'm'])
    expect(it.stage.errors).toEqual([error, error])
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'live', position: { offset: 2 } })
  })

  test('that rejects is reported, and is not waited for', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const error = new Error('mine')
    it.client.channel('a').on('m', () => Promise.reject(error))
    it.client.channel('a').on('m', () => new Promise(() => {}))
    it.client.channel('a').on('m', (data) => heard.push(data))
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm')
    expect(heard).toEqual(['m', 'm'])
    expect(it.stage.errors).toEqual([error, error])
  })

  test('may publish: what it publishes is heard after what is on its way', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const channel = it.client.channel('a')
    channel.on('m', (data) => {
      heard.push(data)
      if (data === 'm') watch(channel.publish('m', 'echo'))
    })
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'x')
    expect(heard).toEqual(['m', 'echo'])
    expect(it.server.topOf('a')).toBe(3)
  })
})

describe('onAny', () => {
  test('hears every message, whatever its name, after the handlers of that name', async () => {
    const it = await connected()
    const heard: string[] = []
    it.client.channel('a').onAny(({ name }) => heard.push(`any ${name}`))
    it.client.channel('a').on('x', () => heard.push('x'))
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'x', 'constructor')
    expect(heard).toEqual(['x', 'any x', 'any constructor'])
  })
})

describe('onReset', () => {
  test('hears that continuity was lost, and from where messages go on', async () => {
    const stage = new Stage()
    const client = await stage.connected()
    const heard: unknown[] = []
    client.channel('a').on('m', (data) => heard.push(data))
    client
      .channel('a')
      .onReset(({ reason, snapshot, position }) => heard.push({ reason, snapshot, offset: position.offset }))
    await stage.advance(CONNECT_MS)
    stage.world.server.publish('a', 'm', 1)
    await stage.advance(CONNECT_MS)
    stage.world.server.stop()
    stage.world.server.start({ keepStore: false })
    await stage.advance(10_000)
    stage.world.server.publish('a', 'm', 2)
    await stage.advance(CONNECT_MS)
    expect(heard).toEqual([1, { reason: 'epoch-changed', snapshot: undefined, offset: 0 }, 2])
    expect(client.stats().resets).toBe(1)
  })

  test('gets the snapshot and its position, and what follows it', async () => {
    const it = await connected()
    const heard: unknown[] = []
    it.client.channel('a').onReset(({ snapshot, position }) => heard.push([snapshot, position]))
    it.client.channel('a').on('m', (data) => heard.push(data))
    await it.stage.advance(CONNECT_MS)
    for (const data of ['1', '2', '3']) it.server.grow('a', { data })
    const position = { epoch: 'epoch-1', offset: 2 }
    it.server.last.say({
      type: 'reset',
      channel: 'a',
      reason: 'asked',
      position,
      top: { ...position, offset: 3 },
      snapshot: { n: 2 },
    })
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual([[{ n: 2 }, position], '3'])
  })

  test('that throws is reported, and messages go on', async () => {
    const it = await connected()
    const heard: unknown[] = []
    it.client.channel('a').onReset(() => {
      throw new Error('mine')
    })
    it.client.channel('a').on('m', (data) => heard.push(data))
    await it.stage.advance(CONNECT_MS)
    const position = { epoch: 'epoch-1', offset: 0 }
    it.server.last.say({ type: 'reset', channel: 'a', reason: 'asked', position, top: position })
    await push(it, 'a', 'm')
    expect(heard).toEqual(['m'])
    expect(it.stage.errors).toHaveLength(1)
  })
})

describe('a reader', () => {
  test('is one subscription, however many there are', async () => {
    const it = await connected()
    const channel = it.client.channel('a')
    channel.on('m', () => {})
    channel.onAny(() => {})
    channel.onReset(() => {})
    channel.retain()
    await it.stage.advance(CONNECT_MS)
    expect(it.server.framesOf('sub')).toMatchObject([{ channel: 'a', want: ['read'] }])
  })

  test('that is the last lets the channel linger, then go', async () => {
    const it = await connected({ channels: { lingerMs: 2_000 } })
    const stops = [it.client.channel('a').on('m', () => {}), it.client.channel('a').retain()]
    await it.stage.advance(CONNECT_MS)
    for (const stop of stops) stop()
    await it.stage.advance(1_950)
    expect(it.server.framesOf('unsub')).toEqual([])
    await it.stage.advance(100)
    expect(it.server.framesOf('unsub')).toMatchObject([{ channel: 'a' }])
    expect(it.client.channel('a').state.getSnapshot()).toMatchObject({ status: 'idle', position: null })
  })

  test('that comes back in time costs nothing on the wire', async () => {
    const it = await connected()
    const stop = it.client.channel('a').on('m', () => {})
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 10; i++) {
      const release = it.client.channel('a').retain()
      if (i === 0) stop()
      await it.stage.advance(500)
      release()
      await it.stage.advance(500)
    }
    it.client.channel('a').retain()
    await it.stage.advance(5_000)
    expect([it.server.framesOf('sub').length, it.server.framesOf('unsub').length]).toEqual([1, 0])
  })

  test('that comes back later starts anew and hears nothing from in between', async () => {
    const it = await connected({ channels: { lingerMs: 100 } })
    const heard: unknown[] = []
    it.client.channel('a').on('m', () => {})()
    await it.stage.advance(1_000)
    it.server.grow('a')
    it.client.channel('a').on('m', (data) => heard.push(data))
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm')
    expect(heard).toEqual(['m'])
    expect(it.server.framesOf('sub').at(-1)).not.toHaveProperty('position')
  })

  test('that stops twice counts once', async () => {
    const it = await connected({ channels: { lingerMs: 100 } })
    const release = it.client.channel('a').retain()
    it.client.channel('a').retain()
    release()
    release()
    await it.stage.advance(5_000)
    expect(it.client.channel('a').state.getSnapshot().status).toBe('live')
  })

  test('hears nothing after it has stopped, also of what had arrived with the last message', async () => {
    const it = await connected()
    const heard: unknown[] = []
    const stop = it.client.channel('a').on('m', (_, { offset }) => {
      heard.push(offset)
      stop()
    })
    await it.stage.advance(CONNECT_MS)
    await push(it, 'a', 'm', 'm', 'm')
    expect(heard).toEqual([1])
  })

  test('stays over a reconnect, and goes on where it was', async () => {
    const it = await connected()
    it.client.channel('a').retain()
    await it.stage.advance(CONNECT_MS)
    it.server.last.event('a')
    await it.stage.advance(CONNECT_MS)
    it.server.last.close(1006)
    await it.stage.advance(5_000)
    expect(it.server.last.framesOf('sub')).toMatchObject([{ position: { epoch: 'epoch-1', offset: 1 } }])
  })
})
