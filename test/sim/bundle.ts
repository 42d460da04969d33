// The simulator as one file of JavaScript: for workers, which know nothing of the test runner, and with a line of the
// sources replaced, for canaries.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** One line of the sources, and what stands there instead. */
export interface Mutation {
  readonly file: string
  readonly line: string
  readonly instead: string
}

/** Calls `use` with the path of the bundle, which is gone afterwards. */
export async function withBundle<T>(use: (path: string) => Promise<T>, mutation?: Mutation): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-sim-'))
  const outfile = join(folder, 'shard.mjs')
  try {
    await build({
      entryPoints: [join(ROOT, 'test/sim/shard.ts')],
      tsconfig: join(ROOT, 'tsconfig.json'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      sourcemap: 'inline',
      logLevel: 'error',
      outfile,
      plugins: mutation ? [mutating(mutation)] : [],
    })
    return await use(outfile)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Fails where the line is not there, or there twice: a canary must break what it says. */
function mutating({ file, line, instead }: Mutation): Plugin {
  return {
    name: 'mutation',
    setup({ onLoad, onEnd }) {
      let isLoaded = false
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== join(ROOT, file)) return undefined
        isLoaded = true
        const lines = readFileSync(path, 'utf8').split('\n')
        const places = lines.flatMap((text, i) => (text.trim() === line ? [i] : []))
        if (places.length !== 1) return { errors: [{ text: `${file} has this line ${places.length} times: ${line}` }] }
        lines[places[0] as number] = instead
        return { contents: lines.join('\n'), loader: 'ts' }
      })
      onEnd(() => (isLoaded ? undefined : { errors: [{ text: `${file} is not part of the simulator` }] }))
    },
  }
}
