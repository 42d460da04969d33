// What happens to pages: frozen, hidden, asleep, with clocks that jump, timers that come late, and hints that lie.

import type { Fault } from './fault.ts'

const HINTS = ['online', 'offline', 'visible', 'hidden', 'resume', 'pageshow', 'gap'] as const
const HOUR_MS = 3_600_000

export const PAGE: readonly Fault[] = [
  { name: 'hint', rates: [0, 0.1], strike: ({ client, random }) => client.page.hint(random.pick(HINTS)) },
  {
    name: 'freeze',
    rates: [0, 0.02],
    strike({ client, world, random }) {
      const { page } = client
      const ms = random.pick([50, 3_000, 40_000])
      client.awayMs += ms
      page.freeze()
      world.clock.schedule(ms, () => {
        page.thaw()
        if (random.chance(0.5)) page.hint('resume')
      })
    },
  },
  {
    name: 'sleep',
    rates: [0, 0.01],
    strike({ client, world, random }) {
      const { page } = client
      const ms = random.pick([1_000, 10_000, 50_000])
      const monotonic = random.pick(['runs', 'stops'] as const)
      client.trickedAtMs = Math.max(client.trickedAtMs, world.clock.now() + ms)
      page.sleep(ms, monotonic)
      if (random.chance(0.5)) world.clock.schedule(ms, () => page.hint('visible'))
    },
  },
  {
    name: 'wall clock jumps',
    rates: [0, 0.01],
    strike({ client, world, random }) {
      client.trickedAtMs = Math.max(client.trickedAtMs, world.clock.now())
      client.page.jumpWallClock(random.pick([-HOUR_MS, HOUR_MS, -5_000, 5_000]))
    },
  },
  {
    name: 'hide',
    rates: [0, 0.02],
    strike({ client, world, random }) {
      const { page } = client
      page.isHidden = true
      page.timerGrainMs = random.pick([0, 1_000, 60_000])
      const ms = random.between(0, 60_000)
      client.awayMs += ms + page.timerGrainMs
      page.hint('hidden')
      world.clock.schedule(ms, () => {
        page.isHidden = false
        page.timerGrainMs = 0
        page.hint('visible')
      })
    },
  },
]
