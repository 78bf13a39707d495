// Reads container logs: tail, since, timestamps, limits, and following without polling.
// Follows kubernetes v1.36 staging/src/k8s.io/cri-client/pkg/logs/logs.go (ReadLogs).
import { watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { LogOptions } from "../../client/node-connection.ts";
import { type LogLine, parseLogLine } from "./format.ts";

const chunkBytes = 64 << 10;

export interface ReadSettings extends Omit<LogOptions, "sinceSeconds" | "sinceTime" | "previous"> {
  /** Milliseconds since the epoch: older lines are left out. */
  readonly sinceMs?: number;
  /** Whether the container may still write; asked whenever the end of the file is reached. */
  readonly running: () => boolean | Promise<boolean>;
}

/** Position of the first byte of the last `count` lines. */
async function tailPosition(file: FileHandle, size: number, count: number): Promise<number> {
  if (count === 0) return size;
  let seen = 0;
  const buffer = Buffer.alloc(chunkBytes);
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - chunkBytes);
    const { bytesRead } = await file.read(buffer, 0, end - begin, begin);
    for (let index = bytesRead - 1; index >= 0; index--) {
      if (buffer[index] !== 10 || begin + index === size - 1) continue;
      if (++seen === count) return begin + index + 1;
    }
    end = begin;
  }
  return 0;
}

function render(line: LogLine, { timestamps, sinceMs }: ReadSettings): Buffer | undefined {
  if (sinceMs !== undefined && Date.parse(line.time) < sinceMs) return undefined;
  return Buffer.from(timestamps ? `${line.time} ${line.text}` : line.text);
}

/** The log's lines as bytes. With `follow` it ends when the container has ended and everything is read, or on abort. */
export async function* readLog(path: string, settings: ReadSettings): AsyncIterable<Uint8Array> {
  let left = settings.limitBytes ?? Infinity;
  for await (const text of followLines(path, settings)) {
    const line = parseLogLine(text);
    const bytes = line && render(line, settings);
    if (!bytes) continue;
    if (bytes.length >= left) {
      yield bytes.subarray(0, left);
      return;
    }
    left -= bytes.length;
    yield bytes;
  }
}

async function* followLines(path: string, settings: ReadSettings): AsyncIterable<string> {
  const { follow = false, tailLines, signal, running } = settings;
  const changes = follow ? fileChanges(path, signal) : undefined;
  let file = await open(path, "r");
  try {
    const info = await file.stat();
    let inode = info.ino;
    let position = tailLines === undefined ? 0 : await tailPosition(file, info.size, tailLines);
    let rest = Buffer.alloc(0);
    const buffer = Buffer.alloc(chunkBytes);
    while (!signal?.aborted) {
      // Asked before the read: what is written until the end is then read for certain.
      const live = follow && (await running());
      const seen = changes?.count() ?? 0;
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
      if (bytesRead > 0) {
        position += bytesRead;
        rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
        let from = 0;
        for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
          yield rest.toString("utf8", from, at);
          from = at + 1;
        }
        rest = rest.subarray(from);
        continue;
      }
      const rotated = follow ? await stat(path).catch(() => undefined) : undefined;
      if (rotated && rotated.ino !== inode) {
        await file.close();
        file = await open(path, "r");
        inode = rotated.ino;
        position = 0;
        continue;
      }
      if (!live) return;
      await changes!.after(seen);
    }
  } finally {
    changes?.close();
    await file.close();
  }
}

/** A slow second look for the end of a container that has written nothing more. */
const recheckMs = 1000;

/** Counts changes of a file, through its directory so that a rotated file is noticed. */
function fileChanges(path: string, signal: AbortSignal | undefined) {
  let count = 0;
  let wakeUp = () => {};
  const notify = () => {
    count++;
    wakeUp();
  };
  const watcher = watch(dirname(path), (_, name) => {
    if (name === null || name === basename(path)) notify();
  });
  watcher.on("error", notify);
  signal?.addEventListener("abort", notify);
  return {
    count: () => count,
    /** Resolves when there has been a change after the one numbered `seen`. */
    after: (seen: number) =>
      new Promise<void>((resolve) => {
        if (count > seen || signal?.aborted) return resolve();
        const timer = setTimeout(resolve, recheckMs);
        wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    close() {
      watcher.close();
      signal?.removeEventListener("abort", notify);
    },
  };
}
