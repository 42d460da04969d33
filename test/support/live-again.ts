// How long clients take to be live again after their connections were cut.
//
// Rules of this file:
// - Live means that messages flow: the client is connected and its channel live, not only the socket open.
// - A cut counts from the instant it was made; a session is as old as its client says.

import { type Client, type ClientOptions, createClient } from 'steadywire'
import type { FaultProxy } from './proxy.ts'
import { until } from './until.ts'

export interface CutPlan {
  readonly clients: number
  /** Every client is cut once in each round. */
  readonly rounds: number
  /** How old every session is when it is cut. */
  readonly olderThanMs: number
  readonly options?: Omit<ClientOptions, 'url'>
}

/** Cuts `clients` × `rounds` connections with RST and answers how long each took, shortest first. */
export async function measureCuts(proxy: FaultProxy, { clients, rounds, olderThanMs, options }: CutPlan) {
  const url = `ws://127.0.0.1:${proxy.port}/realtime`
  const all = Array.from({ length: clients }, () => createClient({ ...options, url }))
  const releases = all.map((client) => client.channel('recovery').retain())
  const tookMs: number[] = []
  for (let round = 0; round < rounds; round++) {
    await until(() => all.every((client) => isLive(client) && ageMs(client) > olderThanMs), olderThanMs + 30_000)
    const cutAtMs = performance.now()
    const back = all.map(liveAgain)
    proxy.cut('rst')
    tookMs.push(...(await Promise.all(back)).map((atMs) => atMs - cutAtMs))
  }
  for (const release of releases) release()
  await Promise.all(all.map((client) => client.close()))
  return tookMs.sort((a, b) => a - b)
}

/** The value that a share of `p` (0 to 1) of the sorted values stays under. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

/** One line with what was measured. */
export function figures(sorted: readonly number[]): string {
  const ms = (p: number) => `${Math.round(percentile(sorted, p))} ms`
  return `median ${ms(0.5)}, p95 ${ms(0.95)}, worst ${ms(1)}, of ${sorted.length}`
}

function isLive(client: Client): boolean {
  return client.state.getSnapshot().status === 'connected' && room(client).getSnapshot().status === 'live'
}

function ageMs(client: Client): number {
  return Date.now() - client.state.getSnapshot().sinceMs
}

// When this client, which is about to be cut, is live again. The status events tell of a loss even if it is over before
// the next snapshot.
function liveAgain(client: Client): Promise<number> {
  return new Promise((resolve) => {
    let isCut = false
    const look = () => {
      if (!isCut || !isLive(client)) return
      stopStatus()
      stopRoom()
      resolve(performance.now())
    }
    const stopStatus = client.on('status', ({ status }) => {
      isCut ||= status === 'reconnecting'
      look()
    })
    const stopRoom = room(client).subscribe(look)
  })
}

function room(client: Client) {
  return client.channel('recovery').state
}
