// @vitest-environment jsdom
// The browser's environment in a page: its hints, its frames, and nothing left behind.

import { createClient } from 'steadywire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBrowserEnvironment } from '../../src/env/browser.ts'

const environment = createBrowserEnvironment()

/** What the page listens to now, by counting. */
function countListeners(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [name, source] of [
    ['window', window],
    ['document', document],
  ] as const) {
    const count = (type: string, by: number) => {
      const key = `${name} ${type}`
      const n = (counts.get(key) ?? 0) + by
      if (n === 0) counts.delete(key)
      else counts.set(key, n)
    }
    const add = source.addEventListener.bind(source) as (...args: unknown[]) => void
    const remove = source.removeEventListener.bind(source) as (...args: unknown[]) => void
    vi.spyOn(source, 'addEventListener').mockImplementation((...args: unknown[]) => {
      count(args[0] as string, 1)
      add(...args)
    })
    vi.spyOn(source, 'removeEventListener').mockImplementation((...args: unknown[]) => {
      count(args[0] as string, -1)
      remove(...args)
    })
  }
  return counts
}

function show(state: 'visible' | 'hidden'): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state)
  document.dispatchEvent(new Event('visibilitychange'))
}

function pageshow(persisted: boolean): void {
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted }))
}

let stop = () => {}

afterEach(() => {
  stop()
  stop = () => {}
  vi.restoreAllMocks()
})

describe('a hint', () => {
  test.each<[string, () => void, readonly string[]]>([
    ['online', () => window.dispatchEvent(new Event('online')), ['online']],
    ['offline', () => window.dispatchEvent(new Event('offline')), ['offline']],
    ['a page that is hidden', () => show('hidden'), ['hidden']],
    ['a page that is shown', () => show('visible'), ['visible']],
    ['a page that resumes', () => document.dispatchEvent(new Event('resume')), ['resume']],
    ['a page back from the cache', () => pageshow(true), ['pageshow']],
    ['a page shown for the first time', () => pageshow(false), []],
    ['a page that freezes', () => document.dispatchEvent(new Event('freeze')), []],
    ['anything else', () => window.dispatchEvent(new Event('blur')), []],
  ])('is given of %s', (_, happen, expected) => {
    const heard: string[] = []
    stop = environment.onHint((hint) => heard.push(hint))
    happen()
    expect(heard).toEqual(expected)
  })

  test('is given no more once stopped, however often', () => {
    const heard: string[] = []
    const stopHints = environment.onHint((hint) => heard.push(hint))
    stopHints()
    stopHints()
    window.dispatchEvent(new Event('online'))
    show('visible')
    document.dispatchEvent(new Event('resume'))
    expect(heard).toEqual([])
  })

  test('is listened for without touching unload, which would keep the page out of the cache', () => {
    const counts = countListeners()
    stop = environment.onHint(() => {})
    expect([...counts.keys()].filter((key) => /unload|pagehide/.test(key))).toEqual([])
    expect(counts.size).toBeGreaterThan(0)
  })
})

describe('a frame', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  /** A page that paints when the test says so. */
  function painting(): { paint(): void; waiting: Map<number, () => void> } {
    const waiting = new Map<number, () => void>()
    let id = 0
    vi.stubGlobal('requestAnimationFrame', (run: () => void) => {
      waiting.set(++id, run)
      return id
    })
    vi.stubGlobal('cancelAnimationFrame', (which: number) => waiting.delete(which))
    return {
      waiting,
      paint() {
        const runs = [...waiting.values()]
        waiting.clear()
        for (const run of runs) run()
      },
    }
  }

  test('comes with the next paint, once', () => {
    const page = painting()
    let frames = 0
    environment.frame(() => frames++)
    expect(frames).toBe(0)
    page.paint()
    page.paint()
    vi.advanceTimersByTime(1_000)
    expect(frames).toBe(1)
  })

  test('comes within 250 ms in a page that paints nothing, once', () => {
    const page = painting()
    let frames = 0
    environment.frame(() => frames++)
    vi.advanceTimersByTime(249)
    expect(frames).toBe(0)
    vi.advanceTimersByTime(1)
    expect(frames).toBe(1)
    page.paint()
    vi.advanceTimersByTime(1_000)
    expect(frames).toBe(1)
  })

  test('is taken back, and nothing of it is left', () => {
    const page = painting()
    let frames = 0
    environment.frame(() => frames++)()
    expect([page.waiting.size, vi.getTimerCount()]).toEqual([0, 0])
    vi.advanceTimersByTime(1_000)
    expect(frames).toBe(0)
  })

  test('that has come leaves no timer', () => {
    const page = painting()
    environment.frame(() => {})
    page.paint()
    expect([page.waiting.size, vi.getTimerCount()]).toEqual([0, 0])
  })
})

describe('a client', () => {
  test('leaves no listener behind once closed', async () => {
    const counts = countListeners()
    const client = createClient({ url: 'ws://127.0.0.1:1/', backoff: { minDelayMs: 60_000 } })
    client.connect()
    expect(counts.size).toBeGreaterThan(0)
    await client.close()
    expect([...counts.keys()]).toEqual([])
  })

  test('made and never used dials nothing', () => {
    const dialled: string[] = []
    vi.stubGlobal(
      'WebSocket',
      class {
        constructor(url: string) {
          dialled.push(url)
        }
      },
    )
    stop = () => vi.unstubAllGlobals()
    const client = createClient({ url: 'ws://127.0.0.1:1/' })
    window.dispatchEvent(new Event('online'))
    show('visible')
    expect([client.state.getSnapshot().status, ...dialled]).toEqual(['idle'])
    void client.close()
  })
})

describe('trouble', () => {
  test('is reported as the page reports its own', () => {
    const reported: unknown[] = []
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
    stop = () => vi.unstubAllGlobals()
    const error = new Error('mine')
    createBrowserEnvironment().reportError(error)
    expect(reported).toEqual([error])
  })

  test('is written to the console where a page cannot report', () => {
    vi.stubGlobal('reportError', undefined)
    stop = () => vi.unstubAllGlobals()
    const written = vi.spyOn(console, 'error').mockImplementation(() => {})
    const error = new Error('mine')
    createBrowserEnvironment().reportError(error)
    expect(written).toHaveBeenCalledWith(error)
  })
})
