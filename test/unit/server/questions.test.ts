// Requests to the application, and pages of history: who answers, who may ask, and how much at a time.

import { type HookAnswer, memoryStore, reject } from '@steadywire/server'
import { describe, expect, test } from 'vitest'
import type { ServerFrame } from 'steadywire/protocol'
import { at, stageWith } from './channel-a.ts'
import { SlowStore, Stage, type StageParts } from './stage.ts'

type Hooks = NonNullable<StageParts['hooks']>
type Answerer = NonNullable<ReturnType<NonNullable<Hooks['requests']>>>

/** A connected client of a server that answers requests named `do` so. */
function asking(answerer: Answerer, parts: StageParts = {}) {
  const hooks = { requests: (name: string) => (name === 'do' ? answerer : undefined) }
  const stage = new Stage({ ...parts, hooks: { ...hooks, ...parts.hooks } })
  return { stage, client: stage.connect() }
}

const req = (id: string, params: unknown = null, name = 'do') => ({ type: 'req', id, name, params }) as const
const hist = (limit: number, before?: { epoch: string; offset: number }) =>
  ({ type: 'hist', id: 'h', channel: 'a', limit, ...(before && { before }) }) as const

/** What the page of history that was said holds. */
function offsetsIn(frames: readonly ServerFrame[]): number[] {
  return frames.flatMap((frame) => (frame.type === 'histpage' ? frame.events.map(({ offset }) => offset) : []))
}

test('welcome says whether requests are answered', () => {
  const [answering, silent] = [asking(() => {}).stage, new Stage()].map((stage) => {
    const client = stage.open()
    client.hello('p')
    return client.take()[0]
  })
  expect(answering).toMatchObject({ features: ['requests', 'history', 'drain', 'volatile', 'presence'] })
  expect(silent).toMatchObject({ features: ['history', 'drain', 'volatile', 'presence'] })
})

describe('a request', () => {
  test('is answered by the application, with who asks', () => {
    const { client } = asking(({ user, params }, done) => done({ answer: [user.userId, params] }))
    client.say(req('r1', { a: 1 }))
    expect(client.take()).toEqual([{ type: 'res', id: 'r1', data: ['anonymous', { a: 1 }] }])
  })

  test('without an answer is null', () => {
    const { client } = asking((_, done) => done({ answer: undefined }))
    client.say(req('r1'))
    expect(client.take()).toEqual([{ type: 'res', id: 'r1', data: null }])
  })

  test('of a name that nobody answers is refused, whatever the name', () => {
    const { client } = asking(() => {})
    for (const name of ['other', 'constructor', '__proto__']) client.say(req(name, null, name))
    expect(client.take()).toMatchObject(
      ['other', 'constructor', '__proto__'].map((id) => ({ id, error: { code: 'invalid' } })),
    )
  })

  test('that the application refuses says so; what else it throws stays here', () => {
    const { stage, client } = asking(({ params }, done) =>
      done({ error: params === 1 ? reject('forbidden', 'Not yours.') : new Error('database password') }),
    )
    client.say(req('r1', 1), req('r2', 2))
    const frames = client.take()
    expect(frames).toMatchObject([
      { id: 'r1', error: { code: 'forbidden', message: 'Not yours.' } },
      { id: 'r2', error: { code: 'internal' } },
    ])
    expect(JSON.stringify(frames)).not.toContain('password')
    expect(stage.environment.errors).toMatchObject([{ message: 'database password' }])
  })

  test('without an answer in time is internal, and what comes then is dropped', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, client } = asking((_, done) => void pending.push(done))
    client.say(req('r1'))
    stage.environment.advance(5_000)
    pending[0]?.({ answer: 1 })
    stage.environment.settle()
    expect(client.take()).toMatchObject([{ id: 'r1', error: { code: 'internal' } }])
  })

  test('whose answer cannot be sent is internal, and reported', () => {
    const { stage, client } = asking((_, done) => done({ answer: 1n }))
    client.say(req('r1'))
    expect(client.take()).toMatchObject([{ id: 'r1', error: { code: 'internal' } }])
    expect(stage.environment.errors).toHaveLength(1)
  })

  test('beyond 64 that are open is refused, and answers may come in any order', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, client } = asking((_, done) => void pending.push(done))
    for (let n = 0; n < 65; n++) client.say(req(`r${n}`))
    expect(client.take()).toMatchObject([{ id: 'r64', error: { code: 'too-many' } }])
    pending[7]?.({ answer: 'seven' })
    stage.environment.settle()
    client.say(req('again'))
    expect(client.take()).toEqual([{ type: 'res', id: 'r7', data: 'seven' }])
    expect(pending).toHaveLength(65)
  })

  test('whose connection is gone is answered to nobody', () => {
    const pending: ((answer: HookAnswer<unknown>) => void)[] = []
    const { stage, client } = asking((_, done) => void pending.push(done))
    client.say(req('r1'))
    client.leave()
    pending[0]?.({ answer: 1 })
    stage.environment.settle()
    expect(client.take()).toEqual([])
  })
})

