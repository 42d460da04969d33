// What happened last, one line per step: printed when a run fails, never otherwise.

import type { Effect, Input } from '../../src/effects.ts'
import type { ClientSnapshot } from '../../src/snapshots.ts'

const KEPT_LINES = 60

function namesOf(input: Input): string {
  if (input.type !== 'socket.received') return input.type
  return input.message === 'malformed' ? 'malformed' : input.message.frames.map(({ type }) => type).join('+')
}

export class Trace {
  #lines: string[] = []
  steps = 0
  /** A running digest of everything traced: two runs of one seed must have the same. */
  digest = 0

  step(
    atMs: number,
    who: string,
    input: Input,
    before: string,
    after: ClientSnapshot,
    effects: readonly Effect[],
  ): void {
    if (effects.length > 0) this.steps++
    const what = namesOf(input)
    const status = before === after.status ? before : `${before}→${after.status}`
    const out = effects
      .map((effect) => (effect.type === 'socket.send' ? `▸${effect.frame.type}` : effect.type))
      .join(' ')
    this.note(`t=${(atMs / 1000).toFixed(3)} ${who} ${status} ${what} ⇒ ${out}`)
  }

  note(line: string): void {
    for (let i = 0; i < line.length; i++) this.digest = (Math.imul(this.digest, 31) + line.charCodeAt(i)) | 0
    this.#lines.push(line)
    if (this.#lines.length > KEPT_LINES) this.#lines.shift()
  }

  get text(): string {
    return this.#lines.join('\n')
  }
}
