// What a checker says of its search, and what may be concluded from it: truncated searches above all.

import { describe, expect, test } from 'vitest'
import { verdictOf } from '../../../models/verdict.ts'

const SAFETY = `
(Spin Version 6.5.2 -- 6 December 2019)
	+ Partial Order Reduction
	+ Compression

Full statespace search for:
	never claim         	- (not selected)
	assertion violations	+
	cycle checks       	- (disabled by -DSAFETY)
	invalid end states	+

State-vector 152 byte, depth reached 355, errors: 0
    68730 states, stored
`
const LIVENESS = `
Full statespace search for:
	never claim         	+ (converges)
	assertion violations	+ (if within scope of claim)
	acceptance   cycles 	+ (fairness disabled)
	invalid end states	- (disabled by never claim)

State-vector 160 byte, depth reached 224, errors: 0
    29941 states, stored (59844 visited)
`
const BROKEN = SAFETY.replace('errors: 0', 'errors: 1')

describe('the verdict on a search', () => {
  test('holds when everything was seen and nothing is wrong', () => {
    expect(verdictOf(SAFETY, 'safety')).toEqual({ type: 'holds', states: 68_730 })
    expect(verdictOf(LIVENESS, 'liveness')).toEqual({ type: 'holds', states: 29_941 })
  })

  test('names the promise that is broken', () => {
    expect(verdictOf(`pan:1: assertion violated (s>newest) (at depth 9)\n${BROKEN}`, 'safety')).toEqual({
      type: 'broken',
      states: 68_730,
      promise: 'assertion violated (s>newest) (at depth 9)',
    })
    expect(verdictOf(`pan:1: acceptance cycle (at depth 5)\n${BROKEN}`, 'liveness')).toMatchObject({ type: 'broken' })
  })

  test.each([
    ['the stack was too small', `error: max search depth too small\n${SAFETY}`],
    ['the memory was too small', SAFETY.replace('\t+ Partial', 'Warning: Search not completed\n\t+ Partial')],
    ['the memory ended', `pan: reached -DMEMLIM bound\n${SAFETY}`],
    ['states were only hashed', SAFETY.replace('Full statespace', 'Bit statespace')],
    ['assertions were not looked at', SAFETY.replace('violations\t+', 'violations\t-')],
  ])('is not that it holds when %s', (_case, output) => {
    expect(verdictOf(output, 'safety')).toMatchObject({ type: 'unclear' })
  })

  test('on liveness needs a claim and a search for cycles', () => {
    expect(verdictOf(SAFETY, 'liveness')).toMatchObject({ type: 'unclear' })
  })

  test('takes neither a mistake in the model nor a dead end for a bug that was found', () => {
    for (const mistake of ['indexing ringTag[9]', 'invalid end state (at depth 33)'])
      expect(verdictOf(`pan:1: ${mistake}\n${BROKEN}`, 'safety')).toMatchObject({ type: 'unclear' })
  })

  test('is unclear when there is no end', () => {
    expect(verdictOf('error: ended by SIGTERM\npan: a line', 'safety')).toMatchObject({ type: 'unclear' })
  })
})
