// The thread that owns the SQLite file: opens and locks it, reads it out once, then appends one batch per transaction.
// Table `log` holds every version in the history window by revision; checkpoints and clean-up come in small slices.
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { crc32 } from "node:zlib";
import type { Failure, PackedBatch, PackedRow, PackedRows, Reply, Request, WorkerInput } from "./protocol.ts";
import { Doorbell } from "./protocol.ts";

/** "Knrr", so that nobody's other database is taken for ours; and the version of the tables. */
const applicationId = 0x4b6e7272;
const formatVersion = 1;
/** Bytes in the write-ahead log after which it is written back to the file. */
const checkpointBytes = 4 << 20;
/** Pages given back to the file system at a time, once more than a quarter of a file of some size is free. */
const vacuumPages = 256;
const pageBytes = 4096;
const readChunkBytes = 1 << 20;

/** The counter that says that replaced values may have left something in the file. */
const unscrubbed = "unscrubbed";

class NotOurs extends Error {}

interface Statements {
  readonly insert: StatementSync;
  readonly replace: StatementSync;
  readonly remove: StatementSync;
  readonly settle: StatementSync;
  readonly count: StatementSync;
  readonly pages: StatementSync;
  readonly free: StatementSync;
}

const wayOut =
  "Restore a backup in its place, or move the file and its -wal companion away to begin with an empty cluster.";

/** What went wrong, in words for the operator. */
function failureOf(error: unknown, file: string): Failure {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof NotOurs) return { code: "damaged", message: `${file} ${text}` };
  const primary = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (primary === 5) return { code: "unavailable", message: `${file} is in use by another process` };
  if (primary === 11 || primary === 26) return { code: "damaged", message: `${file} is damaged (${text}). ${wayOut}` };
  if (primary === 13) return { code: "unavailable", message: `no room left on the disk that holds ${file}` };
  return { code: "unavailable", message: `${file}: ${text}` };
}

function open(file: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, "a", 0o600));
  const db = new DatabaseSync(file);
  try {
    prepareFile(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareFile(db: DatabaseSync): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0");
  // Only sticks on an empty file; on another one it would write, which a full disk refuses.
  if (pragma(db, "page_count") === 0) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0");
  db.exec(`PRAGMA journal_size_limit = ${checkpointBytes * 2}; PRAGMA temp_store = MEMORY`);
  db.exec("BEGIN EXCLUSIVE");
  const id = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
  if (id === 0 && tables.n === 0) createTables(db);
  else if (id !== applicationId) throw new NotOurs("is some other program's database; choose another file.");
  else if (version > formatVersion) throw new NotOurs(`was written by a newer version of Knarr (format ${version}).`);
  db.exec("COMMIT");
}

const pragma = (db: DatabaseSync, name: string): number =>
  (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name]!;

function createTables(db: DatabaseSync): void {
  db.exec(`
    CREATE TABLE log (
      revision INTEGER PRIMARY KEY, created INTEGER NOT NULL, flags INTEGER NOT NULL,
      collection TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
      value BLOB NOT NULL, checksum INTEGER NOT NULL
    );
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = ${applicationId};
    PRAGMA user_version = ${formatVersion};
  `);
}

const checksumOf = (row: readonly unknown[], value: Uint8Array): number =>
  crc32(value, crc32(`${row[0]} ${row[1]} ${row[3]} ${row[4]} ${row[5]}`));

/** Sends the counters, then every row in revision order, checking each one. */
function readOut(db: DatabaseSync, port: MessagePort): void {
  const counters = Object.fromEntries(
    db
      .prepare("SELECT name, value FROM counters")
      .all()
      .map(({ name, value }) => [name as string, value as number]),
  );
  port.postMessage({
    type: "counters",
    reserved: counters.reserved ?? 0,
    compacted: counters.compacted ?? 0,
  } satisfies Reply);
  for (const chunk of readRows(db, 0)) port.postMessage({ type: "rows", ...chunk } satisfies Reply, [chunk.bytes]);
}

/** The rows after a revision, each checked, in chunks of about a megabyte. */
function* readRows(db: DatabaseSync, after: number): Generator<PackedRows> {
  let rows: PackedRow[] = [];
  let values: Uint8Array[] = [];
  let size = 0;
  const pack = (): PackedRows => {
    const packed = { rows, bytes: concatenate(values, size) };
    [rows, values, size] = [[], [], 0];
    return packed;
  };
  const select = db.prepare(
    "SELECT revision, created, flags, collection, namespace, name, value, checksum FROM log WHERE revision > ? ORDER BY revision",
  );
  select.setReturnArrays(true);
  for (const row of select.iterate(after) as Iterable<unknown>) {
    const [revision, created, flags, collection, namespace, name, value, checksum] = row as [
      ...[number, number, number, string, string, string],
      ...[Uint8Array, number],
    ];
    if (checksumOf([revision, created, flags, collection, namespace, name], value) !== checksum) {
      throw new NotOurs(`is damaged: ${collection} ${namespace}/${name} does not match its checksum. ${wayOut}`);
    }
    rows.push([revision, created, flags, collection, namespace, name, value.length]);
    values.push(value);
    size += value.length;
    if (size >= readChunkBytes) yield pack();
  }
  if (rows.length > 0) yield pack();
}

function concatenate(values: readonly Uint8Array[], size: number): ArrayBuffer {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const value of values) {
    bytes.set(value, offset);
    offset += value.length;
  }
  return bytes.buffer;
}

