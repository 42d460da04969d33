// The two halves of a run: faults strike while applications go on, and then everything heals.
//
// Rules of this file:
// - The faults are in rooms of their own; here is only when which one strikes.

import type { Random } from 'steadywire/testing'
import { NO_FAULTS } from '../../src/testing/network-faults.ts'
import { APPLICATION } from './faults/application.ts'
import type { Fault, Run } from './faults/fault.ts'
import { HOSTILE } from './faults/hostile.ts'
import { NETWORK } from './faults/network.ts'
import { PAGE } from './faults/page.ts'
import { SERVER } from './faults/server.ts'
import { STORE } from './faults/store.ts'
import { advance } from './simulation.ts'
import { CHANNELS } from './swarm.ts'

export const FAULTS: readonly Fault[] = [...APPLICATION, ...NETWORK, ...PAGE, ...SERVER, ...STORE, ...HOSTILE]

const STORM_MS = 120_000
/** Two heartbeats and the longest backoff step, of the options drawn, with room. */
const HEAL_MS = 120_000
const CLOSE_MS = 1_000
/** More rounds of healing than the largest backlog needs at the narrowest window. */
const MAX_ROUNDS = 20

/** Draws how often each fault strikes in this run; answers what draws the next one. */
function drawFaults(random: Random): () => Fault {
  const drawn = FAULTS.map((fault) => ({ fault, rate: random.pick(fault.rates) })).filter(({ rate }) => rate > 0)
  const total = drawn.reduce((sum, { rate }) => sum + rate, 0)
  return () => {
    let left = random.next() * total
    for (const { fault, rate } of drawn) if ((left -= rate) < 0) return fault
    return FAULTS[0] as Fault
  }
}

export function storm(run: Run): void {
  const { world, clients, trace, counts, plan } = run
  const { clock } = world
  const random = world.random.split('storm')
  const meanMs = random.pick([100, 700, 4_000])
  const next = drawFaults(random)
  Object.assign(world.server.storeFaults, plan.store)
  for (const trouble of plan.troubles) counts.add(trouble)
  for (const client of clients) {
    client.page.maxLateMs = plan.maxLateMs
    client.connect()
    for (const channel of CHANNELS) if (random.chance(0.7)) client.subscribe(channel)
  }
  while (clock.now() < STORM_MS) {
    const client = random.pick(clients)
    const fault = next()
    if (!client.hasLeft) {
      if (fault.name !== 'publish') trace.note(clock.now(), `${fault.name} (${client.name})`)
      counts.add(fault.name)
      fault.strike({ ...run, random, client })
    }
    advance(run, random.next() * 2 * meanMs)
  }
}

/** Whether publishes or messages wait, and fewer than when this was last asked. */
function isMoving(run: Run): boolean {
  const before = run.waiting
  run.waiting = 0
  for (const { session, subscribed } of run.clients) {
    run.waiting += session.getStats().outbox
    for (const [channel, count] of subscribed)
      if (count > 0)
        run.waiting +=
          (run.oracle.top(channel)?.offset ?? 0) - (session.getChannelSnapshot(channel).position?.offset ?? 0)
  }
  return run.waiting > 0 && run.waiting < before
}

export function heal(run: Run): void {
  const { world, clients, checkers, plan, trace, counts } = run
  const { network, server, clock } = world
  trace.note(clock.now(), 'heal')
  plan.heal()
  for (const { page } of clients) {
    page.isHidden = false
    page.maxLateMs = 0
    page.timerGrainMs = 0
  }
  Object.assign(server.storeFaults, plan.store)
  // What was set for a while ends by itself; nothing of it is longer than this.
  advance(run, 60_000)
  network.faults = { ...NO_FAULTS, maxDelayMs: Math.min(50, plan.maxDelayMs) }
  network.isRefusing = false
  network.slam = undefined
  network.release()
  server.releaseStore()
  server.stop()
  server.start()
  for (const client of clients) {
    if (client.hasLeft) continue
    client.connect()
    if (client.status === 'failed') client.feed({ type: 'retry' })
  }
  advance(run, HEAL_MS)
  // A narrow window or a small page takes its time over what has gathered.
  for (let i = 0; i < MAX_ROUNDS && isMoving(run); i++) advance(run, HEAL_MS)
  for (const checker of checkers) checker.finished?.(clients)
  trace.note(clock.now(), 'close')
  counts.add('the end')
  for (const client of clients) client.close(0)
  advance(run, CLOSE_MS)
  for (const checker of checkers) checker.closed?.(clients)
}
