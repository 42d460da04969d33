// Builds both packages: `npm run build`. With `--if-stale`, only when a source is newer than the last whole build.
//
// Rules of this file:
// - A build writes over the old one and then removes what it did not write, so a test that runs meanwhile finds files.
// - The time of a build is when it began: a source saved during it is newer.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

const INPUTS = [
  'src',
  'adapters',
  'scripts/internal-names.ts',
  'scripts/compression.ts',
  'server/src',
  'tsup.config.ts',
  'server/tsup.config.ts',
  'tsconfig.json',
  'package.json',
]
const OUTPUTS = ['dist', 'server/dist']
// The declarations of the server are what a build writes last.
const LAST_OUTPUT = 'server/dist/index.d.ts'

if (process.argv.includes('--if-stale') && isFresh()) {
  console.log('build: up to date')
} else {
  build()
}

function build(): void {
  const startedAtMs = Date.now()
  run('.')
  run('server')
  for (const file of OUTPUTS.flatMap(filesIn)) if (statSync(file).mtimeMs < startedAtMs - 1_000) rmSync(file)
  console.log(`build: ${OUTPUTS.join(' and ')} in ${((Date.now() - startedAtMs) / 1_000).toFixed(1)} s`)
  utimesSync(LAST_OUTPUT, startedAtMs / 1_000, startedAtMs / 1_000)
}

function run(cwd: string): void {
  const { status } = spawnSync('tsup', { cwd, stdio: 'inherit', shell: true })
  if (status !== 0) process.exit(status ?? 1)
}

function isFresh(): boolean {
  if (!existsSync(LAST_OUTPUT)) return false
  const builtAtMs = statSync(LAST_OUTPUT).mtimeMs
  return INPUTS.flatMap(filesIn).every((file) => statSync(file).mtimeMs < builtAtMs)
}

function filesIn(path: string): string[] {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path).flatMap((name) => filesIn(join(path, name)))
}
