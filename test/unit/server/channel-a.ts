// The channel `a`, and what one asks of it.

import type { Grant, Position, ServerFrame } from 'steadywire/protocol'
import { memoryStore } from '@steadywire/server'
import { type Actor, Stage, type StageParts } from './stage.ts'

/** A position in the first epoch. */
export const at = (offset: number, epoch = 'e1'): Position => ({ epoch, offset })

/** Subscribes and takes the answer. */
export function subscribe(
  client: Actor,
  position?: Position,
  extra: { want?: Grant[]; reset?: boolean; request?: number } = {},
): readonly ServerFrame[] {
  const { want = ['read'], request = 1, ...rest } = extra
  client.say({ type: 'sub', channel: 'a', request, want, ...(position && { position }), ...rest })
  return client.take()
}

/** Asks for a page and takes the answer. */
export function fetchAfter(client: Actor, offset: number, count = 256, request = 9): readonly ServerFrame[] {
  client.say({ type: 'fetch', channel: 'a', request, position: at(offset), count })
  return client.take()
}

/** A stage whose channel `a` has `count` messages, and room for `historyLimit` of them. */
export function stageWith(
  count: number,
  { historyLimit, ...parts }: StageParts & { historyLimit?: number } = {},
): Stage {
  const stage = new Stage({ store: memoryStore({ createId: () => 'e1', historyLimit }), ...parts })
  for (let i = 1; i <= count; i++) stage.publish('a', i)
  return stage
}
