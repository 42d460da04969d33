// One client of a simulated world: the real session and driver, with the application played by the test.
//
// Rules of this file:
// - Driven below the promises: a settlement is seen at the moment of its effect, so a run is a plain loop.
// - It records what an application would have seen, and leaves judging to the checkers.
// - What the application does waits, like everything of a page, while the page is frozen or busy.

import type { Page, World } from 'steadywire/testing'
import { createDriver, type Driver, type Resume } from '../../src/driver.ts'
import type { Delivery, Effect, Input, Receipt } from '../../src/effects.ts'
import { createEmitter } from '../../src/emitter.ts'
import type { RealtimeError } from '../../src/errors.ts'
import type { Settings } from '../../src/options.ts'
import type { Position, ServerFrame } from '../../src/protocol/frames.ts'
import { createSession, type Session } from '../../src/session.ts'
import type { ChannelSnapshot } from '../../src/snapshots.ts'
import type { Checker, Published, Watched } from './checkers/checker.ts'
import type { Counts } from './counts.ts'
import type { Trace } from './trace.ts'

/** A pong that took longer than this was read late. */
const LATE_PONG_MS = 1_000

/** How the application behaves; without it, it only looks. */
export interface Behaviour {
  /** Called with everything that is handed over, beside the checkers. May do what it likes. */
  handle?(client: SimClient, channel: string): void
  /** Answers the question for the address, at once, later, or never. Absent: at once. */
  authorize?(answer: (error?: RealtimeError) => void): void
  /** Takes its time over a reset, if it wants to: answers true, and calls `done` later. */
  startAnew?(done: () => void): boolean
}

export interface SimClientParts {
  readonly world: World
  readonly settings: Settings
  readonly checkers: readonly Checker[]
  readonly trace: Trace
  readonly counts: Counts
  readonly behaviour?: Behaviour
}

export class SimClient implements Watched {
  readonly name: string
  readonly page: Page
  readonly session: Session
  readonly publishes = new Map<string, Published>()
  readonly subscribed = new Map<string, number>()
  readonly handed = new Map<string, Position>()
  readonly mayBeginAnew = new Set<string>()
  readonly refreshing = new Map<string, number>()
  hasLeft = false
  awayMs = 0
  trickedAtMs = -Infinity
  #pingedAtMs = 0
  readonly #driver: Driver
  readonly #parts: SimClientParts
  readonly #orders = new Map<string, number>()
  readonly #handlers: ReturnType<typeof createEmitter<{ delivered: Delivery }>>

