// The package as somebody else's project gets it: packed, installed into a new Vite application, type-checked, built, opened.
//
// Rules of this file:
// - What is tested comes out of the tarball, in a folder outside the repository. Only the server is the one of `npm start`.
// - Installing needs the npm registry. Every version here is exact, so only this package can change how it ends.
// - The application is an ordinary one and stricter than most: it also checks the declarations it imports.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasBrowser, launchBrowser, openTab, ownComplaints, type Tab } from '../support/browsers.ts'
import { type ExamplesServer, startExamples } from '../support/examples-server.ts'
import { until } from '../support/until.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TOOLS = ['vite@8.3.8', 'typescript@6.0.3']
const INSTALL_MS = 300_000
/** Longer than any step takes: what does not end by itself is stopped then, and has failed. */
const STEP_MS = 120_000

const APPLICATION = `
import { createClient, isRealtimeError, type Message, type Receipt } from 'steadywire'
import { SUBPROTOCOL } from 'steadywire/protocol'
import { toReadable } from 'steadywire/store'

const client = createClient({ url: new URLSearchParams(location.search).get('server') ?? '' })
const room = client.channel('tarball')

room.on('message', (data, message: Message) => {
  document.body.append(\`\${(data as { text: string }).text} (\${message.offset}) \`)
})
toReadable(room.state, ({ status }) => status).subscribe((status) => {
  document.title = status
})

async function say(text: string): Promise<number> {
  try {
    const { offset }: Receipt = await room.publish('message', { text })
    return offset
  } catch (error) {
    if (isRealtimeError(error)) document.body.append(error.remedy, error.outcome ?? '')
    throw error
  }
}

Object.assign(window, { say, SUBPROTOCOL })
`

// Nothing runs this. A line that compiles after all is an error: that is how it shows if `any` came in place of a type.
const MISTAKES = `
import { createClient } from 'steadywire'
import { createWorld } from 'steadywire/testing'

// @ts-expect-error: there is no such option
const client = createClient({ url: '', heartbeats: {} })
// @ts-expect-error: the name of a channel is text
const room = client.channel(1)
// @ts-expect-error: what a message holds is not known
room.on('message', (data) => data.text)
// @ts-expect-error: time is a number
createWorld().advance('1 s')
`

const APPLICATION_TEST = `
import { createClient } from 'steadywire'
import { createWorld, type World } from 'steadywire/testing'

const world: World = createWorld({ seed: 7 })
const client = createClient(world.clientOptions())
const room = client.channel('tarball')
const heard: unknown[] = []
room.on('message', (data) => heard.push(data))

const receipt = room.publish('message', 'mine')
world.advance(1_000)
const { offset } = await receipt

world.network.cut()
world.server.publish('tarball', 'message', 'missed')
world.advance(30_000)

console.log(JSON.stringify({ offset, heard, status: room.state.getSnapshot().status, passedMs: world.clock.now() }))
`

const PLAIN_PAGE = `<!doctype html>
<link rel="icon" href="data:," />
<body>
  <script src="steadywire.global.js"></script>
  <script>
    const client = Steadywire.createClient({ url: new URLSearchParams(location.search).get('server') })
    const room = client.channel('tarball')
    room.on('message', (data, { offset }) => document.body.append(\`\${data.text} (\${offset}) \`))
    room.state.subscribe(() => (document.title = room.state.getSnapshot().status))
    const say = async (text) => (await room.publish('message', { text })).offset
  </script>
</body>
`

const FILES: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ name: 'application', version: '1.0.0', private: true, type: 'module' }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'ES2022',
      module: 'ESNext',
      moduleResolution: 'bundler',
      lib: ['ES2022', 'DOM'],
      types: [],
      strict: true,
      skipLibCheck: false,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
    },
    include: ['src'],
  }),
  'index.html':
    '<!doctype html><link rel="icon" href="data:," /><body><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': APPLICATION,
  'src/mistakes.ts': MISTAKES,
  'src/world.ts': APPLICATION_TEST,
  'public/plain.html': PLAIN_PAGE,
}

let application: string

beforeAll(async () => {
  application = await mkdtemp(join(tmpdir(), 'steadywire-tarball-'))
  const packed = await npm(ROOT, 'pack', '--json', '--pack-destination', application)
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }]

  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(application, path)), { recursive: true })
    await writeFile(join(application, path), text)
  }
  await npm(application, 'install', '--no-audit', '--no-fund', '--save-exact', ...TOOLS, `./${filename}`)
  await copyFile(installed('steadywire/dist/steadywire.global.js'), join(application, 'public/steadywire.global.js'))
}, INSTALL_MS)

afterAll(() => rm(application, { recursive: true, force: true }))

