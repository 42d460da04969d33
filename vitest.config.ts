// The test projects. `vitest run` runs all of them; `vitest run --mode long` with the full figures, and *.long.test.ts too.
//
// Rules of this file:
// - Everything but `package` and `e2e` tests the sources; those two test the build, found as an application finds it.
// - Groups run one after another: what uses real time and real browsers has the machine to itself.

import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import { BrowserReporter, findBrowsers } from './scripts/browsers.ts'
import { PlainReporter } from './scripts/plain-reporter.ts'

const LONG_TESTS = 'test/**/*.long.test.ts'

const SOURCES = [
  source('steadywire', 'src/index.ts'),
  source('steadywire/store', 'adapters/store.ts'),
  source('steadywire/protocol', 'src/protocol/index.ts'),
  source('steadywire/schema', 'src/protocol/schema.ts'),
  source('steadywire/testing', 'src/testing/index.ts'),
  source('@steadywire/server', 'server/src/index.ts'),
  source('@steadywire/server/sqlite', 'server/src/store/sqlite.ts'),
]

export default defineConfig(({ mode }) => {
  const isLong = mode === 'long'
  const everywhere = {
    environment: 'node',
    exclude: isLong ? configDefaults.exclude : [...configDefaults.exclude, LONG_TESTS],
    testTimeout: isLong ? 3_600_000 : 60_000,
    env: isLong ? { LONG: '1' } : {},
  }
  const onSources = (name: string, include: string[]) => ({
    resolve: { alias: SOURCES },
    test: { ...everywhere, name, include, sequence: { groupOrder: 0 } },
  })
  return {
    test: {
      reporters: ['default', new BrowserReporter(), new PlainReporter()],
      projects: [
        onSources('unit', ['test/unit/**/*.test.ts', 'test/adapters/**/*.test.{ts,tsx}', 'test/tidy.test.ts']),
        onSources('sim', ['test/sim/**/*.test.ts']),
        onSources('edge', ['test/edge/**/*.test.ts']),
        {
          resolve: { alias: SOURCES },
          test: {
            name: 'types',
            include: [],
            typecheck: {
              enabled: true,
              only: true,
              include: ['test/types/**/*.test-d.ts'],
              tsconfig: './tsconfig.test.json',
            },
            sequence: { groupOrder: 1 },
          },
        },
        {
          test: {
            ...everywhere,
            name: 'package',
            include: ['test/package/**/*.test.ts'],
            sequence: { groupOrder: 2 },
          },
        },
        {
          test: {
            ...everywhere,
            name: 'e2e',
            include: ['test/e2e/**/*.test.ts'],
            env: { ...everywhere.env, ...findBrowsers() },
            hookTimeout: 60_000,
            fileParallelism: false,
            sequence: { groupOrder: 3 },
          },
        },
      ],
    },
  }
})

function source(name: string, path: string): { find: RegExp; replacement: string } {
  return { find: new RegExp(`^${name}$`), replacement: fileURLToPath(new URL(path, import.meta.url)) }
}
