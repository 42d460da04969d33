// Several clients and the real server: who is here, and what is true now, as each of them sees it.

import { describe, expect, test } from 'vitest'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const OPTIONS = { backoff: { baseDelayMs: 200 } }

/** One whose connections can be lost by itself: every stage is a page of its own in one world. */
async function people(count: number) {
  const stage = new Stage()
  const clients = []
  for (let i = 0; i < count; i++) clients.push(await stage.connected(OPTIONS))
  const rooms = clients.map((client) => client.channel('doc'))
  const here = (i: number) =>
    rooms[i]?.presence.state
      .getSnapshot()
      .map(({ data }) => data)
      .sort()
  return { stage, clients, rooms, here }
}

describe('presence', () => {
  test('everyone sees everyone, themselves too, and knows which one they are', async () => {
    const it = await people(3)
    it.rooms.forEach((room, i) => void room.presence.set(`p${i}`))
    await it.stage.advance(500)
    for (const i of [0, 1, 2]) {
      expect(it.here(i)).toEqual(['p0', 'p1', 'p2'])
      const selves = it.rooms[i]?.presence.state.getSnapshot().filter(({ isSelf }) => isSelf)
      expect(selves?.map(({ data }) => data)).toEqual([`p${i}`])
    }
  })

  test('one who only reads sees the others and is not seen', async () => {
    const it = await people(2)
    void it.rooms[0]?.presence.set('p0')
    it.rooms[1]?.presence.state.subscribe(() => {})
    await it.stage.advance(500)
    expect([it.here(0), it.here(1)]).toEqual([['p0'], ['p0']])
  })

  test('a lost connection that comes back within 10 s is seen by nobody else', async () => {
    const it = await people(2)
    it.rooms.forEach((room, i) => void room.presence.set(`p${i}`))
    await it.stage.advance(500)
    const seen: unknown[] = []
    it.rooms[0]?.presence.state.subscribe(() => seen.push(it.here(0)))
    it.stage.world.network.cut()
    await it.stage.advance(5_000)
    expect(it.clients.map((client) => client.state.getSnapshot().status)).toEqual(['connected', 'connected'])
    expect(it.clients.map((client) => client.stats().reconnects)).toEqual([1, 1])
    await it.stage.advance(20_000)
    // Its own connection was cut too, so it begins anew; nobody is ever missing from what it shows.
    for (const one of seen) expect(one).toEqual(['p0', 'p1'])
    expect([it.here(0), it.here(1)]).toEqual([
      ['p0', 'p1'],
      ['p0', 'p1'],
    ])
  })

  test('one who closes is gone within a second', async () => {
    const it = await people(2)
    it.rooms.forEach((room, i) => void room.presence.set(`p${i}`))
    await it.stage.advance(500)
    void it.clients[1]?.close()
    await it.stage.advance(1_000)
    expect(it.here(0)).toEqual(['p0'])
  })

  test('one who clears is gone within a second, and comes back by saying so', async () => {
    const it = await people(2)
    it.rooms.forEach((room, i) => void room.presence.set(`p${i}`))
    await it.stage.advance(500)
    it.rooms[1]?.presence.clear()
    await it.stage.advance(500)
    expect(it.here(0)).toEqual(['p0'])
    void it.rooms[1]?.presence.set('again')
    await it.stage.advance(500)
    expect(it.here(0)).toEqual(['again', 'p0'])
  })

  test('a hundred changes a second reach the others as ten, the last of them for certain', async () => {
    const it = await people(2)
    let changeCount = 0
    it.rooms[0]?.presence.state.subscribe(() => changeCount++)
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 100; i++) {
      void it.rooms[1]?.presence.set(`v${String(i).padStart(3, '0')}`)
      await it.stage.advance(10)
    }
    await it.stage.advance(500)
    expect(it.here(0)).toEqual(['v099'])
    expect(changeCount).toBeLessThanOrEqual(13)
  })

  test('a server that has started anew has everyone again once they are connected', async () => {
    const it = await people(2)
    it.rooms.forEach((room, i) => void room.presence.set(`p${i}`))
    await it.stage.advance(500)
    it.stage.world.server.stop()
    await it.stage.advance(1_000)
    it.stage.world.server.start()
    await it.stage.advance(10_000)
    expect([it.here(0), it.here(1)]).toEqual([
      ['p0', 'p1'],
      ['p0', 'p1'],
    ])
  })
})

describe('volatile messages', () => {
  test('reach everyone else and not their sender, with who has sent them', async () => {
    const it = await people(3)
    const heard: unknown[][] = [[], [], []]
    it.rooms.forEach((room, i) => room.onVolatile('cursor', (data, { sender }) => heard[i]?.push([data, sender?.user])))
    await it.stage.advance(CONNECT_MS)
    it.rooms[0]?.sendVolatile('cursor', { x: 1 })
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual([[], [[{ x: 1 }, 'anonymous']], [[{ x: 1 }, 'anonymous']]])
  })

  test('sixty a second arrive as thirty, the last of them for certain', async () => {
    const it = await people(2)
    const heard: unknown[] = []
    it.rooms[1]?.onVolatile('cursor', (data) => heard.push(data))
    it.rooms[0]?.retain()
    await it.stage.advance(CONNECT_MS)
    for (let i = 0; i < 300; i++) {
      it.rooms[0]?.sendVolatile('cursor', i)
      await it.stage.advance(17)
    }
    await it.stage.advance(200)
    expect(heard.at(-1)).toBe(299)
    expect(heard.length).toBeLessThanOrEqual(160)
    expect(heard.length).toBeGreaterThan(100)
  })

  test('the server itself sends them without a sender', async () => {
    const it = await people(1)
    const heard: unknown[] = []
    it.rooms[0]?.onVolatile('progress', (data, { sender }) => heard.push([data, sender]))
    await it.stage.advance(CONNECT_MS)
    it.stage.world.server.sendVolatile('doc', 'progress', 40)
    await it.stage.advance(CONNECT_MS)
    expect(heard).toEqual([[40, undefined]])
  })
})
