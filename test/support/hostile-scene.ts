// A client in the hands of a hostile server, and ways for the server to speak.
//
// Rules of this file:
// - The client reads two channels and has published, so that every kind of answer has something to be wrong about.
// - After whatever was said, both channels must go on.

import type { Client, Message } from 'steadywire'
import { expect } from 'vitest'
import { anEvent, EPOCH, type FakeConnection, type FakeServer } from './fake-server.ts'
import { CONNECT_MS, Stage, watch } from './stage.ts'

export interface Scene {
  readonly stage: Stage
  readonly server: FakeServer
  readonly socket: FakeConnection
  readonly client: Client
  /** What handlers of the channels `a` and `b` have got. */
  readonly heard: Message[]
  readonly resets: unknown[]
  readonly complaints: unknown[]
}

/** A client that reads `a` and `b`, has published once to `a`, and stands at offset 1 there. */
export async function scene(): Promise<Scene> {
  const stage = new Stage()
  const server = stage.fake()
  const heard: Message[] = []
  const resets: unknown[] = []
  const complaints: unknown[] = []
  const client = await stage.connected({ backoff: { minDelayMs: 100 }, onError: ({ error }) => complaints.push(error) })
  for (const name of ['a', 'b']) {
    client.channel(name).onAny((message) => heard.push(message))
    client.channel(name).onReset((reset) => resets.push(reset))
  }
  watch(client.channel('a').publish('m', 0))
  await stage.advance(CONNECT_MS)
  heard.length = 0
  return { stage, server, socket: server.last, client, heard, resets, complaints }
}

export const say =
  (...frames: readonly unknown[]) =>
  ({ socket }: Scene) =>
    socket.say(...frames)
export const sayRaw =
  (data: string | ArrayBuffer) =>
  ({ socket }: Scene) =>
    socket.raw(data)
export const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
export const event = (change: object) => say(anEvent('a', 2, change))
export const page = (change: object) => ({
  type: 'page',
  channel: 'a',
  request: 1,
  from: 2,
  events: [],
  more: false,
  ...change,
})
/** Makes the client fetch, and answers with this instead of what is true. */
export const pageInstead =
  (change: object) =>
  ({ server, socket }: Scene): void => {
    server.answers = {
      fetch: ({ request }) => {
        server.answers = {}
        return [page({ request, ...change })]
      },
    }
    socket.say({ type: 'behind', channel: 'a' })
  }
/** Makes the client ask for `c`, and answers with these instead of what is true. */
export const answerToSub =
  (...frames: readonly ((request: number) => object)[]) =>
  ({ server, client }: Scene): void => {
    server.answers = {
      sub: ({ request }) => {
        server.answers = {}
        return frames.map((frame) => frame(request))
      },
    }
    client.channel('c').retain()
  }

/** Whatever was said before, both channels go on, on the newest socket. */
export async function expectLife({ stage, server, client, heard }: Scene): Promise<void> {
  await stage.advance(2_000)
  expect(client.state.getSnapshot().status).toBe('connected')
  heard.length = 0
  server.last.event('a', { data: 'a goes on' })
  server.last.event('b', { data: 'b goes on' })
  const sent = watch(client.channel('b').publish('m', 'mine'))
  await stage.advance(CONNECT_MS)
  expect(heard.map(({ data }) => data)).toEqual(['a goes on', 'b goes on', 'mine'])
  expect(sent.result).toMatchObject({ epoch: EPOCH })
  expect(stage.errors).toEqual([])
}
