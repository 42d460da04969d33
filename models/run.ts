// Checks the models: `npm run models`. With `--by-hand`, at larger bounds.
//
// Rules of this file:
// - A model without a switch must hold, and the search must have seen everything. With a switch it must be broken: every
//   switch that a model has is run, so none can be forgotten.
// - Searches run two at a time. What Spin and the compiler write goes to a temporary folder.
// - One line for each search as it ends, and a summary. Whatever is not as it must be ends with exit code 1.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Question, type Verdict, verdictOf } from './verdict.ts'

interface Search {
  readonly model: string
  readonly question: Question
  /** Definitions, the bounds among them: `FAULTS=3`. */
  readonly bounds: readonly string[]
  /** The switch that makes the model wrong. */
  readonly bug?: string
}

interface Bounds {
  /** What every model without a switch is asked, and how far. */
  readonly holds: readonly Search[]
  readonly limitMs: number
  readonly memoryMegabytes: number
}

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const AT_ONCE = 2
/** Deeper than any of them goes; a search that reaches it is not exhaustive and fails. */
const MAX_DEPTH = 100_000

const EVERY_TIME: Bounds = {
  holds: [
    holds('publish', 'safety', 'FAULTS=3'),
    holds('publish', 'liveness', 'FAULTS=3'),
    holds('publish', 'safety', 'FAULTS=2', 'N=4'),
    holds('recover', 'safety', 'FAULTS=2'),
    holds('recover', 'liveness', 'FAULTS=2'),
    holds('recover', 'safety', 'FAULTS=2', 'LEVEL=2'),
    holds('recover', 'liveness', 'FAULTS=2', 'LEVEL=2'),
    holds('freshness', 'safety', 'FAULTS=2'),
  ],
  limitMs: 300_000,
  memoryMegabytes: 4_000,
}

const BY_HAND: Bounds = {
  holds: [
    holds('publish', 'safety', 'FAULTS=4'),
    holds('publish', 'liveness', 'FAULTS=4'),
    holds('publish', 'safety', 'FAULTS=3', 'N=4'),
    holds('publish', 'safety', 'FAULTS=3', 'N=4', 'WINDOW=3'),
    holds('publish', 'safety', 'FAULTS=3', 'WISHES=2'),
    holds('recover', 'safety', 'FAULTS=3'),
    holds('recover', 'liveness', 'FAULTS=3'),
    holds('recover', 'safety', 'FAULTS=2', 'P=4'),
    holds('recover', 'liveness', 'FAULTS=2', 'P=4'),
    holds('recover', 'safety', 'FAULTS=3', 'LEVEL=2'),
    holds('recover', 'liveness', 'FAULTS=3', 'LEVEL=2'),
    holds('freshness', 'safety', 'FAULTS=3'),
    holds('freshness', 'safety', 'FAULTS=2', 'WISHES=2'),
  ],
  limitMs: 3_600_000,
  memoryMegabytes: 10_000,
}

/** Bounds at which each bug shows itself quickly, and what shows those that break no assertion: nothing goes on. */
const BUGS: Readonly<Record<string, { readonly bounds: readonly string[]; readonly liveness: readonly string[] }>> = {
  publish: { bounds: ['FAULTS=3'], liveness: ['BUG_SILENT'] },
  recover: {
    bounds: ['FAULTS=2'],
    liveness: ['BUG_NO_BEACON', 'BUG_TOP_BELOW', 'BUG_TOP_BY_OFFSET', 'BUG_JUDGE_BY_OFFSET', 'BUG_LOST_RING'],
  },
  freshness: { bounds: ['FAULTS=2'], liveness: [] },
}

function holds(model: string, question: Question, ...bounds: string[]): Search {
  return { model, question, bounds }
}

