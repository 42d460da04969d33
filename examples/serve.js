// Serves the examples and the realtime server they talk to, on one port: `npm start`.
//
// Rules of this file:
// - Everyone is anonymous here, so it listens on this machine alone.
// - Everything is kept in memory: stop it and what was said is gone, which the pages then show.

import { existsSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { serveFiles } from './static-files.js'

const HOST = '127.0.0.1'
const PORT = Number(process.env.PORT ?? 3000)
const EXAMPLES = fileURLToPath(new URL('.', import.meta.url))
const DIST = fileURLToPath(new URL('../dist', import.meta.url))

if (!Number.isInteger(PORT) || PORT < 0 || PORT > 65_535) {
  stop(`PORT must be a number from 0 to 65535, not ${process.env.PORT}.`)
}
if (!existsSync(`${DIST}/steadywire.global.js`)) stop('The packages are not built yet. Run: npm run build')

// Not at the top: without a build this import says less than the line above.
const { createServer, memoryStore } = await import('@steadywire/server')

const http = createHttpServer(serveFiles({ '': EXAMPLES, dist: DIST }))
http.on('error', (error) => {
  if (error.code === 'EADDRINUSE') {
    stop(`Port ${PORT} is in use. Stop what uses it, or choose another one: PORT=${PORT + 1} npm start`)
  }
  if (error.code === 'EACCES') stop(`Port ${PORT} is not allowed here. Choose one above 1023: PORT=3000 npm start`)
  throw error
})

const realtime = createServer({ store: memoryStore() })
realtime.attach(http, { path: '/realtime' })

http.listen(PORT, HOST, () => {
  const { port } = http.address()
  console.log(`
  steadywire examples   http://${HOST}:${port}
  chat                  http://${HOST}:${port}/vanilla-chat/
  realtime server       ws://${HOST}:${port}/realtime   (everyone is anonymous, everything is in memory)

  Ctrl+C stops it.
`)
})

function stop(why) {
  console.error(why)
  process.exit(1)
}
