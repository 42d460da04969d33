// Limits of what a well-formed frame may hold. A breach is answered (`denied`, `nack`) and the connection stays.
//
// Rules of this file:
// - Lengths are counted in UTF-8 bytes, the same on both sides and in every language.
// - Nothing here allocates or recurses by a number that a peer sent.

/** A channel name, at most, in UTF-8 bytes. */
export const MAX_CHANNEL_BYTES = 256
/** A message name or any id, at most, in UTF-8 bytes. */
export const MAX_ID_BYTES = 64
/** How deep `data` may nest: `1` is a flat object. */
export const MAX_DEPTH = 64
/** Frames are gathered into WebSocket messages up to this size; one larger frame travels alone. */
export const MAX_BATCH_BYTES = 65_536

/** The UTF-8 length of `text`, without encoding it. Half a surrogate pair counts two bytes, also where it stands alone. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) bytes += unit > 0x7ff && unit >>> 11 !== 0x1b ? 2 : 1
  }
  return bytes
}

/** Whether `value` nests no deeper than `depth`. Stops at the limit, however deep the value is. */
export function isShallow(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  for (const inner of Object.values(value)) if (typeof inner === 'object' && !isShallow(inner, depth - 1)) return false
  return true
}

/** Half a surrogate pair is no character: other languages cannot encode it, and what they kept instead would collide. */
function isName(text: string, maxBytes: number): boolean {
  return typeof text === 'string' && /^\P{Surrogate}+$/u.test(text) && utf8Bytes(text) <= maxBytes
}

/** Whether `name` can name a channel. Any text will do, `constructor` too; it is only ever a key of a Map. */
export function isChannelName(name: string): boolean {
  return isName(name, MAX_CHANNEL_BYTES)
}

/** Whether `id` can name a message or be an identifier. */
export function isIdentifier(id: string): boolean {
  return isName(id, MAX_ID_BYTES)
}
