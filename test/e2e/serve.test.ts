// What `npm start` serves, and what it says when it cannot.

import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createClient } from 'steadywire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { until } from '../support/until.ts'

let server: ExamplesServer

beforeAll(async () => {
  server = await startExamples()
})

afterAll(() => server.stop())

test.each([
  ['/', 'text/html; charset=utf-8'],
  ['/theme.css', 'text/css; charset=utf-8'],
  ['/icon.svg', 'image/svg+xml'],
  ['/vanilla-chat/', 'text/html; charset=utf-8'],
  ['/vanilla-chat/chat.js', 'text/javascript; charset=utf-8'],
  ['/dist/steadywire.global.js', 'text/javascript; charset=utf-8'],
])('%s is served, and never cached', async (path, type) => {
  const answer = await get(path)
  expect(answer.statusCode).toBe(200)
  expect(answer.headers).toMatchObject({ 'content-type': type, 'cache-control': 'no-store' })
})

test('a folder without its slash leads to the page', async () => {
  const answer = await get('/vanilla-chat')
  expect(answer.statusCode).toBe(308)
  expect(answer.headers.location).toBe('/vanilla-chat/')
})

test.each([
  '/nothing',
  '/../package.json',
  '/..%2fpackage.json',
  '/dist/..%2f..%2fpackage.json',
  '/.hidden',
  '/.data/messages.db',
  '/dist',
])('%s is not there', async (path) => {
  expect((await get(path)).statusCode).toBe(404)
})

// A browser would take `//vanilla-chat/` in a redirect for another host.
test.each(['/%2Fvanilla-chat', '//vanilla-chat'])('%s redirects nowhere', async (path) => {
  expect((await get(path)).headers.location).toBeUndefined()
})

test.each(['/%zz', '/%00'])('%s cannot be read', async (path) => {
  expect((await get(path)).statusCode).toBe(400)
})

test('nothing can be written', async () => {
  expect((await get('/', 'POST')).statusCode).toBe(405)
})

describe('messages', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('are kept in a file, which it names, also when it is killed', async () => {
    const file = join(folder, 'not/there/yet/messages.db')
    const receipts = []
    for (const _ of ['first', 'second']) {
      const keeping = await startExamples(0, file)
      await until(() => keeping.printed().includes('Ctrl+C'))
      expect(keeping.printed()).toContain(`messages              ${relative('', file)}   (STORE=memory`)
      const client = createClient({ url: `ws://127.0.0.1:${keeping.port}/realtime` })
      receipts.push(await client.channel('a').publish('note', {}))
      await client.close()
      await keeping.stop()
    }
    const [first, second] = receipts
    expect(second).toMatchObject({ epoch: first?.epoch, offset: 2 })
  })

  test('are in memory where it was told so, and it says so', async () => {
    await until(() => server.printed().includes('Ctrl+C'))
    expect(server.printed()).toContain('messages              in memory: they are gone when it stops')
  })
})

describe('what stops it is said with the way out', () => {
  test('a file that cannot be its own', async () => {
    await expect(startExamples(0, tmpdir())).rejects.toThrow(
      /cannot be opened\. .*\nOr keep messages in memory: STORE=memory npm start/s,
    )
  })

  test('a port that is in use', async () => {
    await expect(startExamples(server.port)).rejects.toThrow(
      `Port ${server.port} is in use. Stop what uses it, or choose another one: PORT=${server.port + 1} npm start`,
    )
  })

  test('a port that is none', async () => {
    await expect(startExamples(99_999)).rejects.toThrow('PORT must be a number from 0 to 65535, not 99999.')
  })
})

// Not `fetch`, which tidies a path up before it is sent.
function get(path: string, method = 'GET'): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, agent: false }, (answer) => {
      answer.resume()
      resolve(answer)
    })
    asked.on('error', reject)
    asked.end()
  })
}
