// A file that holds a store: opened by one owner, checked, and with the right tables in it.
//
// Rules of this file:
// - Nothing is written into a file that is not ours: what it is, is asked before anything is changed.
// - The owner holds the file's lock until it closes or its process ends, however it ends: nothing is left to clean up.
// - Every transaction is on the disk when it is committed (`synchronous` FULL): what has been acknowledged survives the
//   loss of power as well as that of the process. Offsets can so never be given twice in one epoch.
// - Whoever cannot open it is told what to do.

import type { DatabaseSync } from 'node:sqlite'

/** Raised with every change of the tables, together with a step that brings older files up to it. Newer ones are refused. */
const SCHEMA_VERSION = 1
/** 'swir': tells our files from other programs'. */
const APPLICATION_ID = 0x73776972

const TABLES = `
  CREATE TABLE channel (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
    top INTEGER NOT NULL, first INTEGER NOT NULL, length INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE event (
    channel INTEGER NOT NULL, offset INTEGER NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL,
    length INTEGER NOT NULL, user TEXT, member TEXT, stored_at_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE producer (
    id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, producer TEXT NOT NULL, user TEXT NOT NULL,
    incarnation TEXT NOT NULL, generation INTEGER NOT NULL, window INTEGER NOT NULL,
    last INTEGER NOT NULL, done TEXT NOT NULL,
    UNIQUE (channel, producer)
  ) STRICT;
  CREATE TABLE once (
    channel INTEGER NOT NULL, id TEXT NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (channel, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX once_by_offset ON once (channel, offset);
  CREATE TABLE cursor (
    channel INTEGER NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (channel, name)
  ) STRICT, WITHOUT ROWID;
`

/**
 * Opens `file` as its only owner, creating it if it is not there.
 *
 * @throws an Error whose message says what to do.
 */
export function openFile(file: string): DatabaseSync {
  // Not an import: where there is none, this says more than the loader would.
  const sqlite = process.getBuiltinModule('node:sqlite') as typeof import('node:sqlite') | undefined
  if (!sqlite)
    throw new Error(
      `A store in SQLite needs Node 22.13 or newer, and this is ${process.version}. Update Node, or use memoryStore().`,
    )
  let database: DatabaseSync | undefined
  try {
    database = new sqlite.DatabaseSync(file)
    prepare(database, file)
    return database
  } catch (error) {
    database?.close()
    throw error instanceof Refusal ? error : new Error(openFailure(error, file), { cause: error })
  }
}

class Refusal extends Error {}

function prepare(database: DatabaseSync, file: string): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  const isNew = numberOf(database, 'SELECT count(*) FROM sqlite_schema') === 0
  const version = numberOf(database, 'PRAGMA user_version')
  if (numberOf(database, 'PRAGMA application_id') !== (isNew ? 0 : APPLICATION_ID))
    throw new Refusal(`${file} holds something else than a store of steadywire. Choose another file.`)
  if (version > SCHEMA_VERSION)
    throw new Refusal(
      `${file} was written by a newer version (schema ${version}; this one knows ${SCHEMA_VERSION}). ` +
        'Update @steadywire/server, or choose another file.',
    )
  // Where it means something, on Apple's systems: without it the disk may keep what it was told to write for itself.
  database.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON')
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  // Takes the lock, and fails where nothing may be written.
  database.exec('BEGIN EXCLUSIVE')
  if (isNew)
    database.exec(`${TABLES} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
  database.exec('COMMIT')
}

function numberOf(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0])
}

const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const CANTOPEN = 14
const NOTADB = 26

function openFailure(error: unknown, file: string): string {
  // The lower byte is the kind, what is above says more than is needed here.
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  switch (code) {
    case BUSY:
      return `${file} is in use: a store has one owner. Stop the other one, or choose another file.`
    // Which of the two a file without the right to write is, depends on whether its folder has it.
    case READONLY:
    case IOERR:
      return `${file} cannot be written: this process is not allowed to, or the disk fails. Allow it, or choose another file.`
    case CORRUPT:
      return `${file} is damaged. Move it away together with ${file}-wal: a new one begins new epochs, so that every subscriber starts anew.`
    case CANTOPEN:
      return `${file} cannot be opened. Its folder has to exist, and this process must be allowed to write there.`
    case NOTADB:
      return `${file} holds something else than a store of steadywire. Choose another file.`
    default:
      return `${file} cannot be opened: ${error instanceof Error ? error.message : String(error)}`
  }
}
