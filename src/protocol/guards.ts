// What a well-formed value is: checks that combine, and the reader that applies one row of them per frame.
//
// Rules of this file:
// - A guard judges shape: required fields, types, safe integers. Limits of content (lengths, depth) are `content.ts`,
//   because those are answered, while a broken shape closes the socket.
// - Unknown frames and unknown fields are not an error: a newer peer may send them.
// - Frame types are looked up in a Map: `constructor` is a word a peer may send.
// - Written by hand because the client carries them: the same schemas in zod weigh more than the client (`schema.ts`).

import type { Grant, Position } from './frames.ts'

export type Guard<T> = (value: unknown) => value is T
type Shape<T> = { readonly [Field in keyof T]-?: Guard<T[Field]> }
/**
 * One row per frame, one check per field: the compiler refuses a missing row and a check of another type. A row may be a guard
 * of its own, where a frame comes so often that a walk over a table costs too much.
 */
export type Shapes<Frame extends { type: string }> = {
  readonly [T in Frame['type']]:
    | Shape<Omit<Extract<Frame, { type: T }>, 'type'>>
    | Guard<Omit<Extract<Frame, { type: T }>, 'type'>>
}

export const isText = (value: unknown): value is string => typeof value === 'string'
export const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
/** Counts, offsets, sequences: never negative, never beyond 2⁵³ − 1, never a fraction. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
/** Spans, instants and rates: finite and never negative. */
export const isAmount = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0
/** Any JSON value, but present: a missing `data` is a broken frame. */
export const isPresent = (value: unknown): value is unknown => value !== undefined
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

// With `exactOptionalPropertyTypes` an optional field's type has no `undefined`, yet a field that is absent reads as one.
export function optional<T>(guard: Guard<T>): Guard<T> {
  return (value): value is T => value === undefined || guard(value)
}
export function listOf<T>(guard: Guard<T>): Guard<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(guard)
}
export function oneOf<T extends string>(...words: readonly T[]): Guard<T> {
  return (value): value is T => words.includes(value as T)
}
export function record<T>(shape: Shape<T>): Guard<T> {
  const checks = Object.entries<Guard<unknown>>(shape)
  return (value): value is T => isObject(value) && checks.every((check) => check[1](value[check[0]]))
}

export const isGrants = (): Guard<readonly Grant[]> => listOf(oneOf('read', 'write'))
export const positionShape = (): Shape<Position> => ({ epoch: isText, offset: isCount, tag: optional(isText) })

/** Judges one parsed value: the frame, `unknown` for a type this version does not know, `malformed` for anything else. */
export type FrameReader<Frame> = (value: unknown) => Frame | 'unknown' | 'malformed'

export function createReader<Frame extends { type: string }>(shapes: Shapes<Frame>): FrameReader<Frame> {
  const guards = new Map(
    Object.entries<Shape<unknown> | Guard<unknown>>(shapes as Record<string, Shape<unknown>>).map(([type, shape]) => [
      type,
      typeof shape === 'function' ? shape : record(shape),
    ]),
  )
  return (value) => {
    if (!isObject(value) || !isText(value['type'])) return 'malformed'
    const guard = guards.get(value['type'])
    if (!guard) return 'unknown'
    return guard(value) ? (value as unknown as Frame) : 'malformed'
  }
}
