// The examples and their realtime server as a person starts them: a process of its own, from the build.
//
// Rules of this file:
// - `stop` kills without a farewell: what the server kept in memory, where it keeps it unless told otherwise, is gone, as
//   in a crash. No run finds what another one has left.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const SERVE = fileURLToPath(new URL('../../examples/serve.js', import.meta.url))

export interface ExamplesServer {
  readonly port: number
  /** What it has said so far. */
  printed(): string
  stop(): Promise<void>
}

/**
 * Starts `examples/serve.js` on `port`, by default on one that is free. Rejects with what it printed if it does not come up.
 *
 * @param store - A file to keep messages in, or `memory`.
 */
export async function startExamples(port = 0, store = 'memory'): Promise<ExamplesServer> {
  const child = spawn(process.execPath, [SERVE], { env: { ...process.env, PORT: String(port), STORE: store } })
  let printed = ''
  child.stderr.on('data', (text) => {
    printed += text
  })
  const announced = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      printed += text
      const found = /http:\/\/127\.0\.0\.1:(\d+)\s/.exec(printed)
      if (found) resolve(Number(found[1]))
    })
    child.once('exit', (code) => reject(new Error(`examples/serve.js ended with ${code}: ${printed}`)))
  })
  return { port: announced, printed: () => printed, stop: () => kill(child) }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
