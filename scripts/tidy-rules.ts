// The rules of the house, each a function from files to complaints. `test/tidy.test.ts` runs them over the repository
// and shows each one a planted offence.
//
// Rules of this file:
// - A rule sees paths and texts only, so a planted file is as good as a real one. Paths are relative to the root.
// - What is allowed is a table at the top; a change of the house is a change of a row.

import { posix } from 'node:path'
import ts from 'typescript'

export interface TextFile {
  readonly path: string
  readonly text: string
}

export type Rule = (files: readonly TextFile[]) => string[]

/**
 * Who may enter which room: a file imports from lower floors, and from its own floor inside its own folder.
 * `protocol/` stands under the options, which name its close policies; `session/` stands between its parts and
 * `session.ts`, because it alone sees all three of them.
 */
const FLOORS: readonly (readonly [place: string, floor: number])[] = [
  ['src/env/environment.ts', 0],
  ['src/errors.ts', 0],
  ['src/protocol/', 0.5],
  ['src/options.ts', 1],
  ['src/emitter.ts', 1],
  ['src/snapshots.ts', 1],
  ['src/effects.ts', 2],
  ['src/env/browser.ts', 2],
  ['src/connection/', 3],
  ['src/delivery/', 3],
  ['src/session/', 3.5],
  ['src/session.ts', 4],
  ['src/driver.ts', 5],
  ['src/settlement.ts', 6],
  ['src/channel.ts', 6],
  ['src/client.ts', 7],
  ['src/index.ts', 8],
  ['src/testing/', 9],
  ['adapters/', 10],
]

/** What each entry of the packages is, for imports by name. */
const ENTRIES: Readonly<Record<string, string>> = {
  steadywire: 'src/index.ts',
  'steadywire/store': 'adapters/store.ts',
  'steadywire/protocol': 'src/protocol/index.ts',
  'steadywire/schema': 'src/protocol/schema.ts',
  'steadywire/testing': 'src/testing/index.ts',
  '@steadywire/server': 'server/src/index.ts',
  '@steadywire/server/sqlite': 'server/src/store/sqlite.ts',
}

/** What the server may import of `src`. */
const OPEN_TO_SERVER = ['src/protocol/index.ts', 'src/errors.ts']

/** The one file of `src` that may import zod; no file of the client may import it. */
const ZOD_ALLOWED = 'src/protocol/schema.ts'

/** Time, chance and the platform: named in `src/env/browser.ts` and nowhere else. */
const AMBIENT = new Set(
  `Date setTimeout clearTimeout setInterval clearInterval setImmediate queueMicrotask requestAnimationFrame performance
   window document navigator location globalThis self localStorage sessionStorage indexedDB console crypto fetch
   WebSocket BroadcastChannel MessageChannel Worker process Buffer require`.split(/\s+/),
)
const AMBIENT_FREE = ['src/', 'adapters/']
const AMBIENT_ALLOWED: readonly (readonly [place: string, names: readonly string[]])[] = [
  ['src/env/browser.ts', [...AMBIENT, 'Math.random']],
]

const MAX_CODE_LINES = 400

/** Imports go down the floors, and every file has one. */
export const floors: Rule = (files) =>
  files.filter(isIn('src/', 'adapters/')).flatMap((file) => {
    const floor = floorOf(file.path)
    if (floor === undefined) return [`${file.path}: has no floor; give it one in scripts/tidy-rules.ts`]
    return importsOf(file).flatMap(({ target, line }) => {
      if (target.startsWith('server/') && file.path.startsWith('src/testing/')) return []
      if (!/^(src|adapters|server|test|scripts|examples)\//.test(target)) return []
      const targetFloor = floorOf(target) ?? Infinity
      const isNeighbour = targetFloor === floor && posix.dirname(target) === posix.dirname(file.path)
      return targetFloor < floor || isNeighbour ? [] : [`${file.path}:${line}: floor ${floor} imports ${target}`]
    })
  })

/** No file imports itself, however long the way round; types count too. */
export const circles: Rule = (files) => {
  const edges = new Map(files.filter(isCode).map((file) => [file.path, importsOf(file).map(({ target }) => target)]))
  const finished = new Set<string>()
  const found: string[] = []
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) found.push([...way.slice(way.indexOf(path)), path].join(' → '))
    if (way.includes(path) || finished.has(path)) return
    for (const target of edges.get(path) ?? []) walk(target, [...way, path])
    finished.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return found
}

/** A relative import names a file that exists, extension and all. */
export const importsExist: Rule = (files) => {
  const paths = new Set(files.map(({ path }) => path))
  return files.filter(isCode).flatMap((file) =>
    importsOf(file).flatMap(({ specifier, target, line }) => {
      const isBuilt = target.includes('dist/')
      return !specifier.startsWith('.') || isBuilt || paths.has(target)
        ? []
        : [`${file.path}:${line}: imports ${specifier}, which is no file`]
    }),
  )
}

