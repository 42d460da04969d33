// What happens to the server: stopped, crashed in the middle of its work, started with and without its store, paused, with a
// clock that jumps.

import type { Fault, Strike } from './fault.ts'

const HOUR_MS = 3_600_000

function comeBack({ world, random, losses }: Strike, keepStore: boolean): void {
  world.clock.schedule(random.pick([0, 100, 5_000, 20_000]), () => {
    if (!keepStore && !world.server.isRunning) losses.push(world.clock.now())
    world.server.start({ keepStore })
  })
}

export const SERVER: readonly Fault[] = [
  {
    name: 'restart',
    rates: [0, 0, 0.01],
    strike(strike) {
      strike.world.server.stop()
      comeBack(strike, true)
    },
  },
  {
    name: 'restart with nothing',
    rates: [0, 0, 0.005],
    strike(strike) {
      strike.world.server.stop()
      comeBack(strike, false)
    },
  },
  {
    name: 'crash',
    rates: [0, 0, 0.02],
    strike(strike) {
      strike.world.server.crash(strike.random.chance(0.7))
      comeBack(strike, true)
    },
  },
  {
    name: 'crash with nothing left',
    rates: [0, 0, 0.005],
    strike(strike) {
      strike.world.server.crash(strike.random.chance(0.7))
      comeBack(strike, false)
    },
  },
  {
    name: 'pause',
    rates: [0, 0, 0.01],
    strike: ({ world, random }) => world.server.pause(random.pick([100, 5_000, 60_000])),
  },
  {
    name: 'server clock jumps',
    rates: [0, 0, 0.02],
    strike: ({ world, random }) => world.server.jumpWallClock(random.pick([-HOUR_MS, HOUR_MS, 60_000])),
  },
]
