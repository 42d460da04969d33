// Which pages may open a connection.
//
// Rules of this file:
// - An origin is compared whole and exactly; there are no patterns.
// - A client that sends no origin is not a page in a browser, and origins protect only people in browsers.

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

/** The origins as browsers send them. Throws a TypeError that names one that cannot be meant. */
export function parseOrigins(origins: readonly string[]): ReadonlySet<string> {
  return new Set(
    origins.map((text) => {
      // What pages without an origin of their own say, such as a file that was opened from a disk.
      if (text === 'null') return text
      const origin = originOf(text)
      if (origin === undefined) throw new TypeError(`"${text}" is not an origin; write it as https://app.example`)
      return origin.origin
    }),
  )
}

/**
 * Whether a page from `origin` may connect to the server that it calls `host`.
 *
 * @param allowed - Absent: pages from the same host, and from this machine.
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: ReadonlySet<string> | undefined,
): boolean {
  if (origin === undefined) return true
  if (allowed) return allowed.has(origin)
  const from = originOf(origin)
  return from !== undefined && (from.host === host?.toLowerCase() || LOCAL_HOSTS.has(from.hostname))
}

/** Undefined for anything but a scheme and a host: `null`, a path, a pattern. */
function originOf(text: string): URL | undefined {
  if (text.includes('*') || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.origin !== 'null' && url.href === `${url.origin}/` ? url : undefined
}
