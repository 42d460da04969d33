// One client of a simulated world: the real session and driver, with the application played by the test.
//
// Rules of this file:
// - Driven below the promises: a settlement is seen at the moment of its effect, so a run is a plain loop.
// - It records what an application would have seen, and leaves judging to the checkers.

import type { Page, World } from 'steadywire/testing'
import { createDriver, type Driver } from '../../src/driver.ts'
import type { Input, Message, Reset } from '../../src/effects.ts'
import { type ClientOptions, parseOptions } from '../../src/options.ts'
import { createSession, type Session } from '../../src/session.ts'
import type { Checker, Published, Watched } from './checkers/checker.ts'
import type { Trace } from './trace.ts'

/** Breaks a rule of the session on purpose, to see that a checker notices. */
export type Sabotage = (session: Session) => Session

export class SimClient implements Watched {
  readonly name: string
  readonly page: Page
  readonly session: Session
  readonly publishes = new Map<string, Published>()
  readonly subscribed = new Map<string, number>()
  readonly #driver: Driver
  readonly #timeoutMs: number
  readonly #checkers: readonly Checker[]
  #orders = new Map<string, number>()

  constructor(
    world: World,
    name: string,
    options: Partial<ClientOptions>,
    checkers: readonly Checker[],
    trace: Trace,
    sabotage: Sabotage,
  ) {
    this.name = name
    this.page = world.createPage(name)
    this.#checkers = checkers
    const settings = parseOptions(options)
    this.#timeoutMs = settings.publish.timeoutMs
    const { environment } = this.page
    const session = sabotage(createSession(settings, environment.random, environment.createId))
    this.session = {
      ...session,
      step: (input, now) => {
        const before = session.getSnapshot().status
        const effects = session.step(input, now)
        trace.step(world.clock.now(), name, input, before, session.getSnapshot(), effects)
        for (const checker of checkers) checker.stepped?.(this)
        return effects
      },
    }
    this.#driver = createDriver(this.session, environment, settings, {
      authorize: ({ attemptId }) => this.feed({ type: 'authorized', attemptId, url: 'ws://world.test/realtime' }),
      settle: ({ id, result }) => {
        const published = this.publishes.get(id)
        for (const checker of this.#checkers) checker.settled?.(this, published, result)
        if (published) published.result = result
      },
      deliver: (effect) => {
        if (effect.event === 'message') this.#received(effect.channel, effect.detail)
        else this.#reset(effect.channel, effect.detail)
        return false
      },
      emit: ({ event, detail }) => {
        if (event === 'error' && detail.error.code === 'internal') throw new Error(`${name}: ${detail.error.message}`)
      },
      changed() {},
    })
  }

  feed(input: Input): void {
    this.#driver.feed(input, true)
  }

  connect(): void {
    this.feed({ type: 'connect' })
  }

  subscribe(channel: string): void {
    this.subscribed.set(channel, (this.subscribed.get(channel) ?? 0) + 1)
    this.feed({ type: 'subscribe', channel })
  }

  unsubscribe(channel: string): void {
    const count = this.subscribed.get(channel) ?? 0
    if (count === 0) return
    this.subscribed.set(channel, count - 1)
    this.feed({ type: 'unsubscribe', channel })
  }

  publish(channel: string, data: unknown, timeoutMs = this.#timeoutMs): Published {
    const id = this.page.environment.createId()
    const dataText = JSON.stringify(data)
    const order = this.#orders.get(channel) ?? 0
    this.#orders.set(channel, order + 1)
    const published: Published = { id, channel, order, result: undefined }
    this.publishes.set(id, published)
    this.feed({
      type: 'publish',
      channel,
      id,
      name: 'm',
      dataText,
      base: undefined,
      timeoutMs,
      priority: 1,
      refusal: false,
    })
    return published
  }

  get status(): string {
    return this.session.getSnapshot().status
  }

  #received(channel: string, message: Message): void {
    for (const checker of this.#checkers) checker.received?.(this, channel, message)
  }

  #reset(channel: string, reset: Reset): void {
    for (const checker of this.#checkers) checker.reset?.(this, channel, reset)
  }
}
