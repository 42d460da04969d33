// What the platform would complain of: rejections that nobody handles.
//
// Rules of this file:
// - The test runner's own listeners are set aside meanwhile: what is caught here is judged by the test.

import { promises } from './stage.ts'

/** Every rejection that nobody has handled by the end of `act`. */
export async function unhandledIn(act: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (reason) => unhandled.push(reason))
  try {
    await act()
    await promises()
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of listeners) process.on('unhandledRejection', listener)
  }
  return unhandled
}
