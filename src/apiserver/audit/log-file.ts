// The audit log as a file of JSON lines, private to its owner and rotated by size; old files go by number and age.
import { open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { bufferedSink, type AuditSink, type BufferOptions } from "./sink.ts";

export interface LogFileOptions extends Pick<BufferOptions, "clock" | "lost"> {
  readonly file: string;
  /** Bytes after which a new file begins. */
  readonly maxBytes: number;
  /** How many old files are kept; 0 for all. */
  readonly maxBackups: number;
  /** How long old files are kept; 0 for ever. */
  readonly maxAgeMs: number;
}

/** The file is opened with the first event. */
export function logFileSink(options: LogFileOptions): AuditSink {
  const { file, clock, lost } = options;
  let current: { readonly handle: FileHandle; size: number } | undefined;
  const opened = async () => {
    const handle = await open(file, "a", 0o600);
    return { handle, size: (await handle.stat()).size };
  };
  const write = async (lines: readonly string[]) => {
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    current ??= await opened();
    if (current.size > 0 && current.size + bytes.length > options.maxBytes) {
      await current.handle.close();
      current = undefined;
      await rotate(options);
      current = await opened();
    }
    await current.handle.writeFile(bytes);
    current.size += bytes.length;
  };
  const sink = bufferedSink({
    name: "log",
    clock,
    deliver: write,
    lost,
    batchSize: 1000,
    waitMs: 100,
    maxEvents: 20_000,
    maxBytes: 64 * 1024 * 1024,
  });
  return {
    ...sink,
    async close() {
      await sink.close();
      await current?.handle.close();
      current = undefined;
    },
  };
}

/** `audit.log` becomes `audit-2026-01-02T03-04-05.678.log`; those that are too many or too old go. */
async function rotate({ file, clock, maxBackups, maxAgeMs }: LogFileOptions): Promise<void> {
  const directory = dirname(file);
  const extension = extname(file);
  const stem = basename(file, extension);
  const stamp = (ms: number) => new Date(ms).toISOString().slice(0, 23).replaceAll(":", "-");
  await rename(file, join(directory, `${stem}-${stamp(clock.now())}${extension}`));
  const names = await readdir(directory);
  const outdated = outdatedBackups(names, {
    stem,
    extension,
    maxBackups,
    oldest: maxAgeMs ? stamp(clock.now() - maxAgeMs) : "",
  });
  await Promise.all(outdated.map((name) => unlink(join(directory, name))));
}

/** Times of the names sort as text; `oldest` is the time before which files go. */
export function outdatedBackups(
  names: readonly string[],
  { stem, extension, maxBackups, oldest }: { stem: string; extension: string; maxBackups: number; oldest: string },
): string[] {
  const timeOf = (name: string) => name.slice(stem.length + 1, name.length - extension.length);
  const backups = names
    .filter((name) => name.startsWith(`${stem}-`) && name.endsWith(extension))
    .filter((name) => /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(timeOf(name)))
    .toSorted((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1));
  return backups.filter((name, index) => (maxBackups > 0 && index >= maxBackups) || timeOf(name) < oldest);
}
