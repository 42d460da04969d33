// A client that follows the rules of section 6, on two nodes that share a store, in any order of events: whatever it is
// told of a publish is true of the log.

import type { ServerFrame } from 'steadywire/protocol'
import { type HookAnswer, memoryStore } from '@steadywire/server'
import { expect, test } from 'vitest'
import { createRandom, type Random } from '../../../src/testing/random.ts'
import { type Actor, SlowStore, Stage } from './stage.ts'

type Outcome = { readonly type: 'acknowledged'; readonly offset: number } | { readonly type: 'rejected' | 'unknown' }
interface Publish {
  readonly id: string
  sequence: number
  incarnation: string | undefined
  outcome: Outcome | undefined
  /** Sent on this connection and not answered, also if it has settled; a `detached` ends it. */
  isSent: boolean
}

const WINDOW = 4

/** Publishes to `a` as one producer, over as many connections as it takes. */
class Writer {
  readonly publishes: Publish[] = []
  actor: Actor | undefined
  generation = 0
  /** What is on its way to the server on the connection there is, and on those that were given up. */
  link: (() => void)[] = []
  readonly late: (() => void)[][] = []
  #sequence = 0
  #request = 0
  #incarnation: string | undefined

  connect(stage: Stage): void {
    this.actor = stage.open()
    this.link = []
    this.#incarnation = undefined
    for (const publish of this.publishes) publish.isSent = false
    const generation = ++this.generation
    this.#tell((actor) => actor.hello('p', generation))
    this.subscribe()
  }

  /** The network fails: the server may notice or not, and what was on its way may still arrive. */
  cut(isNoticed: boolean): void {
    if (isNoticed) this.actor?.leave()
    else this.late.push(this.link)
    this.actor = undefined
  }

  deliver(count: number): void {
    for (const arrive of this.link.splice(0, count)) arrive()
  }

  subscribe(): void {
    const settledBelow = this.#unsettled().find(({ sequence }) => sequence > 0)?.sequence ?? this.#sequence + 1
    const request = ++this.#request
    this.#tell((actor) => actor.say({ type: 'sub', channel: 'a', request, want: ['write'], settledBelow }))
  }

  publish(): void {
    const id = `m${this.publishes.length + 1}`
    this.publishes.push({ id, sequence: 0, incarnation: undefined, outcome: undefined, isSent: false })
    this.#send()
  }

  /** Reads what has come. A connection that has ended has to be replaced. */
  read(): void {
    for (const frame of this.actor?.take() ?? []) this.#handle(frame)
    if (this.actor?.end !== undefined) {
      expect(this.actor.end).not.toMatch(/^44(00|03|09)/)
      this.actor = undefined
    }
  }

  #handle(frame: ServerFrame): void {
    if (frame.type === 'ack' || frame.type === 'nack') {
      const answered = this.publishes.find(({ isSent, sequence }) => isSent && sequence === frame.sequence)
      expect(answered, 'only what was sent is answered, once').toBeDefined()
      if (!answered) return
      answered.isSent = false
      answered.outcome ??= frame.type === 'ack' ? { type: 'acknowledged', offset: frame.offset } : { type: 'rejected' }
    } else if (frame.type === 'detached' && frame.request !== this.#request) {
      // It crossed the newest `sub`: which publishes it means cannot be told.
      this.cut(true)
    } else if (frame.type === 'detached') {
      for (const publish of this.publishes) publish.isSent = false
      this.#incarnation = undefined
      this.subscribe()
    } else if (frame.type === 'attached' && frame.request === this.#request && frame.producer) {
      const { incarnation, done } = frame.producer
      for (const publish of this.#unsettled().filter(({ sequence }) => sequence > 0)) {
        const stored = done.find(([sequence, id]) => sequence === publish.sequence && id === publish.id)
        if (stored) publish.outcome = { type: 'acknowledged', offset: stored[2] }
        else if (publish.incarnation !== incarnation) publish.outcome = { type: 'unknown' }
      }
      this.#incarnation = incarnation
    }
    this.#send()
  }

  #send(): void {
    for (const publish of this.#unsettled()) {
      const unanswered = this.publishes.filter(({ isSent }) => isSent)
      if (publish.isSent || unanswered.length === WINDOW || this.#incarnation === undefined || !this.actor) continue
      publish.isSent = true
      publish.sequence ||= ++this.#sequence
      publish.incarnation ??= this.#incarnation
      const { sequence, id } = publish
      this.#tell((actor) => actor.publish('a', sequence, null, id))
    }
  }

  #tell(run: (actor: Actor) => void): void {
    const { actor } = this
    if (actor) this.link.push(() => run(actor))
  }

  #unsettled(): Publish[] {
    return this.publishes.filter(({ outcome }) => !outcome)
  }
}

