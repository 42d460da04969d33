// The browser as an Environment: the only file that names a browser's globals. Runs in workers, Node, Deno and Bun too.
//
// Rules of this file:
// - Nothing is touched on import; whatever may be denied is reached for inside `try` or by `?.`.
// - The events of a socket become three callbacks: a failed dial, an error and two closes are one `ended`.
// - A socket that was closed here is let go at once: its events mean nothing any more, and `close` can take a minute to come.

import type { Environment, Hint, SocketHandle, SocketHandlers, SocketRequest } from './environment.ts'

/** A hidden page paints no frames; its readers are told after this many milliseconds. */
const HIDDEN_FRAME_MS = 250
/** Where nothing is painted at all: about one frame. */
const FRAME_MS = 16
/** What a browser says when it knows nothing of how a socket ended. */
const ABNORMAL = 1006

export function createBrowserEnvironment(): Environment {
  return {
    monotonicNow: () => performance.now(),
    wallNow: () => Date.now(),
    soon(run) {
      let isWanted = true
      queueMicrotask(() => isWanted && run())
      return () => {
        isWanted = false
      }
    },
    defer(run) {
      const channel = new MessageChannel()
      const finish = () => {
        channel.port1.onmessage = null
        channel.port1.close()
      }
      channel.port1.onmessage = () => {
        finish()
        run()
      }
      channel.port2.postMessage(null)
      return finish
    },
    frame,
    startTimer: timer,
    random: Math.random,
    createId() {
      // Not `randomUUID`: pages on plain http do not have it.
      const bytes = crypto.getRandomValues(new Uint8Array(16))
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    },
    // Where there are no sockets, as on a server that renders pages, a client stays idle.
    ...(typeof WebSocket === 'function' && { openSocket }),
    onHint,
    reportError(error) {
      if (typeof reportError === 'function') reportError(error)
      else console.error(error)
    },
  }
}

function timer(delayMs: number, wake: () => void): () => void {
  const id = setTimeout(wake, delayMs)
  return () => clearTimeout(id)
}

function frame(run: () => void): () => void {
  if (typeof requestAnimationFrame !== 'function') return timer(FRAME_MS, run)
  const finish = () => {
    cancelAnimationFrame(id)
    cancelTimer()
  }
  const fire = () => {
    finish()
    run()
  }
  const id = requestAnimationFrame(fire)
  const cancelTimer = timer(HIDDEN_FRAME_MS, fire)
  return finish
}

function openSocket({ url, protocols }: SocketRequest, handlers: SocketHandlers): SocketHandle {
  let socket: WebSocket | undefined
  try {
    socket = new WebSocket(url, [...protocols])
  } catch {
    // A page on https that dials ws, a forbidden port: the browser throws where others fail later.
    timer(0, () => handlers.ended(ABNORMAL, ''))
    return { send() {}, bufferedBytes: () => 0, close() {} }
  }
  const opened = socket
  opened.binaryType = 'arraybuffer'
  opened.onopen = () => handlers.opened(opened.protocol)
  opened.onmessage = ({ data }) => handlers.received(data as string | ArrayBuffer)
  opened.onclose = ({ code, reason }) => {
    release(opened)
    handlers.ended(code, reason)
  }
  return {
    send(text) {
      // A socket that is closing takes text and loses it; its end is on the way, and decides about what was sent.
      if (opened.readyState === opened.OPEN) opened.send(text)
    },
    // Some stand-ins for a socket do not have it.
    bufferedBytes: () => opened.bufferedAmount ?? 0,
    close(closeCode, reason) {
      release(opened)
      opened.close(closeCode, reason)
    },
  }
}

function release(socket: WebSocket): void {
  socket.onopen = socket.onmessage = socket.onclose = null
}

type Source = Pick<EventTarget, 'addEventListener' | 'removeEventListener'>

function onHint(listener: (hint: Hint) => void): () => void {
  const stops: (() => void)[] = []
  const listen = (source: Source | undefined, type: string, hintOf: (event: Event) => Hint | undefined) => {
    const handle = (event: Event) => {
      const hint = hintOf(event)
      if (hint) listener(hint)
    }
    source?.addEventListener?.(type, handle)
    stops.push(() => source?.removeEventListener?.(type, handle))
  }
  const page = typeof window === 'object' ? window : undefined
  const view = page?.document
  listen(page, 'online', () => 'online')
  listen(page, 'offline', () => 'offline')
  // Only the way back out of the back/forward cache is of interest; a first `pageshow` tells nothing.
  listen(page, 'pageshow', (event) => ((event as PageTransitionEvent).persisted ? 'restored' : undefined))
  listen(view, 'visibilitychange', () => (view?.visibilityState === 'visible' ? 'visible' : 'hidden'))
  listen(view, 'freeze', () => 'frozen')
  listen(view, 'resume', () => 'resumed')
  return () => {
    for (const stop of stops) stop()
  }
}
