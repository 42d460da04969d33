// Serves the examples and the realtime server they talk to, on one port: `npm start`.
//
// Rules of this file:
// - Everyone is anonymous here, so it listens on this machine alone.
// - Messages are kept in a file of its own, which outlives a crash as well as Ctrl+C; delete it and all begins anew.
//   With STORE=memory what was said is gone when it stops, which the pages then show.

import { existsSync, mkdirSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serveFiles } from './static-files.js'

const HOST = '127.0.0.1'
const PORT = Number(process.env.PORT ?? 3000)
const EXAMPLES = fileURLToPath(new URL('.', import.meta.url))
const STORE = process.env.STORE || fileURLToPath(new URL('.data/messages.db', import.meta.url))
const DIST = fileURLToPath(new URL('../dist', import.meta.url))

if (!Number.isInteger(PORT) || PORT < 0 || PORT > 65_535) {
  stop(`PORT must be a number from 0 to 65535, not ${process.env.PORT}.`)
}
if (!existsSync(`${DIST}/steadywire.global.js`)) stop('The packages are not built yet. Run: npm run build')

// Not at the top: without a build this import says less than the line above.
const { createServer, memoryStore } = await import('@steadywire/server')
const { sqliteStore } = await import('@steadywire/server/sqlite')

const http = createHttpServer(serveFiles({ '': EXAMPLES, dist: DIST }))
http.on('error', (error) => {
  if (error.code === 'EADDRINUSE') {
    stop(`Port ${PORT} is in use. Stop what uses it, or choose another one: PORT=${PORT + 1} npm start`)
  }
  if (error.code === 'EACCES') stop(`Port ${PORT} is not allowed here. Choose one above 1023: PORT=3000 npm start`)
  throw error
})

http.listen(PORT, HOST, () => {
  // Not before: whoever starts this twice is told about the port, not about the file.
  const { store, where } = openStore()
  createServer({ store }).attach(http, { path: '/realtime' })
  const { port } = http.address()
  console.log(`
  steadywire examples   http://${HOST}:${port}
  chat                  http://${HOST}:${port}/vanilla-chat/
  realtime server       ws://${HOST}:${port}/realtime   (everyone is anonymous)
  messages              ${where}

  Ctrl+C stops it.
`)
})

function openStore() {
  if (STORE === 'memory') return { store: memoryStore(), where: 'in memory: they are gone when it stops' }
  const file = relative('', STORE)
  try {
    mkdirSync(dirname(STORE), { recursive: true })
    return { store: sqliteStore(STORE), where: `${file}   (STORE=memory npm start keeps them in memory)` }
  } catch (error) {
    return stop(`${error.message}\nOr keep messages in memory: STORE=memory npm start`)
  }
}

function stop(why) {
  console.error(why)
  process.exit(1)
}
