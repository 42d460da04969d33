// Answers requests for the files of the examples: `npm start` needs no web server of anybody else's.
//
// Rules of this file:
// - Only what lies under a mapped folder is served, symbolic links resolved; names that begin with a dot never are.
// - Nothing is cached: an edit shows on reload.
// - Pages may load from this server alone, and connect only by WebSocket.

import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'

const CONTENT_TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'self'",
  'x-content-type-options': 'nosniff',
}

/**
 * Makes a request listener that serves folders.
 *
 * @param {Record<string, string>} folders folder for each first part of a path; `''` is for every other path
 */
export function serveFiles(folders) {
  return async (request, response) => {
    const answer = (status, text, headers = {}) => {
      response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8', ...headers })
      response.end(request.method === 'HEAD' ? undefined : `${text}\n`)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answer(405, 'Only GET and HEAD are answered here.', { allow: 'GET, HEAD' })
    }
    const path = pathOf(request.url)
    if (path === undefined) return answer(400, 'This address cannot be read.')
    const found = await find(path, folders)
    if (!found) return answer(404, `There is nothing at ${path}.`)
    // Relative links on a folder's page only lead into the folder if its address ends with a slash.
    if (found.isFolder) return answer(308, 'See there.', { location: `${encodeURI(path)}/` })
    response.writeHead(200, {
      ...HEADERS,
      'content-type': CONTENT_TYPES[extname(found.file)] ?? 'application/octet-stream',
      'content-length': found.bytes,
    })
    if (request.method === 'HEAD') return response.end()
    createReadStream(found.file)
      .on('error', () => response.destroy())
      .pipe(response)
  }
}

function pathOf(target) {
  try {
    const path = decodeURIComponent(new URL(target, 'http://localhost').pathname)
    return path.includes('\0') ? undefined : path
  } catch {
    return undefined
  }
}

async function find(path, folders) {
  const parts = path.split('/').slice(1)
  const isOdd = (part, at) => part.startsWith('.') || part.includes(sep) || (part === '' && at < parts.length - 1)
  if (parts.some(isOdd)) return undefined
  const [first = '', ...rest] = parts
  const [folder, inside] = first !== '' && Object.hasOwn(folders, first) ? [folders[first], rest] : [folders[''], parts]
  const isPage = inside.at(-1) === ''
  try {
    const root = await realpath(folder)
    const file = await realpath(join(root, ...inside, isPage ? 'index.html' : ''))
    if (!file.startsWith(root + sep)) return undefined
    const facts = await stat(file)
    return { file, bytes: facts.size, isFolder: facts.isDirectory() }
  } catch {
    return undefined
  }
}