test('it brings one small package along, and neither a server nor zod', async () => {
  const names = await readdir(join(application, 'node_modules'))
  expect(names).toEqual(expect.arrayContaining(['steadywire', 'nanoevents']))
  for (const unasked of ['@steadywire', 'ws', 'zod']) expect(names).not.toContain(unasked)
})

test('a strict application compiles with it, its declarations checked as well, and its mistakes do not', async () => {
  expect(await tool('typescript/bin/tsc', '--noEmit')).toBe('')
})

describe.each([
  ['import', 'module', (door: string) => `await import('${door}')`],
  ['require', 'commonjs', (door: string) => `require('${door}')`],
])('in Node, by %s', (_, type, load) => {
  const node = (script: string) => run(application, process.execPath, `--input-type=${type}`, '--eval', script)

  test.each(['steadywire', 'steadywire/store', 'steadywire/protocol', 'steadywire/testing'])(
    '%s is there, says nothing, and keeps nothing running',
    async (door) => {
      expect(await node(`if (Object.keys(${load(door)}).length === 0) throw new Error('empty')`)).toBe('')
    },
  )

  test('a client can be made, and waits to be used', async () => {
    const script = `const { createClient } = ${load('steadywire')}
      console.log(createClient({ url: 'ws://127.0.0.1:1/' }).state.getSnapshot().status)`
    expect(await node(script)).toBe('idle\n')
  })
})

test('an application tests itself in a world of its own: half a minute with a cut passes without waiting', async () => {
  await tool('typescript/bin/tsc', '--rootDir', 'src', '--outDir', 'compiled')
  const printed = await run(application, process.execPath, 'compiled/world.js')
  expect(JSON.parse(printed)).toEqual({ offset: 1, heard: ['mine', 'missed'], status: 'live', passedMs: 31_000 })
})

describe.runIf(hasBrowser('chromium'))('in Chromium, built by Vite', () => {
  let browser: Browser
  let server: ExamplesServer
  let pages: Preview

  beforeAll(async () => {
    await tool('vite/bin/vite.js', 'build')
    server = await startExamples()
    pages = await startPreview()
    browser = await launchBrowser('chromium')
  })

  afterAll(async () => {
    await browser?.close()
    await pages?.stop()
    await server?.stop()
  })

  test.each([
    ['two pages of the application', ['', '']],
    ['a page without any build, from the one file, and the application', ['plain.html', '']],
  ])('%s hear each other', async (_, paths) => {
    const [one, two] = (await Promise.all(paths.map(open))) as [Tab, Tab]
    const first = await say(one, 'from one')
    expect(await say(two, 'from two')).toBe(first + 1)
    for (const { page } of [one, two]) {
      const shown = () => page.evaluate(() => document.body.innerText.trim())
      await until(async () => (await shown()) === `from one (${first}) from two (${first + 1})`, 5_000, shown)
    }
    expect([one, two].flatMap(ownComplaints)).toEqual([])
    await Promise.all([one, two].map(({ page }) => page.close()))
  })

  /** Opens a page and waits until it is in the room: what is said before that is not delivered. */
  async function open(path: string): Promise<Tab> {
    const realtime = encodeURIComponent(`ws://127.0.0.1:${server.port}/realtime`)
    const tab = await openTab(browser, `${pages.url}${path}?server=${realtime}`)
    await until(async () => (await tab.page.title()) === 'live')
    return tab
  }

  function say({ page }: Tab, text: string): Promise<number> {
    return page.evaluate(`say(${JSON.stringify(text)})`) as Promise<number>
  }
})

interface Preview {
  readonly url: string
  stop(): Promise<void>
}

// The built application as `npx vite preview` shows it, on a free port.
async function startPreview(): Promise<Preview> {
  const child = spawn(
    process.execPath,
    [installed('vite/bin/vite.js'), 'preview', '--host', '127.0.0.1', '--port', '0'],
    {
      cwd: application,
      env: { ...process.env, NO_COLOR: '1' },
    },
  )
  let printed = ''
  child.stderr.on('data', (text) => (printed += text))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      printed += text
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(printed)
      if (found) resolve(found[0])
    })
    child.once('exit', (code) => reject(new Error(`vite preview ended with ${code}: ${printed}`)))
  })
  return { url, stop: () => end(child) }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'exit')
}

function installed(path: string): string {
  return join(application, 'node_modules', path)
}

function tool(path: string, ...args: readonly string[]): Promise<string> {
  return run(application, process.execPath, installed(path), ...args)
}

function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  return run(cwd, 'npm', ...args)
}

/** Runs a program to its end and answers what it printed. Rejects with all of that when it fails. */
async function run(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { cwd, timeout: STEP_MS })).stdout
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([message, stdout, stderr].join('\n'), { cause: error })
  }
}
