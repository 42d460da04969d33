// The table itself: what leads where, that nothing is out of reach, and that what cannot happen does not.

import { describe, expect, test } from 'vitest'
import { PHASES, type Phase } from '../../../src/connection/phases.ts'
import { TABLE, type Trigger } from '../../../src/connection/table.ts'
import type { Hint } from '../../../src/env/environment.ts'
import { isRealtimeError } from '../../../src/errors.ts'
import { CONNECT_MS, Stage } from '../../support/stage.ts'

const phases = Object.keys(TABLE) as Phase[]
const cellsOf = (phase: Phase) => Object.entries(TABLE[phase]) as [Trigger, string][]
const isPhase = (cell: string): cell is Phase => cell !== 'stay' && cell !== 'never'

describe('the table', () => {
  test('has a row for every phase that has facts', () => {
    expect([...phases].sort()).toEqual(Object.keys(PHASES).sort())
  })

  test('has the same triggers in every row', () => {
    const [first, ...others] = phases.map((phase) => Object.keys(TABLE[phase]))
    for (const row of others) expect(row).toEqual(first)
  })

  test('leads to every phase from idle', () => {
    const reached = new Set<Phase>(['idle'])
    for (const phase of reached) for (const [, cell] of cellsOf(phase)) if (isPhase(cell)) reached.add(cell)
    expect([...reached].sort()).toEqual([...phases].sort())
  })

  test.each(phases.filter((phase) => phase !== 'closed'))('leads from %s to closed by close', (phase) => {
    expect(TABLE[phase].close).toBe('closed')
  })

  test('leads nowhere from closed', () => {
    expect(cellsOf('closed').filter(([, cell]) => isPhase(cell))).toEqual([])
  })

  test.each(phases.filter((phase) => phase !== 'closed' && phase !== 'stopped'))(
    'leads from %s to stopped by disconnect',
    (phase) => {
      expect(TABLE[phase].disconnect).toBe('stopped')
    },
  )

  test.each(['connect', 'disconnect', 'retry', 'nudge', 'close'] as const)(
    'lets %s happen at any time: it comes from outside',
    (trigger) => {
      expect(phases.filter((phase) => TABLE[phase][trigger] === 'never')).toEqual([])
    },
  )

  test('lets connect cut no wait and leave no failure', () => {
    expect([TABLE.waiting.connect, TABLE.failed.connect]).toEqual(['stay', 'stay'])
  })

  test('lets retry leave every phase that rests or waits', () => {
    expect(phases.filter((phase) => TABLE[phase].retry === 'authorizing')).toEqual([
      'idle',
      'waiting',
      'stopped',
      'failed',
    ])
  })

  test('leads from every phase with a socket to a wait when the socket is lost', () => {
    const withSocket = phases.filter((phase) => PHASES[phase].socket)
    expect(withSocket.map((phase) => TABLE[phase].lost)).toEqual(withSocket.map(() => 'waiting'))
  })

  test('can lose nothing where there is no try under way', () => {
    const quiet = phases.filter((phase) => PHASES[phase].status !== 'trying' && !PHASES[phase].socket)
    expect(quiet.map((phase) => TABLE[phase].lost)).toEqual(quiet.map(() => 'never'))
  })
})

describe('the facts', () => {
  test('allow frames only where there is a socket', () => {
    expect(phases.filter((phase) => PHASES[phase].sends && !PHASES[phase].socket)).toEqual([])
  })

  test('give a deadline to every phase that waits for something, and none to the others', () => {
    const rests = phases.filter((phase) => PHASES[phase].timer === null)
    expect(rests).toEqual(['idle', 'stopped', 'failed', 'closed'])
  })

  test('take publishes everywhere but after the end', () => {
    expect(phases.filter((phase) => !PHASES[phase].accepts)).toEqual(['closed'])
  })
})

const HINTS: readonly Hint[] = ['online', 'offline', 'visible', 'hidden', 'resume', 'pageshow', 'gap']

describe('what cannot happen', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'does not, whatever application, page, network and server do (seed %i)',
    async (seed) => {
      const stage = new Stage({
        seed,
        faults: { maxDelayMs: 200, maxDialMs: 8_000, refuseChance: 0.2, lateChance: 0.5 },
      })
      const { network, server, random } = stage.world
      const chance = random.split('what happens')
      const client = stage.client({
        backoff: { baseDelayMs: 50, maxDelayMs: 500, maxAttempts: chance.pick([3, Infinity]), stableAfterMs: 500 },
        heartbeat: { intervalMs: 1_000, timeoutMs: 1_500 },
        connect: { timeoutMs: 2_000, auto: chance.chance(0.5) },
        publish: { timeoutMs: 3_000 },
        url: () =>
          chance.chance(0.1)
            ? Promise.reject(new Error('hiccup'))
            : chance.chance(0.1)
              ? new Promise<string>(() => {})
              : 'ws://world.test',
        onError: () => {},
      })
      const channel = client.channel('a')
      const stops: (() => void)[] = []
      const happenings: readonly (() => unknown)[] = [
        client.connect,
        client.connect,
        client.disconnect,
        client.retryNow,
        client.retryNow,
        () => void channel.publish('m', 1),
        () => void channel.publish('m', 2, { timeoutMs: 100 }),
        () => stops.push(channel.on('m', () => {})),
        () => stops.pop()?.(),
        () => stage.hint(chance.pick(HINTS)),
        () => stage.hint(chance.pick(HINTS)),
        () => network.cut(),
        () => network.silence(chance.pick(['up', 'down', 'both'])),
        () => network.release(),
        () => server.stop(),
        () => server.start({ keepStore: chance.chance(0.5) }),
        () => (stage.wallShiftMs += chance.pick([-60_000, 60_000])),
        () => stage.sleep(chance.between(0, 20_000)),
      ]
      for (let i = 0; i < 250; i++) {
        await chance.pick(happenings)()
        await stage.advance(chance.between(0, chance.pick([5, 50, 1_500])))
      }
      expect(stage.dials.length).toBeGreaterThan(3)
      expect(stage.errors.filter((error) => isRealtimeError(error) && error.code === 'internal')).toEqual([])
    },
  )

  test('does not on any close code at any moment of a connection', async () => {
    const stage = new Stage()
    const server = stage.fake()
    const client = stage.client({ backoff: { baseDelayMs: 0 } })
    const CODES = [1000, 1001, 1006, 1008, 1009, 1011, 1013, 3000, 4000, 4400, 4401, 4403, 4408, 4409, 4429, 4500, 4503]
    for (const code of CODES) {
      for (const afterMs of [10, 12, 16, CONNECT_MS]) {
        client.retryNow()
        await stage.advance(afterMs)
        server.connections.at(-1)?.close(code)
        await stage.advance(afterMs)
      }
    }
    expect(server.connections.length).toBeGreaterThan(CODES.length)
    expect(stage.errors).toEqual([])
  })
})
