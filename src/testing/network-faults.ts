// What networks do by themselves, as numbers that may change while a world runs.

/** What can go wrong, as options of the network. Probabilities are per connection or per fault drawn. */
export interface Faults {
  /** One-way delay of every message, in milliseconds. */
  minDelayMs: number
  maxDelayMs: number
  /** A dial is refused. */
  refuseChance: number
  /** A dial takes this much longer than the delay, in milliseconds, at most. */
  maxDialMs: number
  /** What an abandoned socket still had to say arrives after all. */
  lateChance: number
  /** The pace of every link, in bytes per millisecond. */
  upBytesPerMs: number
  downBytesPerMs: number
  /** Bytes that the sender's kernel takes in: they do not show as buffered. */
  kernelBytes: number
}

export const NO_FAULTS: Faults = {
  minDelayMs: 5,
  maxDelayMs: 5,
  refuseChance: 0,
  maxDialMs: 0,
  lateChance: 0,
  upBytesPerMs: Infinity,
  downBytesPerMs: Infinity,
  kernelBytes: 0,
}
