// Bugs that seeds have found, each as a small scenario with a sentence: what a seed draws changes with the simulator.

import { expect, test } from 'vitest'
import { advance, createRun } from './simulation.ts'

test('a server that is started twice is one server', () => {
  const run = createRun(1, 1, {})
  const [client] = run.clients
  client?.connect()
  advance(run, 1_000)
  run.world.server.stop()
  run.world.server.start()
  run.world.server.start({ keepStore: false })
  client?.publish('room', 1)
  advance(run, 10_000)
  expect(client?.status).toBe('connected')
})

test('a channel that nobody reads any longer and somebody reads again begins anew', () => {
  const { run, world, client } = readingRun()
  world.server.publish('room', 'm', 1)
  advance(run, 1_000)
  client?.unsubscribe('room')
  advance(run, 2_000)
  world.server.publish('room', 'm', 2)
  client?.subscribe('room')
  advance(run, 1_000)
  world.server.publish('room', 'm', 3)
  advance(run, 1_000)
  expect(client?.handed.get('room')).toMatchObject({ offset: 3 })
})

test('the last message of a lingering channel belongs to nobody', () => {
  const { run, world, client } = readingRun()
  client?.unsubscribe('room')
  // It arrives in the moment in which the channel stops lingering.
  advance(run, 995)
  world.server.publish('room', 'm', 1)
  advance(run, 10)
  client?.subscribe('room')
  world.server.publish('room', 'm', 2)
  advance(run, 1_000)
  world.server.publish('room', 'm', 3)
  advance(run, 1_000)
  expect(client?.handed.get('room')).toMatchObject({ offset: 3 })
})

/** One client that has long read the room. */
function readingRun() {
  const run = createRun(1, 1, {})
  const { world, clients } = run
  const [client] = clients
  client?.connect()
  client?.subscribe('room')
  advance(run, 1_000)
  return { run, world, client }
}
