// What `bin/steadywire-server.js` runs: the command, in this process.

import { type CommandIo, runCli } from './command.ts'

const io: CommandIo = {
  out: (line) => console.log(line),
  err: (line) => console.error(line),
  onStop(stop) {
    // Once each: a second signal ends the process as signals do.
    process.once('SIGTERM', () => stop('drain'))
    process.once('SIGINT', () => stop('close'))
  },
}

process.exitCode = await runCli(process.argv.slice(2), process.env, io)
