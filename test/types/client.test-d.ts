// What must compile, and what must not, with the reason beside it.

import {
  type Channel,
  type ChannelSnapshot,
  type Client,
  type ClientOptions,
  type ClientSnapshot,
  createClient,
  type ErrorCode,
  isRealtimeError,
  type Message,
  type Outcome,
  type Position,
  type RealtimeError,
  type Receipt,
  type Status,
} from 'steadywire'
import { toReadable } from 'steadywire/store'
import { describe, expectTypeOf, test } from 'vitest'

declare const client: Client
declare const channel: Channel

describe('createClient', () => {
  test('takes an address in every form', () => {
    expectTypeOf(createClient).toBeCallableWith({ url: 'wss://app.example' })
    expectTypeOf(createClient).toBeCallableWith({ url: new URL('wss://app.example') })
    expectTypeOf(createClient).toBeCallableWith({ url: () => 'wss://app.example' })
    expectTypeOf(createClient).toBeCallableWith({ url: async () => new URL('wss://app.example') })
  })

  test('takes groups of options in part', () => {
    const options: ClientOptions = { url: '', backoff: { baseDelayMs: 20 }, heartbeat: {}, connect: { auto: false } }
    expectTypeOf(options).toExtend<ClientOptions>()
  })

  test('refuses what cannot be meant', () => {
    // @ts-expect-error an address is needed: there is no sensible default
    createClient({})
    // @ts-expect-error an address is not a number
    createClient({ url: 8080 })
    // @ts-expect-error a misspelt option would be ignored in silence
    createClient({ url: '', backOff: {} })
    // @ts-expect-error a misspelt option in a group too
    createClient({ url: '', backoff: { baseDelay: 20 } })
    // @ts-expect-error a unit is part of the name, and a duration is a number
    createClient({ url: '', publish: { timeoutMs: '60s' } })
    // @ts-expect-error a close code means one of five things
    createClient({ url: '', closeCodes: { 4001: 'ignore' } })
  })

  test('takes policies for close codes by number', () => {
    expectTypeOf(createClient).toBeCallableWith({ url: '', closeCodes: { 4001: 'reauthorize', 4003: 'stop' } })
  })
})

describe('a client', () => {
  test('tells its state as a readable of snapshots', () => {
    expectTypeOf(client.state.getSnapshot()).toEqualTypeOf<ClientSnapshot>()
    expectTypeOf(client.state.subscribe).returns.toEqualTypeOf<() => void>()
    expectTypeOf<ClientSnapshot['status']>().toEqualTypeOf<Status>()
  })

  test('names the seven statuses and no other', () => {
    expectTypeOf<Status>().toEqualTypeOf<
      'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected' | 'failed' | 'closed'
    >()
    // @ts-expect-error there is no such status
    if (client.state.getSnapshot().status === 'open') return
  })

  test('has snapshots that cannot be written', () => {
    // @ts-expect-error a snapshot is a view, not a setting
    client.state.getSnapshot().status = 'connected'
  })

  test('gives listeners the detail of their event', () => {
    client.on('status', (snapshot) => expectTypeOf(snapshot).toEqualTypeOf<ClientSnapshot>())
    client.on('error', ({ error, channel }) => {
      expectTypeOf(error).toEqualTypeOf<RealtimeError>()
      expectTypeOf(channel).toEqualTypeOf<string | undefined>()
    })
    expectTypeOf(client.on('drained', () => {})).toEqualTypeOf<() => void>()
    // @ts-expect-error no such event: a misspelt name would never be heard
    client.on('connected', () => {})
  })

  test('closes with a promise of nothing', () => {
    expectTypeOf(client.close()).toEqualTypeOf<Promise<void>>()
    expectTypeOf(client.close).toBeCallableWith({ drainMs: 500 })
    // @ts-expect-error the unit is part of the name
    void client.close({ drain: 500 })
  })

  test('connects and disconnects without a result to wait for', () => {
    expectTypeOf(client.connect).returns.toEqualTypeOf<void>()
    expectTypeOf(client.disconnect).returns.toEqualTypeOf<void>()
    expectTypeOf(client.retryNow).returns.toEqualTypeOf<void>()
    // @ts-expect-error the address belongs to the client's options: another destination is another client
    client.connect('wss://other.example')
  })
})

