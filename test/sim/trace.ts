// What happened, one line per step: the last of it is printed when a run fails, all of it when a seed is replayed.
//
// Rules of this file:
// - A line is written only when somebody wants to read it. The digest is kept without.

import type { Effect, Input, Receipt } from '../../src/effects.ts'
import type { RealtimeError } from '../../src/errors.ts'

const KEPT_LINES = 80

type Line = () => string

export class Trace {
  readonly #keptLines: number
  #lines: Line[] = []
  /** Inputs of clients' sessions that were answered with an effect. */
  steps = 0
  /** A running digest of everything traced: two runs of one seed must have the same. */
  digest = 0

  constructor(keptLines = KEPT_LINES) {
    this.#keptLines = keptLines
  }

  step(atMs: number, who: string, input: Input, before: string, after: string, effects: readonly Effect[]): void {
    this.#mix(atMs * 1_000)
    this.#mix(hashOf(input.type))
    for (const effect of effects) this.#mix(hashOf(effect.type === 'settle' ? effect.id : effect.type))
    if (effects.length > 0) this.steps++
    this.#keep(() => {
      const status = before === after ? before : `${before}→${after}`
      return `${at(atMs)} ${who} ${status} ${wordsOf(input)} ⇒ ${effects.map(wordOf).join(' ')}`
    })
  }

  note(atMs: number, what: string): void {
    this.#mix(atMs * 1_000)
    this.#mix(hashOf(what))
    this.#keep(() => `${at(atMs)} — ${what}`)
  }

  get text(): string {
    return this.#lines.map((line) => line()).join('\n')
  }

  #mix(number: number): void {
    this.digest = Math.imul(this.digest ^ number, 0x01000193)
  }

  #keep(line: Line): void {
    this.#lines.push(line)
    // Trimmed now and then: moving the rest for every line would be dear.
    if (this.#lines.length > 2 * this.#keptLines) this.#lines = this.#lines.slice(-this.#keptLines)
  }
}

function at(ms: number): string {
  return `t=${(ms / 1_000).toFixed(3)}`
}

function wordsOf(input: Input): string {
  if (input.type === 'socket.ended') return `ended ${input.closeCode} ${input.reason}`
  if ('channel' in input) return `${input.type} ${input.channel}`
  if (input.type !== 'socket.received') return input.type
  return input.message === 'malformed' ? 'malformed' : input.message.frames.map(frameWord).join('+')
}

function wordOf(effect: Effect): string {
  if (effect.type === 'socket.send') return `▸${frameWord(effect.frame)}`
  if (effect.type === 'settle') {
    const result = effect.result as Receipt | RealtimeError
    return `settle:${effect.id.slice(0, 4)}:${result instanceof Error ? `${result.outcome}/${result.code}` : result.offset}`
  }
  return effect.type
}

function frameWord(frame: object): string {
  const { type, channel, offset, sequence, request } = frame as Record<string, string | number | undefined>
  const facts = [channel, offset ?? sequence ?? request].filter((fact) => fact !== undefined)
  return facts.length > 0 ? `${type}(${facts.join(' ')})` : String(type)
}

const MAX_HASHES = 10_000
const hashes = new Map<string, number>()

function hashOf(text: string): number {
  let hash = hashes.get(text)
  if (hash === undefined) {
    hash = 0
    for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
    // Ids are many and seen once: only words are worth keeping.
    if (text.length < 20 && hashes.size < MAX_HASHES) hashes.set(text, hash)
  }
  return hash
}
