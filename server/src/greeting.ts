// `hello` and `welcome`: what a client must say first, and what it is told.

import { type HelloFrame, PROTOCOL_VERSION, type WelcomeFrame } from 'steadywire/protocol'
import { isStorableId } from './content.ts'
import type { Settings } from './options.ts'

/** What this server keeps: positions, history, and what each producer has published. */
const LEVEL = 2
const MAX_TOKEN_LENGTH = 16_384
/** A new token is asked for this long before the old one expires, in milliseconds, or in the last third of a short life. */
const TOKEN_LEAD_MS = 30_000

/** Why nothing can be done with `hello`, as the word for a close reason. */
export function helloFault({ version, producer, token = '' }: HelloFrame): string | undefined {
  if (version !== PROTOCOL_VERSION) return 'version'
  if (!isStorableId(producer)) return 'producer'
  return tokenFault(token)
}

export function tokenFault(token: string): string | undefined {
  return token.length > MAX_TOKEN_LENGTH ? 'token-length' : undefined
}

/** When to ask for the next token, of one that lives this long yet; milliseconds from now. */
export function tokenDueInMs(expiresInMs: number): number {
  return expiresInMs - Math.min(TOKEN_LEAD_MS, expiresInMs / 3)
}

/** Whether `again` is `hello` once more, as after a `welcome` that was lost. */
export function isSameHello(hello: HelloFrame, again: HelloFrame): boolean {
  return (['version', 'producer', 'generation', 'token'] as const).every((field) => hello[field] === again[field])
}

export function welcomeFrame(
  { heartbeatMs, limits }: Settings,
  features: readonly string[],
  member: string,
  expiresInMs: number,
): WelcomeFrame {
  const { window, windowBytes, maxMessageBytes, snapshotBytes, pageCount } = limits
  const { publishesPerSecond, publishBurst, volatilePerSecond } = limits
  return {
    type: 'welcome',
    version: PROTOCOL_VERSION,
    level: LEVEL,
    features,
    member,
    heartbeat: { intervalMs: heartbeatMs },
    limits: {
      window,
      windowBytes,
      messageBytes: maxMessageBytes,
      snapshotBytes,
      pageCount,
      publishesPerSecond,
      publishBurst,
      volatilePerSecond,
    },
    ...(expiresInMs < Infinity && { tokenExpiresInMs: Math.max(0, expiresInMs) }),
  }
}