/** Adapters see the types of the public door and nothing else of the client. */
export const adapterImports: Rule = (files) =>
  files.filter(isIn('adapters/')).flatMap((file) =>
    importsOf(file).flatMap(({ target, isType, line }) => {
      if (!target.startsWith('src/') || (isType && target === 'src/index.ts')) return []
      return [`${file.path}:${line}: an adapter imports only types of src/index.ts, not ${target}`]
    }),
  )

/** The server sees the protocol and nothing else of the client. */
export const serverImports: Rule = (files) =>
  files.filter(isIn('server/src/')).flatMap((file) =>
    importsOf(file).flatMap(({ target, line }) => {
      if (!/^(src|adapters)\//.test(target) || OPEN_TO_SERVER.includes(target)) return []
      return [`${file.path}:${line}: the server imports only steadywire/protocol, not ${target}`]
    }),
  )

/** Bundlers keep all of zod, 90 kB, for its export `z`; and the client has none of it. */
export const zodImports: Rule = (files) =>
  files.filter(isCode).flatMap((file) =>
    importsOf(file).flatMap(({ specifier, names, line }) => {
      if (!/^zod(\/|$)/.test(specifier)) return []
      const where = `${file.path}:${line}`
      if (names.includes('z')) return [`${where}: imports { z }; write import * as z from '${specifier}'`]
      const isClient = /^(src|adapters)\//.test(file.path) && file.path !== ZOD_ALLOWED
      return isClient ? [`${where}: imports zod into the client`] : []
    }),
  )

/** Time, chance and the platform come in through the environment. */
export const ambientNames: Rule = (files) =>
  files.filter(isIn(...AMBIENT_FREE)).flatMap((file) => {
    const allowed = AMBIENT_ALLOWED.filter(([place]) => file.path.startsWith(place)).flatMap(([, names]) => names)
    const source = parse(file)
    const declared = new Set<string>()
    const used: { name: string; node: ts.Node }[] = []
    walkNodes(source, (node) => {
      if (isDeclaredName(node)) declared.add(node.text)
      else if (ts.isIdentifier(node) && isReference(node) && AMBIENT.has(node.text))
        used.push({ name: node.text, node })
      else if (ts.isPropertyAccessExpression(node) && node.getText(source) === 'Math.random')
        used.push({ name: 'Math.random', node })
    })
    return used
      .filter(({ name }) => !declared.has(name) && !allowed.includes(name))
      .map(({ name, node }) => `${file.path}:${lineOf(source, node)}: names ${name}; ask the environment`)
  })

/** Every name that leaves a file is written down. */
export const namedExports: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const source = parse(file)
    return source.statements.flatMap((node) => {
      const where = `${file.path}:${lineOf(source, node)}`
      if (ts.isExportDeclaration(node) && (!node.exportClause || ts.isNamespaceExport(node.exportClause)))
        return [`${where}: exports *; name what leaves`]
      if (file.path.endsWith('.config.ts')) return []
      const hasDefault =
        ts.isExportAssignment(node) ||
        (ts.canHaveModifiers(node) &&
          ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword) === true)
      return hasDefault ? [`${where}: has a default export; name it`] : []
    })
  })

/** A file is one idea; one that takes more than 400 lines of code is two. */
export const fileLength: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const source = parse(file)
    const lines = new Set<number>()
    const visit = (node: ts.Node): void => {
      const children = node.getChildren(source).filter((child) => !ts.isJSDoc(child))
      if (children.length > 0) return children.forEach(visit)
      if (node.getWidth(source) === 0) return
      for (let line = lineOf(source, node); line <= lineOf(source, node, 'end'); line += 1) lines.add(line)
    }
    visit(source)
    return lines.size > MAX_CODE_LINES ? [`${file.path}: ${lines.size} lines of code, at most ${MAX_CODE_LINES}`] : []
  })

/** A name says what is inside; these say that nobody knew. */
export const fileNames: Rule = (files) =>
  files
    .filter(({ path }) => /(^|\/)(utils?|helpers?|types?|common|misc)(\/|\.[cm]?[jt]sx?$)/.test(path))
    .filter(({ path }) => !path.startsWith('test/types/'))
    .map(({ path }) => `${path}: its name says nothing`)

