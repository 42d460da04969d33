// A Vitest reporter that closes the output with one line anything can read: `15 passed, 0 failed, 2 skipped`.
//
// Rules of this file:
// - What went wrong outside a test (a file that does not load, an unhandled rejection, a setup) counts as failed:
//   "0 failed" is never said of a run that failed.

import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

export class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1
      count.failed += module.errors().length
    }
    if (reason !== 'passed') count.failed = Math.max(count.failed, 1)
    const skipped = count.skipped + count.pending
    process.stdout.write(`${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
  }
}
