// How the server package is built: ES modules and declarations. `steadywire` and `ws` stay imports.

import { defineConfig } from 'tsup'

export default defineConfig({
  name: 'server',
  entry: { index: 'src/index.ts', sqlite: 'src/store/sqlite.ts', cli: 'src/cli.ts' },
  format: ['esm'],
  // tsup sets `baseUrl`, which TypeScript 6 reports as deprecated.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  external: ['ws', /^steadywire/],
  sourcemap: true,
  silent: true,
  target: 'node20',
  platform: 'node',
  tsconfig: '../tsconfig.json',
})
