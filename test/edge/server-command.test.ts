// The command, run in this process: what it says, what it refuses, and how it ends.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { runCli } from '../../server/src/command.ts'
import { until } from '../support/until.ts'

interface Run {
  readonly out: string[]
  readonly err: string[]
  code: number | undefined
  stop(): void
  url(): string
}

const runs: Run[] = []
afterEach(stopAll)

async function stopAll(): Promise<void> {
  for (const run of runs.splice(0)) {
    run.stop()
    await until(() => run.code !== undefined)
  }
}

function start(args: readonly string[], env: Record<string, string> = {}): Run {
  let stop = () => {}
  let isStopped = false
  const run: Run = {
    out: [],
    err: [],
    code: undefined,
    stop() {
      isStopped = true
      stop()
    },
    url: () => /ws:\S+/.exec(run.out.join('\n'))?.[0] ?? '',
  }
  runs.push(run)
  const io = {
    out: (line: string) => run.out.push(line),
    err: (line: string) => run.err.push(line),
    onStop(given: (how: 'drain' | 'close') => void) {
      stop = () => given('close')
      if (isStopped) stop()
    },
  }
  void runCli(args, env, io).then((code) => {
    run.code = code
  })
  return run
}

async function ready(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const run = start(args, env)
  await until(
    () => run.url() !== '' || run.code !== undefined,
    5_000,
    () => run.err.join('\n'),
  )
  return run
}

async function ended(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const run = start(args, env)
  await until(() => run.code !== undefined)
  return run
}

async function welcomeOf(url: string): Promise<{ heartbeat: object; limits: object }> {
  const socket = new WebSocket(url)
  const frames: { heartbeat: object; limits: object }[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString())))
  await new Promise((resolve, fail) => socket.once('open', resolve).once('error', fail))
  socket.send('{"type":"hello","version":1,"producer":"p","generation":1}')
  await until(() => frames.length > 0)
  socket.terminate()
  return frames[0] as { heartbeat: object; limits: object }
}

test('says where it listens and that everyone is anonymous, serves, and ends with 0', async () => {
  const run = await ready(['--port', '0'])
  expect(run.out).toEqual([
    expect.stringMatching(/^steadywire-server \d+\.\d+\.\d+ listens at ws:\/\/127\.0\.0\.1:\d+\/realtime$/),
  ])
  expect(run.err).toEqual([expect.stringContaining('everyone is anonymous')])
  await welcomeOf(run.url())
  run.stop()
  await until(() => run.code !== undefined)
  expect(run.code).toBe(0)
  await expect(welcomeOf(run.url())).rejects.toThrow('ECONNREFUSED')
})

test('closes its clients 4503 when it is stopped', async () => {
  const run = await ready(['--port', '0'])
  const socket = new WebSocket(run.url())
  const end = new Promise((resolve) => socket.once('close', (code, reason) => resolve(`${code} ${reason.toString()}`)))
  await new Promise((resolve) => socket.once('open', resolve))
  run.stop()
  expect(await end).toBe('4503 closing')
})

