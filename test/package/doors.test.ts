// What each entry of the packages lets out, by name, as kept in doors.txt; and that its declarations say what they mean.
//
// A new name belongs in doors.txt: `npm run test:package -- -u` writes it, the reviewer reads it.

import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { INTERNAL_NAMES, INTERNAL_TEXTS } from '../../scripts/internal-names.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const DOORS = [
  ['steadywire', 'dist/index'],
  ['steadywire/store', 'dist/store'],
  ['steadywire/protocol', 'dist/protocol'],
  ['steadywire/schema', 'dist/schema'],
  ['steadywire/testing', 'dist/testing'],
  ['@steadywire/server', 'server/dist/index'],
  ['@steadywire/server/sqlite', 'server/dist/sqlite'],
] as const

const program = programOf(DOORS.map(([, path]) => path))

test('the doors let out what is written down', async () => {
  const written = DOORS.map(([name, path]) => {
    const { values, types } = namesIn(`${ROOT}${path}.d.ts`)
    return `${name}\n${[...values, ...types.map((type) => `type ${type}`)].map((line) => `  ${line}\n`).join('')}`
  })
  await expect(written.join('\n')).toMatchFileSnapshot('doors.txt')
})

test.each(DOORS)('%s exports the values it declares', async (_, path) => {
  const module = (await import(/* @vite-ignore */ `${ROOT}${path}.js`)) as object
  expect(Object.keys(module).sort()).toEqual(namesIn(`${ROOT}${path}.d.ts`).values)
})

test('no declaration says any', () => {
  const isAny = (node: ts.Node): boolean => node.kind === ts.SyntaxKind.AnyKeyword
  expect(declared(program, isAny)).toEqual([])
})

test('no declaration for pages shows a property or a text that the build calls something else', () => {
  const isShortened = (node: ts.Node): boolean =>
    (ts.isStringLiteral(node) && INTERNAL_TEXTS.includes(node.text)) ||
    ((ts.isTypeElement(node) || ts.isClassElement(node)) &&
      node.name !== undefined &&
      ts.isIdentifier(node.name) &&
      INTERNAL_NAMES.includes(node.name.text))
  expect(declared(programOf(['dist/index', 'dist/store']), isShortened)).toEqual([])
})

/** Where the declarations of the build have such a node. */
function declared(where: ts.Program, isMeant: (node: ts.Node) => boolean): string[] {
  const folders = [`${ROOT}dist/`, `${ROOT}server/dist/`]
  const ours = where.getSourceFiles().filter(({ fileName }) => folders.some((folder) => fileName.startsWith(folder)))
  expect(ours).not.toEqual([])
  return ours.flatMap((source) => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (isMeant(node))
        found.push(`${source.fileName}: ${node.parent.getText(source).slice(0, 60)} … ${node.getText(source)}`)
      ts.forEachChild(node, visit)
    }
    visit(source)
    return found
  })
}

function programOf(paths: readonly string[]): ts.Program {
  return ts.createProgram(
    paths.map((path) => `${ROOT}${path}.d.ts`),
    { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, noEmit: true },
  )
}

function namesIn(path: string): { values: string[]; types: string[] } {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(path)
  const symbol = source && checker.getSymbolAtLocation(source)
  if (symbol === undefined) throw new Error(`${path} is not there or exports nothing`)
  const values: string[] = []
  const types: string[] = []
  for (const exported of checker.getExportsOfModule(symbol)) {
    const { flags } = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    const isTypeOnly = exported.declarations?.some((at) => ts.isExportSpecifier(at) && at.isTypeOnly) === true
    const list = flags & ts.SymbolFlags.Value && !isTypeOnly ? values : types
    list.push(exported.name)
  }
  return { values: values.sort(), types: types.sort() }
}
