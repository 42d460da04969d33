// The simulator must notice when a rule is broken: each canary breaks one, around the real session.

import { describe, expect, test } from 'vitest'
import type { Effect, Input } from '../../src/effects.ts'
import type { Session } from '../../src/session.ts'
import { runSeed } from './run.ts'
import type { Sabotage } from './sim-client.ts'

const SEEDS = 60

/** The seed whose run throws first, and what it says. */
function firstCaught(sabotage: Sabotage): string {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      runSeed(seed, sabotage)
    } catch (error) {
      return (error as Error).message.split('\n')[0] as string
    }
  }
  return 'never caught'
}

const changingEffects =
  (change: (effects: readonly Effect[]) => readonly Effect[]): Sabotage =>
  (session) => ({ ...session, step: (input, now) => change(session.step(input, now)) })

const changingInputs =
  (change: (input: Input, session: Session) => Input): Sabotage =>
  (session) => ({ ...session, step: (input, now) => session.step(change(input, session), now) })

describe('the simulator catches a client that', () => {
  test('hands a message over twice', () => {
    const twice = (effect: Effect): Effect[] =>
      effect.type === 'deliver' && effect.event === 'message' ? [effect, effect] : [effect]
    expect(firstCaught(changingEffects((effects) => effects.flatMap(twice)))).toMatch(/G9 broken/)
  })

  test('leaves out a message now and then', () => {
    let count = 0
    const isKept = (effect: Effect) => effect.type !== 'deliver' || effect.event !== 'message' || ++count % 50 > 0
    expect(firstCaught(changingEffects((effects) => effects.filter(isKept)))).toMatch(/G9 broken/)
  })

  test('hides a reset', () => {
    const isKept = (effect: Effect) => effect.type !== 'deliver' || effect.event !== 'reset'
    expect(firstCaught(changingEffects((effects) => effects.filter(isKept)))).toMatch(/G9 broken/)
  })

  test('calls acknowledged what is only unknown', () => {
    const lie = (effect: Effect): Effect =>
      effect.type === 'settle' && effect.result instanceof Error && effect.result.outcome === 'unknown'
        ? { ...effect, result: { id: effect.id, epoch: 'none', offset: 1 } }
        : effect
    expect(firstCaught(changingEffects((effects) => effects.map(lie)))).toMatch(/G2 broken/)
  })

  test('calls rejected what is only unknown', () => {
    const lie = (effect: Effect): Effect => {
      if (effect.type !== 'settle' || !(effect.result instanceof Error)) return effect
      return { ...effect, result: Object.assign(effect.result, { outcome: 'rejected' }) }
    }
    expect(firstCaught(changingEffects((effects) => effects.map(lie)))).toMatch(/G3 broken/)
  })

  test('forgets to settle', () => {
    let count = 0
    const isKept = (effect: Effect) => effect.type !== 'settle' || ++count % 20 > 0
    expect(firstCaught(changingEffects((effects) => effects.filter(isKept)))).toMatch(/G1 broken/)
  })

  test('settles twice', () => {
    const twice = (effect: Effect): Effect[] => (effect.type === 'settle' ? [effect, effect] : [effect])
    expect(firstCaught(changingEffects((effects) => effects.flatMap(twice)))).toMatch(/G1 broken/)
  })

  test('takes the end of an abandoned socket for the end of the new one', () => {
    let newest = 0
    const confuse = (input: Input): Input => {
      if ('socketId' in input) newest = Math.max(newest, input.socketId)
      return input.type === 'socket.ended' || input.type === 'socket.received' ? { ...input, socketId: newest } : input
    }
    expect(firstCaught(changingInputs(confuse))).toMatch(/broken|while/)
  })

  test('keeps abandoned sockets open', () => {
    const isKept = (effect: Effect) => effect.type !== 'socket.close'
    expect(firstCaught(changingEffects((effects) => effects.filter(isKept)))).toMatch(/G18 broken/)
  })

  test('does not wait between tries', () => {
    const hurry: Sabotage = (session) => ({
      ...session,
      dueInMs: () => Math.min(session.dueInMs(), session.getSnapshot().retryAtMs ? 10 : Infinity),
      step: (input, now) =>
        session.step(input.type === 'wake' && session.getSnapshot().retryAtMs ? { type: 'retry' } : input, now),
    })
    expect(firstCaught(hurry)).toMatch(/G16 broken/)
  })

  test('stops trying after a while', () => {
    const tire: Sabotage = (session) => {
      let tries = 0
      const isKept = (effect: Effect) => effect.type !== 'authorize' || ++tries < 4
      return { ...session, step: (input, now) => session.step(input, now).filter(isKept) }
    }
    expect(firstCaught(tire)).toMatch(/G13 broken/)
  })
})
