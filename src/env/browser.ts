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
/** What a subprotocol that carries a token begins with. */
const AUTH_PREFIX = 'steadywire.auth.'

export function createBrowserEnvironment(): Environment {
  return {
    monotonicNow: () => performance.now(),
    wallNow: Date.now,
    soon: (run) => queueMicrotask(run),
    defer(run) {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        port1.close()
        run()
      }
      port2.postMessage(0)
    },
    frame,
    startTimer,
    random: Math.random,
    // Not `randomUUID`: pages on plain http do not have it.
    createId: () => crypto.getRandomValues(new Uint32Array(4)).join('-'),
    // Where there are no sockets, as on a server that renders pages, a client stays idle.
    ...(typeof WebSocket === 'function' && { openSocket }),
    onHint,
    reportError(error) {
      if (typeof reportError === 'function') reportError(error)
      else console.error(error)
    },
  }
}

function startTimer(delayMs: number, wake: () => void): () => void {
  const id = setTimeout(wake, delayMs)
  return () => clearTimeout(id)
}

function frame(run: () => void): () => void {
  if (typeof requestAnimationFrame !== 'function') return startTimer(FRAME_MS, run)
  const fire = () => {
    cancel()
    run()
  }
  const id = requestAnimationFrame(fire)
  const cancelTimer = startTimer(HIDDEN_FRAME_MS, fire)
  const cancel = () => {
    cancelAnimationFrame(id)
    cancelTimer()
  }
  return cancel
}

function openSocket(
  { url, protocol, token }: SocketRequest,
  { opened, received, ended }: SocketHandlers,
): SocketHandle {
  let socket: WebSocket | undefined
  // Clears the handlers too: who has closed a socket hears no more of it.
  const release = () => {
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null
  }
  try {
    socket = new WebSocket(url, token ? [protocol, AUTH_PREFIX + base64Url(token)] : protocol)
    socket.onopen = opened
    socket.onmessage = ({ data }) => received(data)
    socket.onclose = ({ code, reason }) => {
      release()
      ended(code, reason)
    }
  } catch {
    // A page on https that dials ws, a forbidden port: the browser throws where others fail later.
    startTimer(0, () => ended(ABNORMAL, ''))
  }
  return {
    send(text) {
      // A socket that is closing takes text and loses it; its end is on the way, and decides about what was sent.
      if (socket?.readyState === 1) socket.send(text)
    },
    // Some stand-ins for a socket do not have it.
    bufferedBytes: () => socket?.bufferedAmount ?? 0,
    close(closeCode, reason) {
      release()
      socket?.close(closeCode, reason)
    },
  }
}

function base64Url(text: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text))
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function onHint(listener: (hint: Hint) => void): () => void {
  const stops: (() => void)[] = []
  const listen = (source: EventTarget, type: string, hintOf: (event: Event) => Hint | false = () => type as Hint) => {
    const handle = (event: Event) => {
      const hint = hintOf(event)
      if (hint) listener(hint)
    }
    source.addEventListener(type, handle)
    stops.push(() => source.removeEventListener(type, handle))
  }
  if (typeof document === 'object') {
    listen(window, 'online')
    listen(window, 'offline')
    // Only the way back out of the back/forward cache is of interest; a first `pageshow` tells nothing.
    listen(window, 'pageshow', (event) => (event as PageTransitionEvent).persisted && 'pageshow')
    listen(document, 'visibilitychange', () => document.visibilityState)
    listen(document, 'resume')
  }
  return () => {
    for (const stop of stops) stop()
  }
}
