// What the build asks for and what it does when it is loaded: as little as stated here.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Each entry of the package, and the packages it may import. */
const ENTRIES = [
  { entry: 'index', mayImport: ['nanoevents'] },
  { entry: 'store', mayImport: [] },
  { entry: 'protocol', mayImport: [] },
  { entry: 'schema', mayImport: ['zod'] },
  { entry: 'testing', mayImport: ['nanoevents'] },
]

// Loads a file and prints what that changed: names and properties of the global object, and what keeps Node running.
// What the file may import is loaded before: what another package does is not ours.
const LOAD = `
const seen = () => ({
  globals: Reflect.ownKeys(globalThis).map(String),
  prototypes: [Object, Array, Function, Promise, String, Error].map((type) => Reflect.ownKeys(type.prototype).length),
  resources: process.getActiveResourcesInfo(),
  listeners: process.eventNames().map(String),
})
const calls = []
for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'addEventListener'])
  globalThis[name] = () => calls.push(name)
IMPORTS_HERE
const before = seen()
LOAD_HERE
console.log(JSON.stringify({ before, after: seen(), calls }))
`

describe.each(ENTRIES)('$entry', ({ entry, mayImport }) => {
  test.each(['js', 'cjs'])('imports nothing it may not (%s)', async (extension) => {
    expect(mayImport).toEqual(expect.arrayContaining(await packagesImportedBy(`dist/${entry}.${extension}`)))
  })

  test.each([
    ['js', 'module', (path: string) => `await import('${path}')`],
    ['cjs', 'commonjs', (path: string) => `require('${path}')`],
  ])('does nothing when it is imported (%s)', (extension, type, load) => {
    const script = LOAD.replace('IMPORTS_HERE', mayImport.map(load).join('\n'))
    const args = [`--input-type=${type}`, '--eval', script.replace('LOAD_HERE', load(`./dist/${entry}.${extension}`))]
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
    expect(stderr).toBe('')
    const { before, after, calls } = JSON.parse(stdout) as Record<'before' | 'after' | 'calls', unknown>
    expect(after).toEqual(before)
    expect(calls).toEqual([])
  })
})

test('the script-tag file defines Steadywire and nothing else, and asks nothing of the page to load', () => {
  const page = createContext({})
  const before = runInContext('Reflect.ownKeys(globalThis)', page) as string[]
  runInContext(readFileSync(`${ROOT}/dist/steadywire.global.js`, 'utf8'), page)
  const after = runInContext('Reflect.ownKeys(globalThis)', page) as string[]
  expect(after.filter((name) => !before.includes(name))).toEqual(['Steadywire'])
  expect(runInContext('typeof Steadywire.createClient', page)).toBe('function')
})

async function packagesImportedBy(file: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [file],
    bundle: true,
    packages: 'external',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  return [...new Set(imported)]
}
