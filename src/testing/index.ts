// The door for tests of applications: `steadywire/testing`. Explicit named exports, nothing else.

export { Clock } from './clock.ts'
export { Link, type NetworkWatch } from './link.ts'
export { Network } from './network.ts'
export type { Faults } from './network-faults.ts'
export type { Page } from './page.ts'
export type { Random } from './random.ts'
export type { WorldServer } from './server.ts'
export type { StoreFaults, StoreTally } from './store-line.ts'
export { createWorld, type World, type WorldOptions } from './world.ts'
