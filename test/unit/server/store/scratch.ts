// A folder for the files of a test, gone after it.
//
// Rules of this file:
// - Where the system has a folder in memory it is there: thousands of commits need not wait for a disk whose part in it is
//   not tested here.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const IN_MEMORY = '/dev/shm'

export interface Scratch {
  /** A path where nothing is yet. */
  file(): string
  remove(): void
}

export function createScratch(): Scratch {
  const folder = mkdtempSync(join(existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir(), 'steadywire-'))
  let count = 0
  return {
    file: () => join(folder, `${count++}.db`),
    remove: () => rmSync(folder, { recursive: true }),
  }
}