class LogFile {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  #walBytes = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#statements = {
      insert: db.prepare("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      replace: db.prepare("UPDATE log SET value = ?, checksum = ? WHERE revision = ?"),
      remove: db.prepare("DELETE FROM log WHERE revision = ?"),
      settle: db.prepare("UPDATE log SET flags = 0 WHERE revision = ?"),
      count: db.prepare("INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"),
      pages: db.prepare("PRAGMA page_count"),
      free: db.prepare("PRAGMA freelist_count"),
    };
  }

  /** One transaction, durable on return; throws with nothing written. */
  commit(batch: PackedBatch, bytes: Uint8Array): void {
    const { insert, remove, settle, count } = this.#statements;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      let offset = 0;
      for (const row of batch.rows) {
        const [revision, created, flags, collection, namespace, name, length] = row;
        const value = bytes.subarray(offset, (offset += length));
        insert.run(revision, created, flags, collection, namespace, name, value, checksumOf(row, value));
      }
      for (const revision of batch.garbage) remove.run(revision);
      for (const revision of batch.settled) settle.run(revision);
      for (const [name, value] of batch.counters) count.run(name, value);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
    this.#walBytes += bytes.length + pageBytes * (4 + batch.rows.length + batch.garbage.length);
  }

  read(after: number): PackedRows {
    for (const chunk of readRows(this.#db, after)) return chunk;
    return { rows: [], bytes: new ArrayBuffer() };
  }

  replace({ rows, bytes }: PackedRows): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      let offset = 0;
      for (const row of rows) {
        const value = new Uint8Array(bytes, offset, row[6]);
        offset += value.length;
        this.#statements.replace.run(value, checksumOf(row, value), row[0]);
      }
      this.#statements.count.run(unscrubbed, 1);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Copies what is in use to fresh pages, and empties the write-ahead log: about a second for each gigabyte. */
  scrub(): void {
    this.#db.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    this.#statements.count.run(unscrubbed, 0);
    this.#walBytes = 0;
  }

  /** Does what a process that was killed after replacing values did not come to. */
  scrubIfDue(): void {
    const due = this.#db.prepare("SELECT value FROM counters WHERE name = ? AND value <> 0").get(unscrubbed);
    if (due) this.scrub();
  }

  /** Work that nobody waits for: gives back free pages and empties the write-ahead log, a little at a time. */
  tidy(): void {
    if (this.#walBytes < checkpointBytes) return;
    try {
      this.#shrink();
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      // No room to write back now: the log keeps what it has, and the next round tries again.
    }
    this.#walBytes = 0;
  }

  #shrink(): void {
    const pages = (this.#statements.pages.get() as { page_count: number }).page_count;
    const free = (this.#statements.free.get() as { freelist_count: number }).freelist_count;
    if (free > 1024 && free * 4 > pages) this.#db.exec(`PRAGMA incremental_vacuum(${vacuumPages})`);
  }

  backup(file: string): void {
    const partial = `${file}.partial`;
    rmSync(partial, { force: true });
    closeSync(openSync(partial, "wx", 0o600));
    // In one go on this thread: node:sqlite's own backup works beside it on the same connection and trips over writes. Those
    // wait meanwhile, about a second for each gigabyte.
    this.#db.prepare("VACUUM INTO ?").run(partial);
    const copy = new DatabaseSync(partial);
    copy.exec("PRAGMA journal_mode = DELETE");
    copy.close();
    syncPath(partial);
    renameSync(partial, file);
    syncPath(dirname(file));
  }

  close(): void {
    // Closing writes the whole log back and removes it; a failure leaves it for the next start to read.
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {}
    this.#db.close();
  }
}

function syncPath(path: string): void {
  const handle = openSync(path, "r");
  fsyncSync(handle);
  closeSync(handle);
}

function serve(port: MessagePort, { file, doorbell }: WorkerInput): void {
  const answer = (reply: Reply) => port.postMessage(reply);
  let log: LogFile;
  try {
    const db = open(file);
    readOut(db, port);
    log = new LogFile(db);
    log.scrubIfDue();
  } catch (error) {
    answer({ type: "failedToOpen", failure: failureOf(error, file) });
    return;
  }
  answer({ type: "opened" });
  const bell = new Doorbell(doorbell);
  const attempt = (id: number, work: () => PackedRows | void) => {
    try {
      const read = work();
      answer({ type: "done", id, ...(read ? { read } : {}) });
    } catch (error) {
      answer({ type: "failed", id, failure: failureOf(error, file) });
    }
  };
  const commit = (bytes: Buffer) => {
    const end = 4 + bytes.readUInt32LE(0);
    const batch = JSON.parse(bytes.toString("utf8", 4, end)) as PackedBatch;
    attempt(batch.id, () => log.commit(batch, bytes.subarray(end)));
    log.tidy();
  };
  let isOpen = true;
  const handle = (request: Request) => {
    if (request.type === "commit") return commit(Buffer.from(request.batch.buffer));
    attempt(request.id, () => {
      if (request.type === "read") return log.read(request.after);
      if (request.type === "replace") log.replace(request);
      if (request.type === "scrub") log.scrub();
      if (request.type === "backup") log.backup(request.file);
      if (request.type === "close") log.close();
    });
    isOpen = request.type !== "close";
  };
  for (let rings = 0; isOpen;) {
    rings = bell.wait(rings);
    const batch = bell.takeBatch();
    if (batch) commit(batch);
    for (let next = receiveMessageOnPort(port); next && isOpen; next = receiveMessageOnPort(port)) handle(next.message);
  }
}

if (parentPort) serve(parentPort, workerData as WorkerInput);