describe('a channel', () => {
  test('is named by text', () => {
    expectTypeOf(client.channel('a')).toEqualTypeOf<Channel>()
    // @ts-expect-error a name is text
    client.channel(42)
  })

  test('hands over data as unknown: nobody has checked it', () => {
    channel.on('m', (data, message) => {
      expectTypeOf(data).toEqualTypeOf<unknown>()
      expectTypeOf(message).toEqualTypeOf<Message>()
      // @ts-expect-error what came over the wire is not yet a form
      void data.title
    })
  })

  test('takes handlers that return anything, promises too', () => {
    channel.on('m', async () => 1)
    channel.on('m', () => undefined)
    channel.onAny((message) => message.id)
    channel.onReset(async ({ snapshot }) => snapshot)
    // @ts-expect-error a handler is needed
    channel.on('m')
  })

  test('publishes anything that may be JSON, and promises a receipt', () => {
    expectTypeOf(channel.publish('m', { text: 'hi' })).toEqualTypeOf<Promise<Receipt>>()
    expectTypeOf(channel.publish).toBeCallableWith('m')
    expectTypeOf(channel.publish).toBeCallableWith('m', null, { timeoutMs: 5, signal: new AbortController().signal })
    // @ts-expect-error a message has a name
    void channel.publish()
    // @ts-expect-error a misspelt option would be ignored in silence
    void channel.publish('m', 1, { timeout: 5 })
  })

  test('takes a receipt as the base of the next publish', () => {
    expectTypeOf<Receipt>().toExtend<Position>()
  })

  test('gives every subscription back as the function that stops it', () => {
    expectTypeOf(channel.on('m', () => {})).toEqualTypeOf<() => void>()
    expectTypeOf(channel.onAny(() => {})).toEqualTypeOf<() => void>()
    expectTypeOf(channel.onReset(() => {})).toEqualTypeOf<() => void>()
    expectTypeOf(channel.retain()).toEqualTypeOf<() => void>()
  })

  test('tells its state as a readable of snapshots', () => {
    expectTypeOf(channel.state.getSnapshot()).toEqualTypeOf<ChannelSnapshot>()
    expectTypeOf<ChannelSnapshot['fresh']>().toEqualTypeOf<boolean | null>()
    expectTypeOf<ChannelSnapshot['position']>().toEqualTypeOf<Position | null>()
  })
})

describe('an error', () => {
  test('is told by a guard, from unknown', () => {
    const caught: unknown = undefined
    if (isRealtimeError(caught)) {
      expectTypeOf(caught.code).toEqualTypeOf<ErrorCode>()
      expectTypeOf(caught.outcome).toEqualTypeOf<Outcome | undefined>()
      // @ts-expect-error no such code: a comparison that can never hold is a mistake
      if (caught.code === 'time-out') return
    }
    // @ts-expect-error before the guard nothing is known of it
    void caught.code
  })

  test('has two outcomes, for the third is no error', () => {
    expectTypeOf<Outcome>().toEqualTypeOf<'rejected' | 'unknown'>()
  })
})

describe('toReadable', () => {
  test('is typed by what is selected', () => {
    const status = toReadable(client.state, (snapshot) => snapshot.status)
    expectTypeOf(status.getSnapshot()).toEqualTypeOf<Status>()
    status.subscribe((value) => expectTypeOf(value).toEqualTypeOf<Status>())
    expectTypeOf(toReadable(channel.state).getSnapshot()).toEqualTypeOf<ChannelSnapshot>()
    // @ts-expect-error there is nothing of that name in a snapshot
    toReadable(client.state, (snapshot) => snapshot.online)
  })

  test('compares what is selected, not what it is selected from', () => {
    const attempt = (snapshot: ClientSnapshot): number => snapshot.attempt
    expectTypeOf(toReadable(client.state, attempt, (a, b) => a > b)).toHaveProperty('subscribe')
    // @ts-expect-error two numbers are compared here, and numbers have no status
    toReadable(client.state, attempt, (a) => a.status)
  })
})