  constructor(name: string, parts: SimClientParts) {
    const { world, settings, checkers, trace, counts, behaviour } = parts
    this.name = name
    this.page = world.createPage(name)
    this.#parts = parts
    const { environment } = this.page
    const session = createSession(settings, environment.random, environment.createId)
    this.session = {
      ...session,
      step: (input, now) => {
        const before = session.getSnapshot().status
        const effects = session.step(input, now)
        trace.step(world.clock.now(), name, input, before, session.getSnapshot().status, effects)
        this.#count(input, effects)
        for (const checker of checkers) checker.stepped?.(this, input, effects, before)
        return effects
      },
    }
    // As the channel hands over: a handler that throws is nobody else's trouble.
    this.#handlers = createEmitter(environment.reportError)
    if (behaviour?.handle) this.#handlers.on('delivered', ({ channel }) => behaviour.handle?.(this, channel))
    this.#driver = createDriver(this.session, environment, settings, {
      authorize: ({ attemptId }) => {
        const answer = (error?: RealtimeError): void =>
          this.#driver.feed(
            error
              ? { type: 'denied', attemptId, error }
              : { type: 'authorized', attemptId, url: 'ws://world.test/realtime', token: '' },
          )
        if (behaviour?.authorize) behaviour.authorize((error) => this.page.run(() => answer(error)))
        else answer()
      },
      settle: ({ id, result: settled }) => {
        const result = settled as Receipt | RealtimeError
        const published = this.publishes.get(id)
        for (const checker of checkers) checker.settled?.(this, published, result)
        if (published) published.result = result
        counts.add(result instanceof Error ? `${String(result.outcome)}: ${result.code}` : 'acknowledged')
      },
      deliver: (delivery, resume) => this.#deliver(delivery, resume),
      refreshed: ({ channel, error }) => this.#refreshed(channel, error),
      emit: ({ event, detail }) => {
        // A wrong state of the machine; a server's own trouble has the same code.
        if (event === 'error' && / while /.test(detail.error.message))
          throw new Error(`${name}: ${detail.error.message}`)
      },
      changed() {},
    })
  }

  feed(input: Input): void {
    this.page.run(() => this.#driver.feed(input, true))
  }

  connect(): void {
    this.feed({ type: 'connect' })
  }

  close(drainMs: number): void {
    this.hasLeft = true
    this.feed({ type: 'close', drainMs })
  }

  subscribe(channel: string): void {
    this.page.run(() => {
      this.subscribed.set(channel, (this.subscribed.get(channel) ?? 0) + 1)
      this.feed({ type: 'subscribe', channel })
    })
  }

  unsubscribe(channel: string): void {
    this.page.run(() => {
      const count = this.subscribed.get(channel) ?? 0
      if (count === 0) return
      this.subscribed.set(channel, count - 1)
      if (count === 1) this.mayBeginAnew.add(channel)
      this.feed({ type: 'unsubscribe', channel })
    })
  }

  /** Asks for a new start, reading until it is made. */
  refresh(channel: string): void {
    this.page.run(() => {
      this.subscribe(channel)
      this.refreshing.set(channel, (this.refreshing.get(channel) ?? 0) + 1)
      this.feed({ type: 'refresh', channel })
    })
  }

  #refreshed(channel: string, error: RealtimeError | undefined): void {
    for (let left = this.refreshing.get(channel) ?? 0; left > 0; left--) {
      this.#parts.counts.add(`refreshed: ${error?.code ?? 'done'}`)
      this.unsubscribe(channel)
    }
    this.refreshing.delete(channel)
  }

  /** Publishes, once the page can run; answers what it published, if that is now. */
  publish(channel: string, data: unknown, base?: Position, priority = 1): Published | undefined {
    const { world, settings } = this.#parts
    const { timeoutMs } = settings.publish
    let published: Published | undefined
    this.page.run(() => {
      const id = this.page.environment.createId()
      const dataText = JSON.stringify(data)
      const order = this.#orders.get(channel) ?? 0
      this.#orders.set(channel, order + 1)
      published = { id, channel, order, atMs: world.clock.now(), timeoutMs, result: undefined }
      this.publishes.set(id, published)
      this.feed({ type: 'publish', channel, id, name: 'm', dataText, base, timeoutMs, priority, refusal: false })
    })
    return published
  }

  look(channel: string): ChannelSnapshot {
    return this.session.getChannelSnapshot(channel, this.#driver.elapsedMs())
  }

  get status(): string {
    return this.session.getSnapshot().status
  }

  #deliver(delivery: Delivery, resume: Resume): boolean {
    const { checkers, counts, behaviour } = this.#parts
    const { channel } = delivery
    let waits = false
    if (delivery.event === 'message') {
      const { epoch, offset } = delivery.detail
      for (const checker of checkers) checker.received?.(this, channel, delivery.detail)
      this.handed.set(channel, { epoch, offset })
      counts.add(delivery.detail.replayed ? 'replayed' : 'pushed')
      if (delivery.detail.overlap) counts.add('overlap')
      const own = this.publishes.get(delivery.detail.id)
      if (own && !own.result) counts.add('own message before its answer')
    } else if (delivery.event === 'reset') {
      for (const checker of checkers) checker.reset?.(this, channel, delivery.detail)
      this.handed.set(channel, delivery.detail.position)
      counts.add(`reset: ${delivery.detail.reason}`)
      waits = behaviour?.startAnew?.(() => this.page.run(() => resume(delivery, 0))) ?? false
    }
    // Whoever reads again has begun by now, where it was or anew.
    if ((this.subscribed.get(channel) ?? 0) > 0) this.mayBeginAnew.delete(channel)
    this.#handlers.emit('delivered', delivery)
    return waits
  }

  /** Counts what tells of hazards that were met. */
  #count(input: Input, effects: readonly Effect[]): void {
    const { world, counts } = this.#parts
    for (const effect of effects)
      if (effect.type === 'socket.send' && effect.frame.type === 'ping') this.#pingedAtMs = world.clock.now()
    if (input.type === 'publish') {
      const { status } = this.session.getChannelSnapshot(input.channel)
      if (status === 'attaching' || status === 'idle') counts.add('published before attached')
    } else if (input.type === 'socket.ended') counts.add(`ended: ${input.closeCode}`)
    else if (input.type === 'socket.received' && input.message !== 'malformed')
      for (const frame of input.message.frames) this.#countFrame(frame, effects)
  }

  #countFrame(frame: ServerFrame, effects: readonly Effect[]): void {
    const { world, counts } = this.#parts
    if (frame.type === 'event') {
      const { status } = this.session.getChannelSnapshot(frame.channel)
      if (status === 'catching-up') counts.add('pushed while a page is awaited')
      return
    }
    if (frame.type === 'ack' || frame.type === 'nack') {
      if (!effects.some(({ type }) => type === 'settle')) counts.add('answer for what has settled')
      return
    }
    counts.add(`heard: ${frame.type}`)
    if (frame.type === 'page' && frame.more) counts.add('heard: page with more')
    if (frame.type === 'pong' && world.clock.now() - this.#pingedAtMs > LATE_PONG_MS) counts.add('pong read late')
    if (
      frame.type === 'attached' &&
      effects.some((effect) => effect.type === 'settle' && !(effect.result instanceof Error))
    )
      counts.add('settled by done')
  }
}
