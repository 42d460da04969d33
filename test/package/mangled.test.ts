// The build shortens the words of the inside and merges statements. The simulator runs on sources; here it runs on code that
// went through both too.

import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import ts from 'typescript'
import { minify } from 'terser'
import { expect, test } from 'vitest'
import { COMPRESSION } from '../../scripts/compression.ts'
import { INTERNAL_NAMES, INTERNAL_TEXTS, MANGLING, OBJECTS, TEXT_MARKER } from '../../scripts/internal-names.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SEEDS = 40

test(`${SEEDS} seeds keep every promise with shortened words`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
  const outfile = join(folder, 'run.mjs')
  try {
    await build({
      ...MANGLING,
      plugins: [TEXT_MARKER],
      entryPoints: [`${ROOT}/test/sim/run.ts`],
      tsconfig: `${ROOT}/tsconfig.json`,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      outfile,
    })
    const { code = '' } = await minify(readFileSync(outfile, 'utf8'), COMPRESSION)
    writeFileSync(outfile, code)
    const { runSeed } = (await import(pathToFileURL(outfile).href)) as {
      runSeed: (seed: number) => { steps: number }
    }
    for (let seed = 1; seed <= SEEDS; seed++) expect(runSeed(seed).steps).toBeGreaterThan(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('no shortened name is also a text that stays, by which a table could be asked for it', () => {
  const names = INTERNAL_NAMES.filter((name) => !INTERNAL_TEXTS.includes(name))
  const paths = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/testing/**'] })
  const texts = paths.flatMap((path) => {
    const source = ts.createSourceFile(path, readFileSync(`${ROOT}/${path}`, 'utf8'), ts.ScriptTarget.Latest, true)
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (ts.isIndexedAccessTypeNode(node)) return
      if (ts.isStringLiteral(node) && names.includes(node.text)) found.push(`${path}: '${node.text}'`)
      ts.forEachChild(node, visit)
    }
    visit(source)
    return found
  })
  expect(texts).toEqual([])
})

test('names that are found on one object have letters of their own', () => {
  const { mangleCache } = MANGLING
  for (const [kind, names] of Object.entries(OBJECTS)) {
    const letters = names.map((name) => mangleCache[name])
    expect(new Set(letters).size, kind).toBe(names.length)
    expect(letters, kind).not.toContain(undefined)
  }
})