test('does as its flags say', async () => {
  const numbers = {
    'heartbeat-ms': 1_000,
    'history-limit': 5,
    'history-ttl-ms': 60_000,
    'publishes-per-second': 7,
    'volatile-per-second': 8,
    'connections-per-user': 3,
    'max-connections': 4,
    'max-message-bytes': 70_000,
    'max-buffered-bytes': 6_000,
    'idle-timeout-ms': 7_000,
  }
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`])
  const run = await ready(['--port=0', '--path', '/live', '--host', 'localhost', '--store', 'memory', ...flags])
  expect(run.url()).toMatch(/\/live$/)
  expect(await welcomeOf(run.url())).toMatchObject({
    heartbeat: { intervalMs: 1_000 },
    limits: { messageBytes: 70_000, publishesPerSecond: 7, volatilePerSecond: 8 },
  })
})

test('reads variables, and a flag wins over one', async () => {
  const env = { STEADYWIRE_PORT: '0', STEADYWIRE_HEARTBEAT_MS: '2000', STEADYWIRE_PATH: '/variable' }
  const run = await ready(['--path', '/flag', '--heartbeat-ms', '1000', '--heartbeat-ms', '3000'], env)
  expect(run.url()).toMatch(/\/flag$/)
  expect((await welcomeOf(run.url())).heartbeat).toEqual({ intervalMs: 3_000 })
  expect((await welcomeOf((await ready([], env)).url())).heartbeat).toEqual({ intervalMs: 2_000 })
})

test.each([
  [['--origin', 'https://a.example', '--origin', 'https://b.example'], {}],
  [[], { STEADYWIRE_ORIGIN: 'https://a.example,https://b.example' }],
])('lets pages of the origins %j %j in, and no others', async (args, env) => {
  const run = await ready(['--port', '0', ...args], env)
  const statusFrom = (origin: string) =>
    new Promise<number | undefined>((resolve) => {
      const socket = new WebSocket(run.url(), { origin })
      socket.once('open', () => {
        socket.terminate()
        resolve(101)
      })
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
      socket.once('error', () => {})
    })
  expect(await statusFrom('https://a.example')).toBe(101)
  expect(await statusFrom('https://b.example')).toBe(101)
  expect(await statusFrom('http://localhost')).toBe(403)
})

test('opens the operators’ endpoints to the token in the named variable', async () => {
  const run = await ready(['--port', '0', '--admin-token-env', 'TOKEN'], { TOKEN: 'secret' })
  const history = `${run.url().replace('ws:', 'http:').replace('/realtime', '')}/channels/a/history`
  expect((await fetch(history, { headers: { authorization: 'Bearer secret' } })).status).toBe(200)
  expect((await fetch(history)).status).toBe(401)
  expect([...run.out, ...run.err].join()).not.toContain('secret')
})

describe('refuses with exit code 2, by name, and points to --help', () => {
  test.each([
    [['--prot', '1'], {}, "Unknown option '--prot'"],
    [['serve'], {}, "Unexpected argument 'serve'"],
    [['--port'], {}, '--port'],
    [['--port', 'x'], {}, '--port x: must be a whole number from 0 to 65535.'],
    [['--port', '65536'], {}, '--port 65536: must be a whole number from 0 to 65535.'],
    [['--port', '1e3'], {}, '--port 1e3'],
    [['--port', '-1'], {}, '--port'],
    [['--port', ''], {}, '--port'],
    [['--heartbeat-ms', '99'], {}, '--heartbeat-ms 99: must be a whole number from 100 to'],
    [['--max-connections', '0'], {}, '--max-connections 0'],
    [['--path', 'live'], {}, '--path live: a path begins with "/"'],
    [['--path', '/a?b'], {}, '--path /a?b'],
    [['--store', 'redis'], {}, '--store redis: must be memory or sqlite:FILE.'],
    [['--store', 'sqlite:'], {}, '--store sqlite:: must be memory or sqlite:FILE.'],
    [['--host', '0.0.0.0'], {}, '--host 0.0.0.0: without authentication only this machine may connect'],
    [['--host', 'example.com'], {}, '--host example.com'],
    [['--origin', 'app.example'], {}, '--origin: "app.example" is not an origin'],
    [['--admin-token-env', 'NOT_SET'], {}, '--admin-token-env NOT_SET: that variable is not set'],
    [[], { STEADYWIRE_PORT: 'x' }, 'STEADYWIRE_PORT x: must be a whole number'],
    [[], { STEADYWIRE_HOST: '::' }, '--host ::'],
  ])('%j %j', async (args, env, words) => {
    const run = await ended(args, env)
    expect(run.code).toBe(2)
    expect(run.err[0]).toContain(words)
    expect(run.err).toEqual([run.err[0], 'Try steadywire-server --help.'])
    expect(run.out).toEqual([])
  })
})

test('says which port is in use and what to do, and ends with 1', async () => {
  const { port } = new URL((await ready(['--port', '0'])).url())
  const run = await ended(['--port', port])
  expect(run.code).toBe(1)
  expect(run.err).toEqual([
    `steadywire-server: port ${port} on 127.0.0.1 is in use. Stop what listens there, or choose another one with --port.`,
  ])
})

describe('keeps messages in a file', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
  })
  afterEach(async () => {
    await stopAll()
    rmSync(folder, { recursive: true })
  })

  const asOperator = async (run: Run, path: string, message?: object) => {
    const url = `${run.url().replace('ws:', 'http:').replace('/realtime', '')}/channels/a/${path}`
    const body = message && { method: 'POST', body: JSON.stringify(message) }
    return (await fetch(url, { headers: { authorization: 'Bearer secret' }, ...body })).json()
  }

  test('and has them again when it is started again', async () => {
    const file = join(folder, 'messages.db')
    const args = ['--port', '0', '--store', `sqlite:${file}`, '--admin-token-env', 'TOKEN']
    const first = await ready(args, { TOKEN: 'secret' })
    await until(() => first.out.length > 1)
    expect(first.out[1]).toBe(`steadywire-server keeps messages in ${file}`)
    const receipt = await asOperator(first, 'messages', { name: 'note', data: { text: 'hi' } })
    expect(receipt).toMatchObject({ offset: 1 })
    first.stop()
    await until(() => first.code !== undefined)
    const second = await ready(args, { TOKEN: 'secret' })
    const { epoch } = receipt as { epoch: string }
    expect(await asOperator(second, 'history')).toMatchObject({
      epoch,
      messages: [{ name: 'note', data: { text: 'hi' } }],
    })
  })

  test('as long as its flags say', async () => {
    const args = ['--port', '0', '--history-limit', '1', '--admin-token-env', 'TOKEN']
    const env = { STEADYWIRE_STORE: `sqlite:${join(folder, 'messages.db')}`, TOKEN: 'secret' }
    const run = await ready(args, env)
    for (const text of ['one', 'two']) await asOperator(run, 'messages', { name: 'note', data: { text } })
    expect(await asOperator(run, 'history')).toMatchObject({ top: 2, messages: [{ data: { text: 'two' } }] })
  })

  test.each([
    ['in a folder that is not there', 'nowhere/messages.db', 'cannot be opened. Its folder has to exist'],
    ['of something else', 'diary.txt', 'holds something else than a store of steadywire. Choose another file.'],
    ['that another server has', 'taken.db', 'is in use: a store has one owner. Stop the other one'],
  ])('but not in one %s: says what to do, and ends with 1', async (_, name, words) => {
    writeFileSync(join(folder, 'diary.txt'), 'Dear diary, '.repeat(50))
    await ready(['--port', '0', '--store', `sqlite:${join(folder, 'taken.db')}`])
    const run = await ended(['--port', '0', '--store', `sqlite:${join(folder, name)}`])
    expect([run.code, run.out]).toEqual([1, []])
    expect(run.err).toEqual([expect.stringContaining(`steadywire-server: ${join(folder, name)} ${words}`)])
  })

  test('only if everything else can be meant, and lets it go when it cannot listen', async () => {
    const file = join(folder, 'messages.db')
    const store = ['--store', `sqlite:${file}`]
    expect((await ended([...store, '--origin', 'app.example'])).code).toBe(2)
    expect(existsSync(file)).toBe(false)
    const { port } = new URL((await ready(['--port', '0'])).url())
    expect((await ended([...store, '--port', port])).code).toBe(1)
    expect((await ready([...store, '--port', '0'])).code).toBeUndefined()
  })
})

test('explains every flag, and names its version', async () => {
  const help = await ended(['--help', '--port', '0'])
  const flags = [
    'port',
    'path',
    'host',
    'store',
    'origin',
    'heartbeat-ms',
    'history-limit',
    'history-ttl-ms',
    'publishes-per-second',
    'volatile-per-second',
  ]
  flags.push('connections-per-user', 'max-connections', 'max-message-bytes', 'max-buffered-bytes', 'idle-timeout-ms')
  for (const flag of [...flags, 'admin-token-env', 'help', 'version']) expect(help.out.join()).toContain(`--${flag}`)
  expect(help.code).toBe(0)
  const version = await ended(['--version'])
  expect([version.code, version.out]).toEqual([0, [expect.stringMatching(/^\d+\.\d+\.\d+$/)]])
})
