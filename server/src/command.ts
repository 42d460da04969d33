// The command `steadywire-server`: from words on a command line to a running server, and back to an exit code.
//
// Rules of this file:
// - One table of flags: it parses, checks and explains. Every flag is also a variable `STEADYWIRE_…`; the flag wins.
// - What cannot be meant is refused before anything starts: exit 2, naming the flag. What cannot be done: exit 1.
// - Without a key for tokens everyone is anonymous, so it listens to this machine alone, and says so.
// - Secrets come by the name of a variable, never as a word: command lines are everybody's to read.

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { jwt } from './jwt.ts'
import { createServer, type ListenOptions, type ServerOptions } from './node.ts'
import { parseOrigins } from './origins.ts'
import { memoryStore } from './store/memory.ts'
import type { RetentionOptions } from './store/retention.ts'
import { type SqliteStore, sqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'

/** What the command needs of the process it runs in. */
export interface CommandIo {
  out(line: string): void
  err(line: string): void
  /** Calls `stop` when the process is asked to end: in good order, or at once. */
  onStop(stop: (how: 'drain' | 'close') => void): void
}

type Environment = Readonly<Record<string, string | undefined>>

interface Flag {
  readonly value?: string
  readonly help: string
  /** Whole numbers only, from here to there. */
  readonly range?: readonly [min: number, max: number]
  readonly isList?: boolean
}

const MAX_TIMER_MS = 2 ** 31 - 1
const DRAIN_MS = 10_000
const FLAGS = {
  port: { value: 'N', help: 'listen on this port; 0 takes a free one (default 8080)', range: [0, 65_535] },
  path: { value: 'PATH', help: 'where clients connect (default /realtime)' },
  host: { value: 'HOST', help: 'address to bind to; without authentication one of this machine (default 127.0.0.1)' },
  store: { value: 'WHERE', help: 'where messages are kept: memory (default), or sqlite:FILE' },
  origin: {
    value: 'URL',
    help: 'let pages of this origin connect; can be repeated (default: same host, localhost)',
    isList: true,
  },
  'jwt-key-env': {
    value: 'NAME',
    help: 'let in who has a JSON Web Token by the key in this variable: a secret of 32 bytes or more, or a public key as PEM',
  },
  'jwt-audience': { value: 'NAME', help: 'take only tokens for this audience' },
  'jwt-issuer': { value: 'NAME', help: 'take only tokens of this issuer' },
  'heartbeat-ms': { value: 'N', help: 'how often clients show life (default 25000)', range: [100, MAX_TIMER_MS] },
  'history-limit': { value: 'N', help: 'messages kept per channel (default 10000)', range: [1, 100_000_000] },
  'history-ttl-ms': {
    value: 'N',
    help: 'how long they are kept (default 86400000, a day)',
    range: [1_000, Number.MAX_SAFE_INTEGER],
  },
  'publishes-per-second': {
    value: 'N',
    help: 'publishes of one client; faster ones wait (default 1000)',
    range: [1, 1_000_000],
  },
  'volatile-per-second': {
    value: 'N',
    help: 'volatile messages of one client; of faster ones the newest count (default 120)',
    range: [1, 1_000_000],
  },
  'connections-per-user': {
    value: 'N',
    help: 'sessions of one user (default 20; no limit while everyone is anonymous)',
    range: [1, 1_000_000],
  },
  'max-connections': { value: 'N', help: 'connections in all (default 10000)', range: [1, 10_000_000] },
  'max-message-bytes': { value: 'N', help: 'size of one message (default 1048576)', range: [1_024, 268_435_456] },
  'max-buffered-bytes': {
    value: 'N',
    help: 'unsent bytes above which a client must fetch (default 1048576)',
    range: [0, 1_073_741_824],
  },
  'idle-timeout-ms': {
    value: 'N',
    help: 'when an unused channel is forgotten (default 1800000)',
    range: [0, Number.MAX_SAFE_INTEGER],
  },
  'drain-ms': {
    value: 'N',
    help: 'on SIGTERM, clients are asked to leave within this time; 0 closes at once (default 10000)',
    range: [0, 3_600_000],
  },
  'admin-token-env': { value: 'NAME', help: 'open the operators’ endpoints to the bearer token in this variable' },
  help: { help: 'print this' },
  version: { help: 'print the version' },
} as const satisfies Record<string, Flag>
type FlagName = keyof typeof FLAGS
type NumberFlag = { [Name in FlagName]: (typeof FLAGS)[Name] extends { range: unknown } ? Name : never }[FlagName]

class UsageError extends Error {}

/**
 * Runs the command until it is stopped.
 *
 * @param args - The words after the command's name.
 * @returns The exit code: 0 after `--help`, `--version` and a clean stop, 1 if it could not start, 2 for a wrong flag.
 */
export async function runCli(args: readonly string[], env: Environment, io: CommandIo): Promise<number> {
  try {
    const values = readFlags(args, env)
    if (values.has('help')) io.out(help())
    else if (values.has('version')) io.out(version())
    else return await serve(values, env, io)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    io.err(`steadywire-server: ${error.message}`)
    io.err('Try steadywire-server --help.')
    return 2
  }
}

async function serve(values: Flags, env: Environment, io: CommandIo): Promise<number> {
  const drainMs = numberOf(values, 'drain-ms') ?? DRAIN_MS
  const options = serverOptions(values, env)
  const where = listenOptions(values, options)
  const file = storeFile(values)
  if (file === undefined) return await serveStore(memoryStore(retention(values)), options, where, drainMs, io)
  let store: SqliteStore
  try {
    store = sqliteStore(file, retention(values))
  } catch (error) {
    io.err(`steadywire-server: ${messageOf(error)}`)
    return 1
  }
  try {
    return await serveStore(store, options, where, drainMs, io, `steadywire-server keeps messages in ${file}`)
  } finally {
    store.close()
  }
}

/** `more` is said when it listens. */
async function serveStore(
  store: Store,
  options: ServerOptions,
  where: ListenOptions,
  drainMs: number,
  io: CommandIo,
  ...more: readonly string[]
): Promise<number> {
  const server = createServer({ ...options, store })
  try {
    const { url } = await server.listen(where)
    if (!options.authenticate)
      io.err('warning: no authentication: everyone is anonymous, so only this machine can connect.')
    io.out(`steadywire-server ${version()} listens at ${url}`)
    for (const line of more) io.out(line)
  } catch (error) {
    await server.close()
    io.err(
      `steadywire-server: ${startFailure(error, options.authenticate ? { host: 'every address', ...where } : where)}`,
    )
    return 1
  }
  const how = await new Promise<'drain' | 'close'>((resolve) => io.onStop(resolve))
  if (how === 'drain' && drainMs > 0) {
    io.out(`steadywire-server: draining within ${drainMs} ms`)
    await server.drain({ windowMs: drainMs })
  } else {
    io.out('steadywire-server: closing')
    await server.close()
  }
  return 0
}

function serverOptions(values: Flags, env: Environment): ServerOptions {
  return {
    origins: checkedOrigins(values.get('origin')),
    heartbeatMs: numberOf(values, 'heartbeat-ms'),
    idleTimeoutMs: numberOf(values, 'idle-timeout-ms'),
    adminToken: secretIn('admin-token-env', values, env),
    authenticate: authentication(values, env),
    limits: {
      connections: numberOf(values, 'max-connections'),
      connectionsPerUser: numberOf(values, 'connections-per-user'),
      publishesPerSecond: numberOf(values, 'publishes-per-second'),
      volatilePerSecond: numberOf(values, 'volatile-per-second'),
      maxMessageBytes: numberOf(values, 'max-message-bytes'),
      maxBufferedBytes: numberOf(values, 'max-buffered-bytes'),
    },
  }
}

function retention(values: Flags): RetentionOptions {
  return {
    historyLimit: numberOf(values, 'history-limit'),
    historyTtlMs: numberOf(values, 'history-ttl-ms'),
    idleMs: numberOf(values, 'idle-timeout-ms'),
  }
}

/** Undefined for memory. */
function storeFile(values: Flags): string | undefined {
  const where = values.get('store')?.at(-1) ?? 'memory'
  if (where === 'memory') return undefined
  const file = /^sqlite:(.+)$/.exec(where)?.[1]
  if (file === undefined) throw new UsageError(`--store ${where}: must be memory or sqlite:FILE.`)
  return file
}

function checkedOrigins(origins: readonly string[] | undefined): readonly string[] | undefined {
  try {
    if (origins) parseOrigins(origins)
    return origins
  } catch (error) {
    throw new UsageError(`--origin: ${messageOf(error)}`)
  }
}

function listenOptions(values: Flags, { authenticate }: ServerOptions): ListenOptions {
  const path = values.get('path')?.[0]
  if (path !== undefined && !/^\/[^?#\s]*$/.test(path))
    throw new UsageError(`--path ${path}: a path begins with "/" and has no "?" or "#".`)
  const host = values.get('host')?.[0]
  if (host !== undefined && !authenticate && !isLoopback(host))
    throw new UsageError(
      `--host ${host}: without authentication only this machine may connect: 127.0.0.1, ::1 or localhost.`,
    )
  return { port: numberOf(values, 'port'), path, host }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** What stands in the variable that the flag names. */
function secretIn(flag: 'admin-token-env' | 'jwt-key-env', values: Flags, env: Environment): string | undefined {
  const name = values.get(flag)?.at(-1)
  if (name === undefined) return undefined
  const secret = env[name]
  if (secret) return secret
  throw new UsageError(`--${flag} ${name}: that variable is not set or is empty.`)
}

function authentication(values: Flags, env: Environment): ServerOptions['authenticate'] {
  const key = secretIn('jwt-key-env', values, env)
  const [audience, issuer] = [values.get('jwt-audience')?.at(-1), values.get('jwt-issuer')?.at(-1)]
  if (key === undefined) {
    if (audience === undefined && issuer === undefined) return undefined
    throw new UsageError('--jwt-audience and --jwt-issuer need --jwt-key-env.')
  }
  try {
    return jwt({ key, audience, issuer })
  } catch (error) {
    throw new UsageError(`--jwt-key-env: ${messageOf(error)}.`)
  }
}

type Flags = ReadonlyMap<FlagName, readonly string[]>

function readFlags(args: readonly string[], env: Environment): Flags {
  const values = new Map<FlagName, readonly string[]>()
  const set = (name: FlagName, given: readonly string[], source: string) => {
    const { range }: Flag = FLAGS[name]
    if (range) for (const text of given) checkNumber(source, text, ...range)
    values.set(name, given)
  }
  const flags = parsedFlags(args)
  for (const name of FLAG_NAMES) {
    const variable = variableOf(name)
    const text = env[variable]
    const given = flags.get(name)
    if (given) set(name, given, `--${name}`)
    // Only a flag with a value can be a variable: STEADYWIRE_HELP would be a trap.
    else if (text && takesValue(name)) set(name, isList(name) ? text.split(',') : [text], variable)
  }
  return values
}

function parsedFlags(args: readonly string[]): Flags {
  const options = Object.fromEntries(
    FLAG_NAMES.map((name) => [name, { type: takesValue(name) ? 'string' : 'boolean', multiple: true } as const]),
  )
  let values: Record<string, unknown>
  try {
    values = parseArgs({ args: [...args], options, allowPositionals: false }).values
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ', 1)[0] ?? '')
  }
  return new Map(
    FLAG_NAMES.filter((name) => values[name]).map((name) => [name, (values[name] as unknown[]).map(String)]),
  )
}

function checkNumber(source: string, text: string, min: number, max: number): void {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`${source} ${text}: must be a whole number from ${min} to ${max}.`)
}

/** The last one given counts, as with other commands. */
function numberOf(values: Flags, name: NumberFlag): number | undefined {
  const text = values.get(name)?.at(-1)
  return text === undefined ? undefined : Number(text)
}

function startFailure(error: unknown, { port = 8080, host = '127.0.0.1' }: ListenOptions): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE')
    return `port ${port} on ${host} is in use. Stop what listens there, or choose another one with --port.`
  if (code === 'EACCES')
    return `port ${port} needs rights that this process has not. Choose one above 1023 with --port.`
  return `cannot listen on ${host}, port ${port}: ${messageOf(error)}`
}

function help(): string {
  const rows = FLAG_NAMES.map((name) => {
    const { value, help: text }: Flag = FLAGS[name]
    return `  ${`--${name}${value ? ` ${value}` : ''}`.padEnd(28)}${text}`
  })
  return [
    'steadywire-server [flags]',
    '',
    ...rows,
    '',
    `Each flag with a value is also a variable: ${variableOf('heartbeat-ms')} for --heartbeat-ms. The flag wins.`,
    `In ${variableOf('origin')} origins are separated by commas.`,
  ].join('\n')
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function variableOf(name: FlagName): string {
  return `STEADYWIRE_${name.toUpperCase().replaceAll('-', '_')}`
}

function takesValue(name: FlagName): boolean {
  return 'value' in FLAGS[name]
}

function isList(name: FlagName): boolean {
  return 'isList' in FLAGS[name]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const FLAG_NAMES = Object.keys(FLAGS) as FlagName[]
