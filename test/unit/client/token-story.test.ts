// Tokens that live 20 s, for five minutes, against the real server: whatever becomes of a renewal, no message is lost or doubled.

import type { TokenQuery } from 'steadywire'
import { expect, test } from 'vitest'
import { CONNECT_MS, Stage, watch } from '../../support/stage.ts'

/** Where the wall clock of a world begins. */
const WALL_BEGAN_MS = 1_750_000_000_000
const LIVES_MS = 20_000
const STORY_MS = 300_000
const PUBLISH_MS = 500

type Provider = (stage: Stage, query: TokenQuery, call: number) => Promise<string>

const tokenOf = (stage: Stage) => String(stage.nowMs + LIVES_MS)
const after = (stage: Stage, ms: number) => new Promise<void>((resolve) => stage.world.clock.schedule(ms, resolve))

const PROVIDERS: Record<string, Provider> = {
  'are renewed at once': async (stage) => tokenOf(stage),
  'are renewed slowly': async (stage) => {
    await after(stage, 3_000)
    return tokenOf(stage)
  },
  'fail to be renewed every other time': async (stage, _, call) => {
    if (call % 2 === 1) throw new Error('offline')
    return tokenOf(stage)
  },
  'are never answered every third time': (stage, _, call) =>
    call % 3 === 2 ? new Promise(() => {}) : Promise.resolve(tokenOf(stage)),
  'come with some life already spent': async (stage) => String(stage.nowMs + LIVES_MS / 2),
}

test.each(Object.keys(PROVIDERS))('tokens that %s', async (name) => {
  const expiries: number[] = []
  const stage: Stage = new Stage({
    authenticate(_page, token, done) {
      const expiresInMs = Number(token) - stage.nowMs
      if (!(expiresInMs > 0)) return done({ answer: null })
      expiries.push(stage.nowMs)
      done({ answer: { userId: 'alice', expiresAtMs: WALL_BEGAN_MS + stage.nowMs + expiresInMs } })
    },
  })
  let calls = 0
  const client = await stage.connected({
    getToken: (query) => (PROVIDERS[name] as Provider)(stage, query, calls++),
    backoff: { baseDelayMs: 20, maxDelayMs: 100 },
  })
  const heard: unknown[] = []
  client.channel('a').on('m', (data) => heard.push(data))
  client.channel('a').onReset(() => heard.push('reset'))
  await stage.advance(5_000)
  const statuses: string[] = []
  client.on('status', ({ status }) => statuses.push(status))
  const sent = []
  for (let n = 0; n * PUBLISH_MS < STORY_MS; n++) {
    sent.push(watch(client.channel('a').publish('m', n)))
    await stage.advance(PUBLISH_MS)
  }
  await stage.advance(LIVES_MS + CONNECT_MS)
  expect(heard).toEqual(sent.map((_, n) => n))
  expect(sent.filter(({ result }) => !result || result instanceof Error)).toEqual([])
  expect(statuses).not.toContain('failed')
  expect(expiries.length).toBeGreaterThan(STORY_MS / LIVES_MS - 2)
  if (name === 'are renewed at once') expect(statuses).toEqual([])
})
