// The door for tests of applications: `steadywire/testing`. Explicit named exports, nothing else.

export { Clock } from './clock.ts'
export { type Faults, Link, Network } from './network.ts'
export type { Random } from './random.ts'
export { createWorld, type Page, type World, type WorldOptions, type WorldServer } from './world.ts'
