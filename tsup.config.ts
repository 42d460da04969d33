// How the client package is built: ES modules, CommonJS and declarations for each entry, and one file for a script tag.
//
// Rules of this file:
// - `scripts/build.ts` removes what an older build left, so nothing here cleans: the builds run side by side.
// - What pages load has short names inside. What servers, tools and tests load has not: a frame's type that is also the
//   name of a property would be renamed there. So the two share no file.
// - The modules are minified by whoever bundles them. What bundlers do not do for them is done here: statements are merged
//   where that makes them shorter. Only the script-tag file loses its names and its line breaks.

import { defineConfig, type Options } from 'tsup'
import { COMPRESSION } from './scripts/compression.ts'
import { MANGLING, TEXT_MARKER } from './scripts/internal-names.ts'

const MODULES = {
  format: ['esm', 'cjs'],
  // tsup sets `baseUrl`, which TypeScript 6 reports as deprecated.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  splitting: true,
  sourcemap: true,
  silent: true,
  target: 'es2022',
  platform: 'browser',
} satisfies Options

/** How the inside calls things is nobody's business, and costs every page. */
const shortenInternals = (options: object) => void Object.assign(options, MANGLING, { minifySyntax: true })

export default defineConfig([
  {
    ...MODULES,
    name: 'for pages',
    entry: { index: 'src/index.ts', store: 'adapters/store.ts' },
    esbuildOptions: shortenInternals,
    esbuildPlugins: [TEXT_MARKER],
    minify: 'terser',
    terserOptions: { ...COMPRESSION, mangle: false, format: { beautify: true } },
  },
  {
    ...MODULES,
    name: 'for servers, tools and tests',
    entry: {
      protocol: 'src/protocol/index.ts',
      schema: 'src/protocol/schema.ts',
      testing: 'src/testing/index.ts',
    },
  },
  {
    name: 'script tag',
    entry: { 'steadywire.global': 'src/index.ts' },
    format: ['iife'],
    globalName: 'Steadywire',
    outExtension: () => ({ js: '.js' }),
    noExternal: [/.*/],
    minify: 'terser',
    // Not a module: what is at its top is for the page.
    terserOptions: { ...COMPRESSION, module: false },
    sourcemap: true,
    silent: true,
    target: 'es2022',
    platform: 'browser',
    esbuildOptions: shortenInternals,
    esbuildPlugins: [TEXT_MARKER],
  },
])
