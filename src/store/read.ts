// Reads a store's file without opening the store: also while another process has it, and without changing anything.
import { closeSync, copyFileSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { flagDeleted } from "./protocol.ts";
import type { StoreKey } from "./store.ts";

/** One version as its bytes are on disk, before any codec. */
export interface StoredVersion {
  readonly key: StoreKey;
  readonly revision: number;
  readonly deleted: boolean;
  /** Empty for a deletion that shows the version before it. */
  readonly value: Uint8Array;
}

const attempts = 50;

/** All versions by revision, read from a copy that is made beside the file and removed afterwards. */
export function* readStored(file: string): Generator<StoredVersion> {
  const folder = mkdtempSync(join(dirname(file), "read-"));
  try {
    using db = new DatabaseSync(copyOf(file, folder));
    const select = db.prepare("SELECT revision, flags, collection, namespace, name, value FROM log ORDER BY revision");
    select.setReturnArrays(true);
    for (const row of select.iterate() as Iterable<unknown>) {
      const [revision, flags, collection, namespace, name, value] = row as [
        number,
        number,
        string,
        string,
        string,
        Uint8Array,
      ];
      yield { key: { collection, namespace, name }, revision, deleted: (flags & flagDeleted) !== 0, value };
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The file and its write-ahead log as of one moment. The owner may write one back into the other meanwhile: as long as it does
 * not begin a new log, which changes the header, the log still has every page that the copy of the file may have missed.
 */
function copyOf(file: string, folder: string): string {
  const log = `${file}-wal`;
  const copy = join(folder, "store.db");
  for (let attempt = 0; attempt < attempts; attempt++) {
    const before = headerOf(log);
    copyFileSync(file, copy, constants.COPYFILE_FICLONE);
    rmSync(`${copy}-wal`, { force: true });
    if (before) copyFileSync(log, `${copy}-wal`, constants.COPYFILE_FICLONE);
    if (headerOf(log) === before) return copy;
  }
  throw new Error(`${file} changes too fast to be read; try again`);
}

const headerBytes = 32;

function headerOf(log: string): string {
  if (!existsSync(log)) return "";
  const handle = openSync(log, "r");
  const header = Buffer.alloc(headerBytes);
  readSync(handle, header);
  closeSync(handle);
  return header.toString("hex");
}
