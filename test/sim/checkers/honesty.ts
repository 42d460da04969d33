// Nobody accuses an honest peer: where no message was tampered with, neither side closes a socket as against the protocol.

import type { Counts } from '../counts.ts'
import { type Checker, violation } from './checker.ts'

const BAD_FRAME = 4400
const TO_CLIENTS = ['broken message to a client', 'meaningless message to a client']
const TO_THE_SERVER = ['broken message to the server', 'meaningless message to the server', 'hello twice', 'stranger']

/** What the server has closed as against the protocol, in words. */
export interface Accusations {
  readonly accusations: readonly string[]
}

export function honesty(counts: Counts, { accusations }: Accusations): Checker {
  const isHonest = (faults: readonly string[]): boolean => faults.every((name) => counts.get(name) === 0)
  return {
    stepped({ name, session }, _input, effects) {
      const isAccused = effects.some((effect) => effect.type === 'socket.close' && effect.closeCode === BAD_FRAME)
      // Too many new starts end a connection too, but are nobody's fault.
      if (isAccused && session.getSnapshot().cause?.code === 'protocol' && isHonest(TO_CLIENTS))
        violation('G21', `${name}: ${session.getSnapshot().cause?.message}, and the server is honest`)
    },
    finished() {
      if (accusations.length > 0 && isHonest(TO_THE_SERVER)) violation('G21', `an honest client: ${accusations[0]}`)
    },
  }
}
