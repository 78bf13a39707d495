// Rotates container logs that have grown too large: 10 MiB, five files. Sizes are looked at now and then, and only of
// containers that run. Follows kubernetes v1.36 pkg/kubelet/logs/container_log_manager.go (names, limits).
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Clock, repeat } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { RuntimeClient } from "../cri/client.ts";
import type { RuntimeContainer } from "../pod/model.ts";

const maxBytes = 10 << 20;
const maxFiles = 5;
const checkMs = 30_000;

export interface LogRotatorOptions {
  readonly runtime: Pick<RuntimeClient, "reopenContainerLog">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly maxBytes?: number;
}

const stampOf = (now: number) => new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");

export class LogRotator {
  readonly #options: LogRotatorOptions;

  constructor(options: LogRotatorOptions) {
    this.#options = options;
  }

  start(containers: () => readonly RuntimeContainer[]): void {
    const { clock, signal, log } = this.#options;
    repeat(clock, checkMs, signal, () =>
      this.rotateAll(containers()).catch((error: unknown) => log.warn({ error }, "log rotation failed")),
    );
  }

  async rotateAll(containers: readonly RuntimeContainer[]): Promise<void> {
    for (const { id, state, logPath } of containers) {
      if (state !== "running" || !logPath) continue;
      const info = await stat(logPath).catch(() => undefined);
      if (info && info.size > (this.#options.maxBytes ?? maxBytes)) await this.#rotate(id, logPath);
    }
  }

  async #rotate(containerId: string, logPath: string): Promise<void> {
    const { runtime, clock } = this.#options;
    const older = await rotatedLogs(logPath);
    // The newest rotated file stays as it is: a follower may still read it.
    for (const file of older.filter((name) => !name.endsWith(".gz"))) await compress(file);
    const compressed = await rotatedLogs(logPath);
    for (const file of compressed.slice(0, Math.max(0, compressed.length - (maxFiles - 2))))
      await rm(file, { force: true });
    const rotated = `${logPath}.${stampOf(clock.now())}`;
    await rename(logPath, rotated);
    try {
      await runtime.reopenContainerLog(containerId);
    } catch (error) {
      await rename(rotated, logPath);
      throw error;
    }
  }
}

/** Rotated files of a log, oldest first. */
async function rotatedLogs(logPath: string): Promise<string[]> {
  const names = await readdir(dirname(logPath)).catch(() => []);
  const prefix = `${basename(logPath)}.`;
  return names
    .filter((name) => name.startsWith(prefix) && !name.endsWith(".tmp"))
    .toSorted()
    .map((name) => join(dirname(logPath), name));
}

async function compress(file: string): Promise<void> {
  await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}.gz.tmp`));
  await rename(`${file}.gz.tmp`, `${file}.gz`);
  await rm(file, { force: true });
}
