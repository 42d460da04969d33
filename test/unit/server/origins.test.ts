// Which pages may open a connection.

import { describe, expect, test } from 'vitest'
import { isAllowedOrigin, parseOrigins } from '../../../server/src/origins.ts'

describe('without a list', () => {
  test.each([
    [undefined, 'app.example', true],
    ['https://app.example', 'app.example', true],
    ['http://app.example:8080', 'app.example:8080', true],
    ['https://APP.example', 'app.EXAMPLE', true],
    ['http://localhost:5173', 'app.example', true],
    ['http://127.0.0.1:5173', 'app.example', true],
    ['http://[::1]:5173', 'app.example', true],
    ['https://other.example', 'app.example', false],
    ['https://app.example.evil.example', 'app.example', false],
    ['https://localhost.evil.example', 'app.example', false],
    ['https://app.example:444', 'app.example', false],
    ['null', 'app.example', false],
    ['file://', 'app.example', false],
    ['', 'app.example', false],
    ['https://app.example', undefined, false],
  ])('origin %s at host %s: %s', (origin, host, isAllowed) => {
    expect(isAllowedOrigin(origin, host, undefined)).toBe(isAllowed)
  })
})

describe('with a list', () => {
  const allowed = parseOrigins(['https://app.example', 'http://Dev.example:80/'])

  test.each([
    [undefined, true],
    ['https://app.example', true],
    ['http://dev.example', true],
    ['http://app.example', false],
    ['https://app.example:8443', false],
    ['https://sub.app.example', false],
    ['http://localhost', false],
    ['null', false],
  ])('origin %s: %s', (origin, isAllowed) => {
    expect(isAllowedOrigin(origin, 'localhost', allowed)).toBe(isAllowed)
  })

  test.each([
    '*',
    'app.example',
    'https://app.example/path',
    'https://*.example',
    '',
    'file:///x',
    'https://a@b.example',
    'https://a.example#b',
    'https://a.example?b',
  ])('%j is refused as an entry, by name', (text) => {
    expect(() => parseOrigins([text])).toThrow(`"${text}" is not an origin`)
  })

  test('lets pages without an origin in where `null` is one of them', () => {
    expect(isAllowedOrigin('null', 'app.example', parseOrigins(['null']))).toBe(true)
  })
})
