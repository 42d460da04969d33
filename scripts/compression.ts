// How terser makes the client smaller: a tenth of a bundle's names and statements are worth two hundred bytes on every page.
//
// Rules of this file:
// - Nothing is moved into another function: bundlers and minifiers that follow name things worse then.
// - `test/package/mangled.test.ts` runs the simulator on code that went through this.

import type { MinifyOptions } from 'terser'

export const COMPRESSION: MinifyOptions = {
  ecma: 2020,
  module: true,
  compress: { passes: 3, inline: 0, reduce_funcs: false, hoist_funs: true, unsafe_arrows: true, pure_getters: true },
}
