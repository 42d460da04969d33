// How large the build may be. The limits stand in scripts/size.ts.

import { expect, test } from 'vitest'
import { describeSize, measureSizes } from '../../scripts/size.ts'

const sizes = await measureSizes()

test.each(sizes.map((size) => [size.name, size] as const))('%s keeps its limit', (_, size) => {
  console.log(describeSize(size))
  expect(size.brotliBytes).toBeLessThanOrEqual(size.limitBytes)
})
