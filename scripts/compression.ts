// How terser makes smaller what pages load: it merges statements, which the minifiers of most bundlers do not.
//
// Rules of this file:
// - Nothing but single expressions is moved into another function: what minifies the code once more then finds worse names.
// - What every minifier does, such as commas between statements, is left to the one that comes last.
// - `test/package/mangled.test.ts` runs the simulator on code that went through this.

import type { Options } from 'tsup'

export const COMPRESSION: NonNullable<Options['terserOptions']> = {
  ecma: 2020,
  module: true,
  compress: {
    unsafe_methods: true,
    passes: 3,
    inline: 1,
    sequences: false,
    reduce_funcs: false,
    hoist_funs: true,
    unsafe_arrows: true,
    pure_getters: true,
  },
}
