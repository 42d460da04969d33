// What applications do: publish, read, stop reading, hang up, come back, leave.

import { CHANNELS } from '../swarm.ts'
import type { Fault } from './fault.ts'

/** The longest filling of a publish, in characters. */
const MAX_FILL = 3_000

export const APPLICATION: readonly Fault[] = [
  {
    name: 'publish',
    rates: [1],
    strike({ client, random }) {
      const fill = 'x'.repeat(random.pick([0, 0, 10, 100, MAX_FILL]))
      client.publish(random.pick(CHANNELS), { n: random.between(0, 9), fill }, undefined, random.between(0, 2))
    },
  },
  {
    name: 'publish with a base',
    rates: [0, 0.1],
    strike({ client, random }) {
      const channel = random.pick(CHANNELS)
      const { position } = client.session.getChannelSnapshot(channel)
      client.publish(channel, {}, position ?? { epoch: 'none', offset: 0 })
    },
  },
  {
    name: 'server publishes',
    rates: [0, 0.3],
    strike: ({ world, random }) => world.server.publish(random.pick(CHANNELS), 'm', {}),
  },
  {
    name: 'server publishes much',
    rates: [0, 0, 0.01],
    strike({ world, random }) {
      const channel = random.pick(CHANNELS)
      for (let i = random.between(10, 400); i > 0; i--) world.server.publish(channel, 'm', {})
    },
  },
  { name: 'subscribe', rates: [0.1], strike: ({ client, random }) => client.subscribe(random.pick(CHANNELS)) },
  { name: 'unsubscribe', rates: [0, 0.05], strike: ({ client, random }) => client.unsubscribe(random.pick(CHANNELS)) },
  {
    name: 'abort',
    rates: [0, 0.05],
    strike({ client, random }) {
      const open = [...client.publishes.values()].slice(-20).filter(({ result }) => !result)
      if (open.length > 0) client.feed({ type: 'abort', id: random.pick(open).id })
    },
  },
  {
    name: 'refresh',
    rates: [0, 0, 0.02],
    strike: ({ client, random }) => client.refresh(random.pick(CHANNELS)),
  },
  {
    name: 'disconnect',
    rates: [0, 0.01],
    strike({ client, world, random }) {
      client.feed({ type: 'disconnect' })
      world.clock.schedule(random.between(0, 5_000), () => client.connect())
    },
  },
  { name: 'retry', rates: [0, 0.02], strike: ({ client }) => client.feed({ type: 'retry' }) },
  { name: 'connect again', rates: [0, 0.02], strike: ({ client }) => client.connect() },
  {
    name: 'close',
    rates: [0, 0, 0.002],
    strike: ({ client, random }) => client.close(random.pick([0, 1_000, 60_000])),
  },
]