function run(random: Random) {
  let idCount = 0
  const inner = memoryStore({ createId: () => `i${++idCount}`, producerLimit: random.between(0, 1) })
  const store = new SlowStore(inner)
  const pending: ((answer: HookAnswer<unknown>) => void)[] = []
  // It may change its mind about a message: no publish has more than one answer all the same.
  const onPublish = (_: unknown, done: (answer: HookAnswer<unknown>) => void) => {
    const answer = () => done(random.chance(0.3) ? { error: new Error('no') } : { answer: undefined })
    if (random.chance(0.5)) answer()
    else pending.push(answer)
  }
  const options = { limits: { window: WINDOW, publishesPerSecond: 20, publishBurst: 2 } }
  const stages = [1, 2].map(() => new Stage({ store, hooks: { onPublish }, options }))
  const writer = new Writer()
  const settle = () => {
    for (const stage of stages) stage.environment.settle()
    writer.read()
  }
  const events: (() => void)[] = [
    () => writer.publish(),
    () => writer.publish(),
    () => writer.publish(),
    () => writer.cut(random.chance(0.5)),
    () => writer.deliver(random.between(1, 4)),
    () => writer.deliver(random.between(1, 4)),
    () => writer.deliver(Infinity),
    () => random.pick([...writer.late, []]).shift()?.(),
    () => writer.subscribe(),
    () => inner.detach({ channel: 'a', producerId: 'p', generation: writer.generation }),
    () => {
      store.isSlow = !store.isSlow
    },
    () => store.answer(random.between(1, 3)),
    () => pending.splice(random.between(0, pending.length), 1)[0]?.({ answer: undefined }),
    () => stages.forEach(({ environment }) => environment.advance(random.between(0, 100))),
  ]
  for (let step = 0; step < 150; step++) {
    random.pick(events)()
    settle()
    if (!writer.actor && random.chance(0.4)) writer.connect(random.pick(stages))
  }
  // Everything works again.
  store.isSlow = false
  for (let i = 0; i < 200; i++) {
    if (!writer.actor) writer.connect(random.pick(stages))
    writer.deliver(Infinity)
    for (const link of writer.late) link.shift()?.()
    store.answer()
    for (const answer of pending.splice(0)) answer({ answer: undefined })
    stages.forEach(({ environment }) => environment.advance(100))
    settle()
  }
  return { publishes: writer.publishes, log: (stages[0] as Stage).history('a').messages }
}

test.each(Array.from({ length: 300 }, (_, seed) => seed))(
  'what a publisher is told is true of the log (seed %i)',
  (seed) => {
    const { publishes, log } = run(createRandom(seed))
    for (const { id, outcome } of publishes) {
      const stored = log.filter((message) => message.id === id)
      if (outcome?.type === 'acknowledged') expect(stored).toMatchObject([{ offset: outcome.offset }])
      else if (outcome?.type === 'rejected') expect(stored).toEqual([])
      else {
        expect(outcome?.type, `${id} has settled`).toBe('unknown')
        expect(stored.length).toBeLessThanOrEqual(1)
      }
    }
    const offsets = publishes.flatMap(({ outcome }) => (outcome?.type === 'acknowledged' ? [outcome.offset] : []))
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
  },
)
