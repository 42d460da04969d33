// A store with promises for answers, for the suites that all stores pass.

import type { Done, NewEvent, RetentionOptions, Store } from '@steadywire/server'

export type OpenStore = (retention: RetentionOptions) => Store

/** When what the suites store is stored. */
export const NOW_MS = 1_800_000_000_000

/** `unavailable`, and a second answer, fail the test. */
export function promising(store: Store) {
  const ask = <Answer>(method: (done: Done<Answer>) => void) =>
    new Promise<Answer>((resolve, fail) => {
      let isAnswered = false
      method((answer) => {
        if (isAnswered) throw new Error('answered twice')
        isAnswered = true
        if (answer === 'unavailable') fail(new Error('unavailable'))
        else resolve(answer)
      })
    })
  type Query<Method extends 'attach' | 'append' | 'page' | 'mark'> = Parameters<Store[Method]>[0]
  return {
    attach: (query: Query<'attach'>) => ask<AnswerOf<'attach'>>((done) => store.attach(query, done)),
    append: (query: Query<'append'>) => ask<AnswerOf<'append'>>((done) => store.append(query, done)),
    page: (query: Query<'page'>) => ask<AnswerOf<'page'>>((done) => store.page(query, done)),
    tops: (channels: readonly string[]) => ask<AnswerOf<'tops'>>((done) => store.tops(channels, done)),
    mark: (query: Query<'mark'>) => ask<AnswerOf<'mark'>>((done) => store.mark(query, done)),
    behind: (name: string) => ask<AnswerOf<'behind'>>((done) => store.behind(name, done)),
    detach: (channel: string, producerId: string, generation: number) =>
      store.detach({ channel, producerId, generation }),
    /** Resolves when it has been done: what is asked about no channel is answered after it. */
    async trim(nowMs: number) {
      store.trim(nowMs)
      await this.behind('')
    },
    /** Appends one event per text, named by it. */
    async add(channel: string, ...ids: readonly string[]) {
      const { epoch } = await this.append({ channel, nowMs: NOW_MS, events: ids.map((id) => anEvent(id)) })
      return epoch
    },
  }
}

type AnswerOf<Method extends 'attach' | 'append' | 'page' | 'tops' | 'mark' | 'behind'> =
  Parameters<Store[Method]>[1] extends Done<infer Answer> ? Answer : never

export function anEvent(id: string, extra: Partial<NewEvent> = {}): NewEvent {
  return { id, name: 'note', dataText: `"${id}"`, ...extra }
}
