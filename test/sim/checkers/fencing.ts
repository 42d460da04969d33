// G23: at most one connection acts for a producer. Seen on the wire: who has been welcomed and has not been let go of.
// That an older one changes nothing in the log is the oracle's to see.

import type { Link, NetworkWatch } from 'steadywire/testing'
import { violation } from './checker.ts'
import type { Accusations } from './honesty.ts'

const CLOSE_BAD_FRAME = 4400

/** The watch, and every producer's id that has been seen. */
export interface Fence extends NetworkWatch, Accusations {
  readonly producers: ReadonlySet<string>
  /** What each socket has said first. */
  readonly hellos: Pick<WeakMap<Link, string>, 'get' | 'has'>
}

export function fencing(startCount: () => number): Fence {
  const producerOf = new WeakMap<Link, string>()
  const producers = new Set<string>()
  const accusations: string[] = []
  const hellos = new WeakMap<Link, string>()
  const acting = new Map<string, Link>()
  const generationOf = new WeakMap<Link, number>()
  // The newest that was let in since the server was started.
  const newest = new Map<string, number>()
  return {
    producers,
    hellos,
    dialled() {},
    sentUp(link, text) {
      if (producerOf.has(link)) return
      const producer = /"producer":"([^"]+)"/.exec(text)?.[1]
      if (producer === undefined) return
      producerOf.set(link, producer)
      producers.add(producer)
      hellos.set(link, text)
      generationOf.set(link, Number(/"generation":(\d+)/.exec(text)?.[1]))
    },
    sentDown(link, text) {
      if (!text.includes('"type":"welcome"')) return
      const producer = producerOf.get(link)
      if (producer === undefined) violation('G22', `${link.owner} is welcomed before it has said who it is`)
      const other = acting.get(producer)
      if (other && other !== link) violation('G23', `two connections act for one producer of ${link.owner}`)
      acting.set(producer, link)
      const generation = generationOf.get(link) ?? 0
      const key = `${startCount()} ${producer}`
      if (generation < (newest.get(key) ?? 0)) violation('G23', `an older connection of ${link.owner} is let in`)
      newest.set(key, generation)
    },
    accusations,
    leftByServer(link, code, reason) {
      if (code === CLOSE_BAD_FRAME) accusations.push(`${link.owner}: ${reason}`)
      const producer = producerOf.get(link)
      if (producer !== undefined && acting.get(producer) === link) acting.delete(producer)
    },
  }
}
