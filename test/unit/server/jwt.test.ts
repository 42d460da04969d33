// Identity from JSON Web Tokens: which are taken, which are nobody, and which keys are refused.

import { generateKeyPairSync } from 'node:crypto'
import { jwt, type JwtOptions } from '@steadywire/server'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'

const SECRET = 'a secret of more than thirty-two bytes'
const KEY = new TextEncoder().encode(SECRET)

interface Claims {
  readonly sub?: string
  readonly aud?: string
  readonly iss?: string
  readonly [claim: string]: unknown
}

/** A token of these claims that holds for that many seconds from now, by HS256 unless said otherwise. */
async function signed(
  claims: Claims,
  livesSeconds?: number,
  algorithm = 'HS256',
  key: Parameters<SignJWT['sign']>[0] = KEY,
) {
  const token = new SignJWT(claims).setProtectedHeader({ alg: algorithm })
  if (livesSeconds !== undefined) token.setExpirationTime(Math.floor(Date.now() / 1_000) + livesSeconds)
  return await token.sign(key)
}

const ask = (token: string | undefined, options: Partial<JwtOptions> = {}) =>
  jwt({ key: SECRET, ...options })({ token })

describe('a token', () => {
  test('says who this is, for how long, and what else it claims', async () => {
    const user = await ask(await signed({ sub: 'alice', role: 'editor' }, 60))
    expect(user).toMatchObject({ userId: 'alice', role: 'editor' })
    expect(user?.expiresAtMs).toBeGreaterThan(Date.now() + 59_000)
    expect(user?.expiresAtMs).toBeLessThanOrEqual(Date.now() + 65_000)
  })

  test('without an end holds for ever', async () => {
    expect((await ask(await signed({ sub: 'alice' })))?.expiresAtMs).toBeUndefined()
  })

  test('cannot choose who it is but by its subject', async () => {
    const user = await ask(await signed({ sub: 'alice', userId: 'root', expiresAtMs: 1e15 }, 60))
    expect(user).toMatchObject({ userId: 'alice' })
    expect(user?.expiresAtMs).toBeLessThan(1e14)
  })

  test('that has just expired still counts, by the difference of two clocks', async () => {
    expect(await ask(await signed({ sub: 'alice' }, -3))).toMatchObject({ userId: 'alice' })
    expect(await ask(await signed({ sub: 'alice' }, -3), { toleranceMs: 0 })).toBeNull()
    expect(await ask(await signed({ sub: 'alice' }, -10))).toBeNull()
  })

  test.each([
    ['missing', async () => undefined],
    ['empty', async () => ''],
    ['no token at all', async () => 'x.y.z'],
    ['signed by another key', () => signed({ sub: 'a' }, 60, 'HS256', new TextEncoder().encode('x'.repeat(40)))],
    ['signed by another algorithm', () => signed({ sub: 'a' }, 60, 'HS512')],
    ['of nobody', () => signed({}, 60)],
    ['not signed', async () => `${btoa('{"alg":"none"}')}.${btoa('{"sub":"alice"}')}.`.replaceAll('=', '')],
  ])('%s is nobody', async (_, token) => {
    expect(await ask(await token())).toBeNull()
  })

  test.each([
    ['audience', { aud: 'us' }, { aud: 'them' }, { audience: 'us' }],
    ['issuer', { iss: 'login' }, { iss: 'elsewhere' }, { issuer: ['login', 'other'] }],
  ])('must be of the right %s, where one is given', async (_, right, wrong, options) => {
    expect(await ask(await signed({ sub: 'a', ...right }, 60), options)).toMatchObject({ userId: 'a' })
    expect(await ask(await signed({ sub: 'a', ...wrong }, 60), options)).toBeNull()
    expect(await ask(await signed({ sub: 'a' }, 60), options)).toBeNull()
  })
})

describe('a public key', () => {
  const pem = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ed = generateKeyPairSync('ed25519')

  test.each([
    ['RS256', rsa],
    ['ES256', ec],
    ['EdDSA', ed],
  ])('of %s reads what its private key has signed', async (algorithm, { publicKey, privateKey }) => {
    const key = publicKey.export(pem.publicKeyEncoding) as string
    expect(await ask(await signed({ sub: 'alice' }, 60, algorithm, privateKey), { key })).toMatchObject({
      userId: 'alice',
    })
  })

  test('is no secret to sign with', async () => {
    const key = rsa.publicKey.export(pem.publicKeyEncoding) as string
    const forged = await signed({ sub: 'alice' }, 60, 'HS256', new TextEncoder().encode(key))
    expect(await ask(forged, { key })).toBeNull()
  })
})

describe('a key is refused', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 })
  const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const pemOf = ({ publicKey }: typeof small) => publicKey.export({ type: 'spki', format: 'pem' }) as string

  test.each([
    ['shorter than 32 bytes', 'x'.repeat(31), /at least 32 bytes, not 31/],
    ['that anybody can guess', 'x'.repeat(64), /nobody can guess/],
    ['RSA below 2,048 bits', pemOf(small), /at least 2048 bits, not 1024/],
    ['on a curve that nobody uses', pemOf(curve), /must be RSA, P-256, P-384 or Ed25519/],
    ['that is none', 7 as unknown as string, /must be a secret or a public key/],
    ['that is broken', '-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----', /./],
  ])('%s', (_, key, message) => {
    expect(() => jwt({ key })).toThrow(message)
  })

  test.each([-1, 60_001, Number.NaN])('with a tolerance of %s', (toleranceMs) => {
    expect(() => jwt({ key: SECRET, toleranceMs })).toThrow(RangeError)
  })
})