function bugsOf(model: string): Search[] {
  const { bounds, liveness } = BUGS[model] ?? { bounds: [], liveness: [] }
  const text = readFileSync(join(FOLDER, `${model}.pml`), 'utf8')
  const bugs = [...text.matchAll(/^#ifndef (BUG_\w+)$/gm)].map(([, bug = '']) => bug)
  return bugs.map((bug) => ({ model, bug, bounds, question: liveness.includes(bug) ? 'liveness' : 'safety' }))
}

// one search

async function verdictFor(search: Search, { limitMs, memoryMegabytes }: Bounds): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'steadywire-model-'))
  const definitions = [...search.bounds, search.bug, search.question === 'liveness' && 'LIVE']
  const flags = definitions.flatMap((definition) => (definition ? [`-D${definition}`] : []))
  const checker = search.question === 'safety' ? ['-DSAFETY', '-DNOCLAIM'] : []
  try {
    const spin = await run(folder, 'spin', ['-a', ...flags, join(FOLDER, `${search.model}.pml`)], limitMs)
    // What is found at once is not worth a compiler's while.
    const gcc = await run(
      folder,
      'gcc',
      [search.bug ? '-O0' : '-O2', '-w', ...checker, '-DCOLLAPSE', `-DMEMLIM=${memoryMegabytes}`, '-o', 'pan', 'pan.c'],
      limitMs,
    )
    if (/error/i.test(spin + gcc)) return { type: 'unclear', reason: `does not compile: ${(spin + gcc).trim()}` }
    const asked = search.question === 'safety' ? [] : ['-a']
    const hashBits = search.bug ? 20 : 24
    const output = await run(folder, './pan', [...asked, `-m${MAX_DEPTH}`, `-w${hashBits}`], limitMs)
    return verdictOf(output, search.question)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** All that a command says. One that takes too long says so too. */
function run(folder: string, command: string, args: readonly string[], limitMs: number): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: folder, timeout: limitMs })
    let said = ''
    child.stdout.on('data', (data: Buffer) => (said += data.toString()))
    child.stderr.on('data', (data: Buffer) => (said += data.toString()))
    child.on('error', failed)
    child.on('close', (_code, signal) => done(signal ? `error: ended by ${signal}\n${said}` : said))
  })
}

// all of them

function describe({ model, question, bounds, bug }: Search): string {
  return [model.padEnd(9), question.padEnd(8), [...bounds, bug].join(' ').trim().padEnd(36)].join(' ')
}

/** Whether it is as it must be, and how to say it. */
function judge(search: Search, verdict: Verdict): readonly [isGood: boolean, words: string] {
  const { bug } = search
  if (verdict.type === 'unclear') return [false, `FAILED: ${verdict.reason}`]
  const states = `${verdict.states.toLocaleString('en').padStart(11)} states`
  if (verdict.type === 'holds') return [!bug, `${states}  ${bug ? 'FAILED: the bug was not found' : 'holds'}`]
  return [!!bug, `${states}  ${bug ? 'found' : 'FAILED'}: ${verdict.promise}`]
}

function versionOf(command: string): string | undefined {
  const flag = command === 'spin' ? '-V' : '--version'
  return spawnSync(command, [flag], { encoding: 'utf8' }).stdout?.split('\n')[0]
}

async function checkAll(bounds: Bounds): Promise<boolean> {
  const versions = ['spin', 'gcc'].map(versionOf)
  if (versions.includes(undefined)) {
    console.log('models: spin and gcc are needed; on Debian: apt-get install spin gcc libc6-dev')
    return false
  }
  const command = bounds === BY_HAND ? 'npm run models -- --by-hand' : 'npm run models'
  console.log(`${command}: ${new Date().toISOString().slice(0, 10)}, ${versions.join(', ')}`)
  const startedAtMs = performance.now()
  const waiting = [...bounds.holds, ...Object.keys(BUGS).flatMap(bugsOf)]
  const count = waiting.length
  let goodCount = 0
  async function work(): Promise<void> {
    for (let search = waiting.shift(); search; search = waiting.shift()) {
      const begunAtMs = performance.now()
      const [isGood, words] = judge(search, await verdictFor(search, bounds))
      if (isGood) goodCount++
      console.log(`${describe(search)} ${secondsSince(begunAtMs).padStart(6)} s  ${words}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const failed = goodCount < count ? `, ${count - goodCount} FAILED` : ''
  console.log(`models: ${goodCount} of ${count} searches as they must be${failed}, ${secondsSince(startedAtMs)} s`)
  return goodCount === count
}

function secondsSince(instantMs: number): string {
  return ((performance.now() - instantMs) / 1_000).toFixed(1)
}

const unknownModel = readdirSync(FOLDER).find((name) => name.endsWith('.pml') && !(name.slice(0, -4) in BUGS))
if (unknownModel !== undefined) throw new Error(`${unknownModel} is not run: it needs a row in BUGS.`)
process.exitCode = (await checkAll(process.argv.includes('--by-hand') ? BY_HAND : EVERY_TIME)) ? 0 : 1
