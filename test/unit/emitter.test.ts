// Listeners of fixed events: isolated from each other, each registration one of its own.

import { describe, expect, test } from 'vitest'
import { createEmitter } from '../../src/emitter.ts'

function setUp() {
  const errors: unknown[] = []
  const heard: unknown[] = []
  const emitter = createEmitter<{ news: number; other: string }>((error) => errors.push(error))
  return { errors, heard, emitter, hear: (detail: unknown) => heard.push(detail) }
}

describe('emit', () => {
  test('calls the listeners of that event with its detail, in the order in which they came', () => {
    const { emitter, heard } = setUp()
    emitter.on('news', (n) => heard.push(['first', n]))
    emitter.on('news', (n) => heard.push(['second', n]))
    emitter.on('other', (n) => heard.push(['other', n]))
    emitter.emit('news', 1)
    expect(heard).toEqual([
      ['first', 1],
      ['second', 1],
    ])
  })

  test('with nobody there does nothing', () => {
    const { emitter, errors } = setUp()
    emitter.emit('news', 1)
    expect(errors).toEqual([])
  })

  test('inside a listener is heard by all', () => {
    const { emitter, heard } = setUp()
    emitter.on('news', (n) => n > 0 && emitter.emit('news', n - 1))
    emitter.on('news', (n) => heard.push(n))
    emitter.emit('news', 2)
    expect(heard).toEqual([0, 1, 2])
  })
})

describe('a listener', () => {
  test('that throws is reported and stops nobody else', () => {
    const { emitter, errors, heard, hear } = setUp()
    const error = new Error('mine')
    emitter.on('news', () => {
      throw error
    })
    emitter.on('news', hear)
    emitter.emit('news', 1)
    expect([errors, heard]).toEqual([[error], [1]])
  })

  test('that rejects is reported', async () => {
    const { emitter, errors } = setUp()
    const error = new Error('mine')
    emitter.on('news', () => Promise.reject(error))
    emitter.emit('news', 1)
    await Promise.resolve()
    await Promise.resolve()
    expect(errors).toEqual([error])
  })

  test('registered twice is called twice, and once after one registration is stopped, however often', () => {
    const { emitter, heard, hear } = setUp()
    const stop = emitter.on('news', hear)
    emitter.on('news', hear)
    emitter.emit('news', 1)
    stop()
    stop()
    emitter.emit('news', 2)
    expect(heard).toEqual([1, 1, 2])
  })

  test('that stops itself is not called again, and the next one is', () => {
    const { emitter, heard, hear } = setUp()
    const stop: () => void = emitter.on('news', () => stop())
    emitter.on('news', hear)
    emitter.emit('news', 1)
    emitter.emit('news', 2)
    expect(heard).toEqual([1, 2])
  })

  test('stopped during an emit is not called in it', () => {
    const { emitter, heard, hear } = setUp()
    emitter.on('news', () => stop())
    const stop = emitter.on('news', hear)
    emitter.emit('news', 1)
    expect(heard).toEqual([])
  })

  test('added during an emit is called from the next one on', () => {
    const { emitter, heard, hear } = setUp()
    let isAdded = false
    emitter.on('news', () => {
      if (!isAdded) emitter.on('news', hear)
      isAdded = true
    })
    emitter.emit('news', 1)
    emitter.emit('news', 2)
    expect(heard).toEqual([2])
  })
})
