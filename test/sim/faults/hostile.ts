// Peers that mean harm: broken messages on good sockets, in either direction, and strangers with sockets of their own.
//
// Rules of this file:
// - Towards a client only what it must refuse or ignore: a server that lies well cannot be found out.

import type { Fault, Strike } from './fault.ts'

const BROKEN = [
  '',
  'not json',
  '{"type":"ping","n":',
  'null',
  '[[{"type":"ping","n":1}]]',
  '{"type":"ping","n":1e999}',
  '{"type":"event","channel":"alpha","offset":-1,"id":"x","name":"m","data":0,"storedAtMs":0}',
  '{"type":"pub","channel":"alpha","sequence":0.5,"id":"x","name":"m","data":0}',
  '['.repeat(2_000),
]
const NEVER_MIND = [
  '{"type":"constructor"}',
  '{"type":"tomorrow","channel":"alpha"}',
  '{"type":"behind","channel":"__proto__"}',
  '{"type":"event","channel":"never heard of","offset":9007199254740991,"id":"x","name":"m","data":0,"storedAtMs":0}',
  '{"type":"page","channel":"alpha","request":9007199254740991,"from":1,"events":[],"more":false}',
  '{"type":"reset","channel":"alpha","request":9007199254740991,"reason":"x","position":{"epoch":"x","offset":0},"top":{"epoch":"x","offset":0}}',
  '{"type":"attached","channel":"alpha","request":9007199254740991,"grants":["read","write"],"top":{"epoch":"x","offset":0},"mode":"live"}',
  '{"type":"denied","channel":"alpha","request":9007199254740991,"code":"forbidden"}',
  '{"type":"detached","channel":"alpha","request":9007199254740991,"code":"producer-gone"}',
  '{"type":"pong","n":9007199254740991,"tops":[]}',
  '{"type":"error","code":"odd","message":"odd"}',
]
/** To the server alone: frames that cannot be. */
const ILLEGAL = [
  '{"type":"pub","channel":"never attached","sequence":1,"id":"x","name":"m","data":0}',
  '{"type":"fetch","channel":"never attached","request":1,"position":{"epoch":"x","offset":0},"count":9007199254740991}',
  '{"type":"hello","version":1,"producer":"somebody else","generation":1}',
  '{"type":"sub","channel":"","request":1,"want":["read"]}',
  '{"type":"unsub","channel":"never attached","request":1}',
]

function inject({ world, random }: Strike, direction: 'up' | 'down', text: string): void {
  const links = [...world.network.links].filter(({ isAccepted }) => isAccepted)
  if (links.length > 0) random.pick(links).inject(direction, text)
}

export const HOSTILE: readonly Fault[] = [
  {
    name: 'broken message to a client',
    rates: [0, 0, 0.01],
    strike(strike) {
      inject(strike, 'down', strike.random.pick(BROKEN))
      // A client stops after three of them in a row.
      strike.world.clock.schedule(20_000, () => strike.client.feed({ type: 'retry' }))
    },
  },
  {
    name: 'meaningless message to a client',
    rates: [0, 0, 0.05],
    strike: (strike) => inject(strike, 'down', strike.random.pick(NEVER_MIND)),
  },
  {
    name: 'broken message to the server',
    rates: [0, 0, 0.01],
    strike: (strike) => inject(strike, 'up', strike.random.pick([...BROKEN, ...ILLEGAL])),
  },
  {
    name: 'meaningless message to the server',
    rates: [0, 0, 0.05],
    strike: (strike) => inject(strike, 'up', strike.random.pick(NEVER_MIND)),
  },
  {
    name: 'hello twice',
    rates: [0, 0, 0.02],
    strike({ world, random, hellos }) {
      // As after a welcome that was lost.
      const links = [...world.network.links].filter((link) => link.isAccepted && hellos.has(link))
      if (links.length === 0) return
      const link = random.pick(links)
      link.inject('up', hellos.get(link) ?? '')
    },
  },
  {
    name: 'stranger',
    rates: [0, 0, 0.02],
    strike({ world, random, producers, plan, counts }) {
      const words = [...BROKEN, ...ILLEGAL, ...NEVER_MIND]
      const known = [...producers]
      // Somebody who has learnt a producer's id and is another user.
      const isThief = plan.hasUsers && known.length > 0 && random.chance(0.5)
      if (isThief) counts.add('stranger with a known producer')
      const producer = isThief ? random.pick(known) : `stranger ${random.between(0, 9)}`
      const handle = world.network.openSocket(
        {
          opened() {
            if (random.chance(0.9))
              handle.send(JSON.stringify({ type: 'hello', version: 1, producer, generation: 1_000_000 }))
            for (let i = random.between(0, 5); i > 0; i--) handle.send(random.pick(words))
          },
          received() {},
          ended() {},
        },
        { name: 'stranger', aheadMs: () => 0 },
      )
      world.clock.schedule(random.between(0, 20_000), () => handle.close(1_000, ''))
    },
  },
]
