// A client that is connected to a scripted server, on a stage of its own: where most tests of publishing begin.

import type { Client } from 'steadywire'
import type { Answers, FakeServer } from './fake-server.ts'
import { Stage } from './stage.ts'

export interface Desk {
  readonly stage: Stage
  readonly server: FakeServer
  readonly client: Client
}

/** Takes publishes in and never answers them. */
export const SILENT: Answers = { pub: () => [] }

export async function connected(options: object = {}, answers: Answers = {}): Promise<Desk> {
  const stage = new Stage()
  const server = stage.fake(answers)
  return { stage, server, client: await stage.connected({ onError: () => {}, ...options }) }
}
