// The build shortens internal property names. The simulator runs on sources; here it runs on code that was shortened too.

import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import ts from 'typescript'
import { minify } from 'terser'
import { expect, test } from 'vitest'
import { COMPRESSION } from '../../scripts/compression.ts'
import { INTERNAL_NAMES, MANGLING } from '../../scripts/internal-names.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SEEDS = 40

test(`${SEEDS} seeds keep every promise with shortened names`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-'))
  const outfile = join(folder, 'run.mjs')
  try {
    await build({
      ...MANGLING,
      entryPoints: [`${ROOT}/test/sim/run.ts`],
      tsconfig: `${ROOT}/tsconfig.json`,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      outfile,
    })
    const { runSeed } = (await import(pathToFileURL(outfile).href)) as {
      runSeed: (seed: number) => { trace: { steps: number } }
    }
    for (let seed = 1; seed <= SEEDS; seed++) expect(runSeed(seed).trace.steps).toBeGreaterThan(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('no shortened name is also a text, by which a table could be asked for it', () => {
  const paths = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/testing/**'] })
  const texts = paths.flatMap((path) => {
    const source = ts.createSourceFile(path, readFileSync(`${ROOT}/${path}`, 'utf8'), ts.ScriptTarget.Latest, true)
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (ts.isIndexedAccessTypeNode(node)) return
      if (ts.isStringLiteral(node) && INTERNAL_NAMES.includes(node.text)) found.push(`${path}: '${node.text}'`)
      ts.forEachChild(node, visit)
    }
    visit(source)
    return found
  })
  expect(texts).toEqual([])
})

test('every short name is given once', () => {
  const { mangleCache } = MANGLING
  expect(new Set(Object.values(mangleCache)).size).toBe(INTERNAL_NAMES.length)
  expect(Object.values(mangleCache)).not.toContain('')
})
