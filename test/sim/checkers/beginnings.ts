// G10: a reset's snapshot stands for its position: it contains everything up to there. What it may contain beyond that is
// marked on the messages that follow.

import type { Position } from '../../../src/protocol/frames.ts'
import type { Folded, Taken } from '../hooks.ts'
import type { Oracle } from '../oracle.ts'
import { type Checker, violation, type Watched } from './checker.ts'

export function beginnings(oracle: Oracle): Checker {
  // By client and channel: what the last snapshot contains.
  const contained = new WeakMap<Watched, Map<string, Position>>()
  return {
    reset(client, channel, { position, snapshot }) {
      const byChannel = contained.get(client) ?? new Map<string, Position>()
      contained.set(client, byChannel)
      byChannel.delete(channel)
      if (snapshot === undefined) return
      const { taken, folded, id } = snapshot as Partial<Taken & Folded>
      const where = `${channel} ${position.epoch}:${position.offset}`
      if (taken) {
        if (taken.epoch !== position.epoch || taken.offset < position.offset)
          violation('G10', `${client.name} begins at ${where} with a snapshot of ${taken.epoch}:${taken.offset}`)
        byChannel.set(channel, taken)
      } else if (folded !== position.offset || (folded > 0 && oracle.entry(channel, position.epoch, folded)?.id !== id))
        violation('G10', `${client.name} begins at ${where} with a state of ${folded} messages, the last one ${id}`)
    },
    received(client, channel, { epoch, offset, overlap }) {
      const taken = contained.get(client)?.get(channel)
      if (taken?.epoch === epoch && offset <= taken.offset && !overlap)
        violation('G10', `${client.name} gets ${channel} ${offset}, which its snapshot of ${taken.offset} contains`)
    },
  }
}
