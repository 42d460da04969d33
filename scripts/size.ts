// How large the client is where it counts: bundled, minified and compressed as a page would load it. `npm run size`.
//
// Rules of this file:
// - The figure that is held to its limit comes from the build, found as an application finds it.
// - Where the bytes come from is read off a second bundle, made from the sources; it is a guide and differs by a few bytes.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const APPLICATION = `
import { createClient } from 'steadywire'
const client = createClient({ url: 'wss://example.com/realtime' })
client.connect()
const room = client.channel('chat:lobby')
room.on('message', (data) => console.log(data))
room.publish('message', { text: 'hi' })
`

const STORE = `
import { toReadable } from 'steadywire/store'
console.log(toReadable)
`

export interface Size {
  readonly name: string
  readonly limitBytes: number
  readonly minifiedBytes: number
  readonly brotliBytes: number
  /** Minified bytes per source file, largest first. */
  readonly sources: readonly (readonly [path: string, bytes: number])[]
}

export async function measureSizes(): Promise<Size[]> {
  const global = readFileSync(`${ROOT}/dist/steadywire.global.js`)
  return [
    // It is to be 12,288 with everything in it, and is not yet: this is what it may not grow beyond meanwhile.
    await measure('an application that connects, subscribes and publishes', APPLICATION, 13_100),
    await measure('steadywire/store', STORE, 512),
    weigh('dist/steadywire.global.js', global, [], 16_384),
  ]
}

export function describeSize({ name, limitBytes, minifiedBytes, brotliBytes, sources }: Size): string {
  const rows = sources.map(([path, bytes]) => `${String(bytes).padStart(8)}  ${path}\n`).join('')
  return `${name}\n${rows}${String(minifiedBytes).padStart(8)}  minified; brotli ${brotliBytes} B of ${limitBytes} B\n`
}

async function measure(name: string, code: string, limitBytes: number): Promise<Size> {
  // Without tsconfig.json its `paths` do not apply: the package is found through node_modules and its exports.
  const built = await bundle(code, { tsconfigRaw: '{}' })
  const fromSources = Object.keys(built.inputs).filter((path) => /^(src|adapters)\//.test(path))
  if (fromSources.length > 0) throw new Error(`measured sources instead of the build: ${fromSources.join(', ')}`)
  return weigh(name, built.code, Object.entries((await bundle(code, {})).inputs), limitBytes)
}

function weigh(name: string, code: Uint8Array, inputs: [path: string, bytes: number][], limitBytes: number): Size {
  const sources = inputs.filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1])
  return { name, limitBytes, minifiedBytes: code.length, brotliBytes: brotliCompressSync(code).length, sources }
}

async function bundle(
  contents: string,
  options: { tsconfigRaw?: string },
): Promise<{ code: Uint8Array; inputs: Record<string, number> }> {
  const { outputFiles, metafile } = await build({
    ...options,
    stdin: { contents, resolveDir: ROOT, sourcefile: 'application' },
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false,
    metafile: true,
  })
  const [file] = outputFiles
  const [output] = Object.values(metafile.outputs)
  if (file === undefined || output === undefined) throw new Error('esbuild wrote nothing')
  const inputs = Object.entries(output.inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput] as const)
  return { code: file.contents, inputs: Object.fromEntries(inputs) }
}

if (import.meta.main) for (const size of await measureSizes()) console.log(describeSize(size))
