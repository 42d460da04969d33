// Identity from JSON Web Tokens: an `authenticate` built on jose.
//
// Rules of this file:
// - The key decides which algorithms are accepted; a token's own word for it never does.
// - A key that is too weak to guard anything is refused before the server starts.
// - What is wrong with a token is nobody's business but the client's: it is told 4401, and nothing is logged.

import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { User } from './hooks.ts'
import type { AuthenticateQuery } from './node.ts'

/** How tokens are judged. */
export interface JwtOptions {
  /** A shared secret of at least 32 bytes (HS256), or a public key as PEM (RS256 from 2,048 bits, ES256, ES384, EdDSA). */
  key: string | Uint8Array
  /** Who a token must be for, its `aud`. @defaultValue anybody */
  audience?: string | readonly string[] | undefined
  /** Who must have issued it, its `iss`. @defaultValue anybody */
  issuer?: string | readonly string[] | undefined
  /** By how much the clocks of issuer and server may differ, in milliseconds; 0 to 60,000. @defaultValue 5_000 */
  toleranceMs?: number | undefined
}

const MIN_SECRET_BYTES = 32
const MIN_RSA_BITS = 2_048
const MAX_TOLERANCE_MS = 60_000
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384' }

/**
 * Answers an `authenticate` that reads JSON Web Tokens: `createServer({ authenticate: jwt({ key }) })`.
 *
 * The user is the token's `sub`, for as long as `exp` says; a token without `exp` holds for ever. All claims are handed to the other
 * hooks as part of `user`. A token that is missing, wrong, or without a `sub` is nobody: 4401.
 *
 * @throws RangeError for a key that is too weak, or a tolerance out of range; TypeError for a key that is none.
 */
export function jwt(options: JwtOptions): (query: Pick<AuthenticateQuery, 'token'>) => Promise<User | null> {
  const { audience, issuer, toleranceMs = 5_000 } = options
  if (!(toleranceMs >= 0 && toleranceMs <= MAX_TOLERANCE_MS))
    throw new RangeError(`toleranceMs must be a number from 0 to ${MAX_TOLERANCE_MS}, not ${String(toleranceMs)}`)
  const key = keyOf(options.key)
  const rules = {
    algorithms: [algorithmOf(key)],
    clockTolerance: toleranceMs / 1_000,
    ...(audience !== undefined && { audience: listOf(audience) }),
    ...(issuer !== undefined && { issuer: listOf(issuer) }),
  }
  return async ({ token }) => {
    if (!token) return null
    try {
      const { payload } = await jwtVerify(token, key, rules)
      return userOf(payload, toleranceMs)
    } catch (error) {
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }
}

function userOf(payload: JWTPayload, toleranceMs: number): User | null {
  const { sub, exp } = payload
  if (!sub) return null
  return { ...payload, userId: sub, expiresAtMs: exp === undefined ? undefined : exp * 1_000 + toleranceMs }
}

function keyOf(given: string | Uint8Array): KeyObject {
  if (typeof given === 'string' && given.trimStart().startsWith('-----BEGIN')) {
    // Of a private key this makes the public one; nobody here needs to sign.
    return createPublicKey(given)
  }
  const bytes = typeof given === 'string' ? Buffer.from(given) : given
  if (!(bytes instanceof Uint8Array)) throw new TypeError('key must be a secret or a public key as PEM')
  if (bytes.length < MIN_SECRET_BYTES)
    throw new RangeError(`key must be a secret of at least ${MIN_SECRET_BYTES} bytes, not ${bytes.length}`)
  if (new Set(bytes).size < MIN_SECRET_BYTES / 4) throw new RangeError('key must be a secret that nobody can guess')
  return createSecretKey(bytes)
}

function algorithmOf(key: KeyObject): string {
  const { type, asymmetricKeyType, asymmetricKeyDetails } = key
  if (type === 'secret') return 'HS256'
  if (asymmetricKeyType === 'ed25519') return 'EdDSA'
  if (asymmetricKeyType === 'rsa') {
    const bits = asymmetricKeyDetails?.modulusLength ?? 0
    if (bits < MIN_RSA_BITS)
      throw new RangeError(`key must be an RSA key of at least ${MIN_RSA_BITS} bits, not ${bits}`)
    return 'RS256'
  }
  const algorithm = CURVES[asymmetricKeyDetails?.namedCurve ?? '']
  if (asymmetricKeyType === 'ec' && algorithm) return algorithm
  throw new TypeError(`key must be RSA, P-256, P-384 or Ed25519, not ${asymmetricKeyType ?? 'another one'}`)
}

function listOf(words: string | readonly string[]): string[] {
  return typeof words === 'string' ? [words] : [...words]
}
