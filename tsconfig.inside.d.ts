// What the inside may name of a platform: types that appear in options, and nothing one could call.

interface URL {
  readonly href: string
}

interface AbortSignal {
  readonly aborted: boolean
}
