// What the parts of one broker share.

import type { Channels } from './channels.ts'
import type { ServerEnvironment } from './environment.ts'
import type { Hooks } from './hooks.ts'
import type { Log } from './log.ts'
import type { Settings } from './options.ts'
import type { Presence } from './presence.ts'
import type { Producers } from './producers.ts'
import type { Snapshots } from './snapshots.ts'
import type { Store } from './store/store.ts'
import type { VolatileCounters, Volatiles } from './volatile.ts'

export interface Context {
  readonly environment: ServerEnvironment
  readonly store: Store
  readonly hooks: Hooks
  readonly settings: Settings
  readonly channels: Channels
  readonly log: Log
  readonly producers: Producers
  readonly snapshots: Snapshots
  readonly volatiles: Volatiles
  readonly presence: Presence
  readonly counters: Counters
}

/** What happened since the start that no other figure shows. */
export interface Counters extends VolatileCounters {
  /** Frames of types this version does not know. */
  unknownFrames: number
  /** Frames that came too late to mean anything. */
  ignoredFrames: number
  /** Times a connection was told that pushing has stopped. */
  behind: number
}