describe('history', () => {
  test.each([
    ['the newest', 3, undefined, [8, 9, 10], true],
    ['those before a position', 3, at(6), [3, 4, 5], true],
    ['the oldest there are', 5, at(3), [1, 2], false],
    ['nothing before the first', 5, at(1), [], false],
    ['all of a short log', 50, undefined, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false],
    ['what is there where the position is beyond', 2, at(99), [9, 10], true],
  ])('reads %s', (_, limit, before, offsets, more) => {
    const client = stageWith(10).connect()
    client.say(hist(limit, before))
    const page = client.take()
    expect(page).toMatchObject([{ type: 'histpage', id: 'h', more, epoch: 'e1' }])
    expect(offsetsIn(page)).toEqual(offsets)
  })

  test('has no more messages than a page', () => {
    const client = stageWith(20, { options: { limits: { pageCount: 5 } } }).connect()
    client.say(hist(1_000))
    expect(offsetsIn(client.take())).toHaveLength(5)
  })

  test('of large messages is short, and still ends where it was asked to', () => {
    const stage = new Stage({ store: memoryStore({ createId: () => 'e1' }) })
    for (let n = 1; n <= 20; n++) stage.publish('a', 'x'.repeat(10_000))
    const client = stage.connect()
    client.say(hist(20))
    const offsets = offsetsIn(client.take())
    expect(offsets.length).toBeGreaterThan(0)
    expect(offsets).toEqual(offsets.map((_, i) => 20 - offsets.length + 1 + i))
  })

  test('tells nothing of what retention has taken', () => {
    const client = stageWith(10, { historyLimit: 4 }).connect()
    client.say(hist(50, at(9)))
    expect(client.take()).toMatchObject([{ events: [{ offset: 7 }, { offset: 8 }], more: false }])
  })

  test('of another epoch is lost', () => {
    const client = stageWith(3).connect()
    client.say(hist(5, at(2, 'other')))
    expect(client.take()).toMatchObject([{ type: 'histpage', events: [], error: { code: 'history-lost' } }])
  })

  test('is read by those who may, and asks for no attachment', () => {
    const actions: string[] = []
    const stage = stageWith(3, {
      hooks: {
        authorize: ({ action, channel }, done) => {
          actions.push(`${action} ${channel}`)
          done({ answer: false })
        },
      },
    })
    const client = stage.connect()
    client.say(hist(5))
    expect([client.take(), actions]).toMatchObject([[{ events: [], error: { code: 'forbidden' } }], ['history a']])
  })

  test.each([
    ['a channel that cannot be', { ...hist(5), channel: '' }],
    ['no messages at all', hist(0)],
  ])('of %s is invalid', (_, frame) => {
    const client = stageWith(3).connect()
    client.say(frame)
    expect(client.take()).toMatchObject([{ error: { code: 'invalid' } }])
  })

  test('of a store that does not know is internal, and the connection stays', () => {
    const store = new SlowStore()
    const client = new Stage({ store }).connect()
    store.isLost = true
    client.say(hist(5))
    expect([client.take(), client.end]).toMatchObject([[{ error: { code: 'internal' } }], undefined])
  })
})
