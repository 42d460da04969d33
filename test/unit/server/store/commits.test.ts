// What is asked of a store in one tick, is done and answered together.

import { setImmediate as nextTick } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Commits, type Transaction, type Work } from '../../../../server/src/store/commits.ts'

function aStage(broken: Partial<Transaction> = {}) {
  const log: string[] = []
  const errors: unknown[] = []
  const step = (name: keyof Transaction) => () => {
    log.push(name)
    broken[name]?.()
  }
  const transaction = { begin: step('begin'), commit: step('commit'), rollback: step('rollback') }
  const commits = new Commits(transaction, (error) => errors.push(error))
  const work = (name: string, answered: () => void = () => {}): Work => ({
    run() {
      log.push(`run ${name}`)
      return () => {
        log.push(`answer ${name}`)
        answered()
      }
    },
    lost: () => log.push(`lose ${name}`),
  })
  return { commits, log, errors, work, take: () => log.splice(0) }
}

const failing = (message: string) => () => {
  throw new Error(message)
}

test('what is asked in one tick is one transaction, answered in order after the commit', async () => {
  const { commits, work, take } = aStage()
  commits.add(work('a'))
  commits.add(work('b'))
  expect(take()).toEqual([])
  await nextTick()
  expect(take()).toEqual(['begin', 'run a', 'run b', 'commit', 'answer a', 'answer b'])
  await nextTick()
  expect(take()).toEqual([])
})

test('what an answer asks for is the next transaction', async () => {
  const { commits, work, take } = aStage()
  commits.add(work('a', () => commits.add(work('b'))))
  await nextTick()
  await nextTick()
  expect(take()).toEqual(['begin', 'run a', 'commit', 'answer a', 'begin', 'run b', 'commit', 'answer b'])
})

test('a transaction is bounded; what is left has the next tick, in order', async () => {
  const { commits, work, take } = aStage()
  const names = Array.from({ length: 300 }, (_, i) => `${i}`)
  for (const name of names) commits.add(work(name))
  await nextTick()
  const first = take()
  expect(first.filter((line) => line === 'begin').length).toBe(1)
  commits.add(work('last'))
  await nextTick()
  await nextTick()
  await nextTick()
  const answers = [...first, ...take()].filter((line) => line.startsWith('answer'))
  expect(answers).toEqual([...names, 'last'].map((name) => `answer ${name}`))
})

test('if the commit fails, everything is rolled back and lost', async () => {
  const { commits, work, take, errors } = aStage({ commit: failing('full') })
  commits.add(work('a'))
  commits.add(work('b'))
  await nextTick()
  expect(take()).toEqual(['begin', 'run a', 'run b', 'commit', 'rollback', 'lose a', 'lose b'])
  expect(errors).toEqual([new Error('full')])
})

test('if one piece of work fails, so has the transaction', async () => {
  const { commits, work, take, errors } = aStage()
  commits.add(work('a'))
  commits.add({ ...work('b'), run: failing('damaged') })
  commits.add(work('c'))
  await nextTick()
  expect(take()).toEqual(['begin', 'run a', 'rollback', 'lose a', 'lose b', 'lose c'])
  expect(errors).toEqual([new Error('damaged')])
})

test('a rollback may have happened already, and the next transaction is a new one', async () => {
  let isFull = true
  const { commits, work, take, errors } = aStage({
    commit: () => {
      if (isFull) throw new Error('full')
    },
    rollback: failing('none is active'),
  })
  commits.add(work('a'))
  await nextTick()
  isFull = false
  commits.add(work('b'))
  await nextTick()
  expect(take().slice(-4)).toEqual(['begin', 'run b', 'commit', 'answer b'])
  expect(errors).toEqual([new Error('full')])
})

test('an exception in an answer keeps no other one back, and surfaces by itself', async () => {
  const surfaced = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {})
  const { commits, work, take, errors } = aStage()
  commits.add(work('a', failing('oops')))
  commits.add(work('b'))
  await nextTick()
  expect(take()).toEqual(['begin', 'run a', 'run b', 'commit', 'answer a', 'answer b'])
  expect(errors).toEqual([])
  expect(surfaced.mock.calls.map(([surface]) => surface)).toHaveLength(1)
  expect(surfaced.mock.calls[0]?.[0]).toThrow('oops')
  surfaced.mockRestore()
})

test('closing does what is left at once; what is asked later is lost', async () => {
  const { commits, work, take } = aStage()
  commits.add(work('a', () => commits.add(work('b'))))
  commits.close()
  expect(take()).toEqual(['begin', 'run a', 'commit', 'answer a', 'lose b'])
  commits.add(work('c'))
  await nextTick()
  expect(take()).toEqual(['lose c'])
})
