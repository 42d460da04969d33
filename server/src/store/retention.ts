// How long a store keeps what, and how much of it: the options that all stores have.

/** What a store keeps. What it may forget it forgets when it is told to trim, about once a minute, or sooner. */
export interface RetentionOptions {
  /** Messages of one channel that are kept, at most. @defaultValue 10_000 */
  historyLimit?: number | undefined
  /** Characters of data of one channel that are kept, at most; the newest message is always kept. @defaultValue 67_108_864 */
  historyLength?: number | undefined
  /** How long a message is kept, in milliseconds. `Infinity` keeps it until it is pushed out. @defaultValue 86_400_000 */
  historyTtlMs?: number | undefined
  /**
   * How long it is remembered, after a client has left a channel, what it published there, in milliseconds. A client
   * that comes back later learns of what was in flight only that its outcome is unknown.
   * @defaultValue 86_400_000
   */
  producerTtlMs?: number | undefined
  /** Clients that have left, once for each channel, that are remembered, at most; the oldest goes first. @defaultValue 10_000 */
  producerLimit?: number | undefined
  /** How long an empty channel is remembered that nobody asks about, in milliseconds. @defaultValue 1_800_000 */
  idleMs?: number | undefined
}

export type Retention = { readonly [Name in keyof RetentionOptions]-?: Exclude<RetentionOptions[Name], undefined> }

/** `options` with the defaults filled in. */
export function retentionOf({
  historyLimit = 10_000,
  historyLength = 67_108_864,
  historyTtlMs = 86_400_000,
  producerTtlMs = 86_400_000,
  producerLimit = 10_000,
  idleMs = 1_800_000,
}: RetentionOptions): Retention {
  return { historyLimit, historyLength, historyTtlMs, producerTtlMs, producerLimit, idleMs }
}