/** A file begins by saying what it is for; a committed command is two lines that need no words. */
export const headers: Rule = (files) =>
  files
    .filter((file) => isCode(file) && !file.path.startsWith('server/bin/'))
    .filter(({ text }) => !/^(#!.*\n)?\s*\/[/*]/.test(text))
    .map(({ path }) => `${path}: does not begin with a comment`)

/** Every test runs. */
export const focusedTests: Rule = (files) =>
  files.filter(isIn('test/')).flatMap((file) => {
    const source = parse(file)
    const found: string[] = []
    walkNodes(source, (node) => {
      if (!ts.isPropertyAccessExpression(node) || !/^(only|skip|todo|fails)$/.test(node.name.text)) return
      if (!/^(test|it|describe|suite|bench)\b/.test(node.getText(source))) return
      found.push(`${file.path}:${lineOf(source, node)}: ${node.getText(source)}`)
    })
    return found
  })

/** The lock file installs from whichever registry the reader uses. */
export const lockHosts: Rule = (files) =>
  files
    .filter(({ path }) => posix.basename(path) === 'package-lock.json')
    .flatMap(({ path, text }) => linesMatching(path, text, /"resolved": "https?:/, 'names a registry'))

/** Nothing depends on where somebody keeps the repository. */
export const machinePaths: Rule = (files) =>
  files.flatMap(({ path, text }) =>
    linesMatching(path, text, /(?<![\w.*-])\/(?:work|home|root|Users)\/\w/, "is a path of somebody's machine"),
  )

export const RULES: Readonly<Record<string, Rule>> = {
  floors,
  circles,
  importsExist,
  adapterImports,
  serverImports,
  zodImports,
  ambientNames,
  namedExports,
  fileLength,
  fileNames,
  headers,
  focusedTests,
  lockHosts,
  machinePaths,
}

interface Import {
  readonly specifier: string
  /** The path it leads to inside the repository, or the specifier of a package. */
  readonly target: string
  readonly isType: boolean
  /** What is imported by name, as the other file calls it. */
  readonly names: readonly string[]
  readonly line: number
}

function importsOf(file: TextFile): Import[] {
  const source = parse(file)
  const found: Import[] = []
  const add = (literal: ts.Node | undefined, isType: boolean, names: readonly string[] = []): void => {
    if (literal === undefined || !ts.isStringLiteral(literal)) return
    const specifier = literal.text
    const target = specifier.startsWith('.')
      ? posix.join(posix.dirname(file.path), specifier)
      : (ENTRIES[specifier] ?? specifier)
    found.push({ specifier, target, isType, names, line: lineOf(source, literal) })
  }
  walkNodes(source, (node) => {
    if (ts.isImportDeclaration(node)) {
      const named = namedImportsOf(node.importClause)
      const names = named.map(({ name, propertyName }) => (propertyName ?? name).text)
      add(node.moduleSpecifier, isTypeImport(node.importClause), names)
    }
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
  })
  return found
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const named = namedImportsOf(clause)
  return clause.name === undefined && named.length > 0 && named.every(({ isTypeOnly }) => isTypeOnly)
}

function namedImportsOf(clause: ts.ImportClause | undefined): readonly ts.ImportSpecifier[] {
  const bindings = clause?.namedBindings
  return bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : []
}

function isDeclaredName(node: ts.Node): node is ts.Identifier {
  if (!ts.isIdentifier(node)) return false
  const { parent } = node
  const isNamedHere =
    ts.isVariableDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isClassDeclaration(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isImportClause(parent) ||
    ts.isNamespaceImport(parent)
  return isNamedHere && parent.name === node
}

/** Whether a name stands for a value: not a property's name, not part of a type. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node
  if (ts.isBindingElement(parent)) return parent.initializer === node
  if (ts.isExpressionWithTypeArguments(parent)) return !ts.isInterfaceDeclaration(parent.parent.parent)
  return !(ts.isTypeNode(parent) || ts.isTypeElement(parent) || ts.isClassElement(parent) || ts.isQualifiedName(parent))
}

function floorOf(path: string): number | undefined {
  return FLOORS.find(([place]) => (place.endsWith('/') ? path.startsWith(place) : path === place))?.[1]
}

function isIn(...places: readonly string[]): (file: TextFile) => boolean {
  return (file) => isCode(file) && places.some((place) => file.path.startsWith(place))
}

function isCode({ path }: TextFile): boolean {
  return /\.[cm]?[jt]sx?$/.test(path)
}

const parsed = new WeakMap<TextFile, ts.SourceFile>()

function parse(file: TextFile): ts.SourceFile {
  const source = parsed.get(file) ?? ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
  parsed.set(file, source)
  return source
}

function walkNodes(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walkNodes(child, visit))
}

function lineOf(source: ts.SourceFile, node: ts.Node, edge: 'start' | 'end' = 'start'): number {
  return source.getLineAndCharacterOfPosition(edge === 'start' ? node.getStart(source) : node.end).line + 1
}

function linesMatching(path: string, text: string, pattern: RegExp, complaint: string): string[] {
  return text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}: ${complaint}`] : []))
}
