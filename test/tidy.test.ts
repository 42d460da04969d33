// The code itself: who imports whom, which names are used where, how long a file is and what it is called.
//
// Rules of this file:
// - Every rule is run over the repository, and over one planted offence that it must name: a rule nobody has seen fail
//   is not yet a rule.

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { RULES, type TextFile } from '../scripts/tidy-rules.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NOT_OURS = new Set(['node_modules', 'dist', '.git', 'coverage', 'screenshots', '__screenshots__'])
const TEXT = /(\.([cm]?[jt]sx?|json|md|html|css|yml|yaml|sh|txt|pml)|\/run|LICENSE|\.npmrc|\.gitignore)$/

const PLANTED: Readonly<Record<string, readonly [complaint: string, ...files: TextFile[]][]>> = {
  floors: [
    ['floor 0 imports src/client.ts', file('src/errors.ts', "import { createClient } from './client.ts'")],
    ['floor 0 imports src/client.ts', file('src/errors.ts', "export type A = import('./client.ts').Client")],
    [
      'floor 3 imports src/delivery/',
      file('src/connection/table.ts', "import type { A } from '../delivery/outbox.ts'"),
    ],
    ['floor 7 imports src/index.ts', file('src/client.ts', "export { a } from 'steadywire'")],
    ['floor 8 imports server/', file('src/index.ts', "export { a } from '../server/src/broker.ts'")],
    ['has no floor', file('src/new-room/a.ts', '')],
  ],
  circles: [
    [
      'a.ts → src/session/b.ts → src/session/a.ts',
      file('src/session/a.ts', "import type { B } from './b.ts'"),
      file('src/session/b.ts', "export const later = () => import('./a.ts')"),
    ],
  ],
  importsExist: [['which is no file', file('src/client.ts', "import { a } from './driver'")]],
  adapterImports: [
    ['only types of src/index.ts', file('adapters/store.ts', "import { createClient } from 'steadywire'")],
    ['only types of src/index.ts', file('adapters/store.ts', "import type { A } from '../src/client.ts'")],
  ],
  serverImports: [
    ['only steadywire/protocol', file('server/src/broker.ts', "import { a } from '../../src/driver.ts'")],
    ['only steadywire/protocol', file('server/src/broker.ts', "import type { Client } from 'steadywire'")],
  ],
  zodImports: [
    ['imports { z }', file('server/src/broker.ts', "import { z } from 'zod'")],
    ['imports { z }', file('test/unit/a.test.ts', "import { z as schema } from 'zod/mini'")],
    ['into the client', file('src/contract.ts', "import * as z from 'zod'")],
  ],
  ambientNames: [
    ['names setTimeout', file('src/driver.ts', 'setTimeout(() => {}, 1)')],
    ['names Date', file('src/driver.ts', 'export const at = Date.now()')],
    ['names Math.random', file('src/driver.ts', 'export const chance = () => Math.random()')],
    ['names WebSocket', file('src/driver.ts', 'export class Wire extends WebSocket {}')],
    ['names navigator', file('adapters/store.ts', "export const a = typeof navigator === 'object' && { navigator }")],
  ],
  namedExports: [
    ['exports *', file('src/index.ts', "export * from './client.ts'")],
    ['exports *', file('src/index.ts', "export type * from './client.ts'")],
    ['exports *', file('src/index.ts', "export * as client from './client.ts'")],
    ['default export', file('src/client.ts', 'export default function createClient() {}')],
    ['default export', file('src/client.ts', 'export default 1')],
  ],
  fileLength: [
    ['401 lines of code', file('src/client.ts', 'export const a = `\n\n`\n// why\n\n'.repeat(133) + 'a\nb')],
  ],
  fileNames: [
    ['its name says nothing', file('src/session/utils.ts', '')],
    ['its name says nothing', file('src/helpers/ring.ts', '')],
  ],
  headers: [['does not begin with a comment', file('src/client.ts', 'export const a = 1 // one')]],
  focusedTests: [
    ['test.only', file('test/unit/a.test.ts', "test.only('a', () => {})")],
    ['describe.concurrent.skip', file('test/unit/a.test.ts', "describe.concurrent.skip('a', () => {})")],
  ],
  lockHosts: [['names a registry', file('package-lock.json', '{ "resolved": "https://registry.example/a.tgz" }')]],
  machinePaths: [["somebody's machine", file('docs/a.md', ['see ', 'home', 'ann', 'notes'].join('/'))]],
}

const INNOCENT: readonly TextFile[] = [
  file('src/session/window.ts', '// A window.\nexport const size = (window: { document: Date }) => window.document'),
  file('src/connection/machine.ts', "// Types.\nimport type { Window } from './table.ts'\nexport type At = Date"),
  file('src/connection/table.ts', '// Rows.\nexport interface Window { location: string; self(): void }'),
  file('src/testing/index.ts', "// A world.\nexport { broker } from '../../server/src/broker.ts'"),
  file('server/src/broker.ts', "// A log.\nimport { SUBPROTOCOL } from 'steadywire/protocol'"),
  file('src/protocol/schema.ts', "// Schemas.\nimport * as z from 'zod'"),
  file('adapters/store.ts', "// A store.\nimport { type Client } from 'steadywire'"),
  file('docs/a.md', 'https://example.com/home/page and ./work/plan'),
]

describe.each(Object.entries(RULES))('%s', (name, rule) => {
  test('holds in the repository', () => {
    expect(rule(repository())).toEqual([])
  })

  test('names a planted offence', () => {
    const planted = PLANTED[name] ?? []
    expect(planted).not.toEqual([])
    for (const [complaint, ...files] of planted) expect(rule(files).join('\n')).toContain(complaint)
  })

  test('leaves the innocent alone', () => {
    expect(rule(INNOCENT)).toEqual([])
  })
})

let found: readonly TextFile[] | undefined

function repository(): readonly TextFile[] {
  found ??= pathsIn(ROOT).map((path) => file(relative(ROOT, path).split(sep).join('/'), readFileSync(path, 'utf8')))
  return found
}

function pathsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name)) return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return pathsIn(path)
    return TEXT.test(path) ? [path] : []
  })
}

function file(path: string, text: string): TextFile {
  return { path, text }
}
