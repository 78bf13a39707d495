// Runs a short command with posix_spawn: forking the whole process would block it for milliseconds that grow with its
// memory. Input goes through an anonymous file, because some tools (nft) cannot read a pipe made by Node.
import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import type { libc as Libc } from "./libc.ts";

export interface RunResult {
  /** Exit code, or 128 + signal number. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Killed (SIGKILL) after this time; the result then has code 137. */
  readonly timeoutMs?: number;
}

class CommandError extends Error {
  readonly result: RunResult;
  constructor(command: string, args: readonly string[], result: RunResult) {
    const said = (result.stderr || result.stdout).trim().slice(0, 2000);
    super(`${[command, ...args].join(" ").slice(0, 300)} failed (${result.code})${said ? `: ${said}` : ""}`);
    this.result = result;
  }
}

const O_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;
/** Room for posix_spawn_file_actions_t (80 bytes in glibc on 64-bit machines). */
const actionsSize = 128;

let loaded: { libc: typeof Libc; systemError: (call: string, subject: string, errno?: number) => Error } | undefined;
const load = async () => (loaded ??= await import("./libc.ts"));

/**
 * Runs a command to its end and returns what it printed. Never throws for a failing command (see `runOrThrow`); throws a
 * system error when it cannot be started (`code` "ENOENT" …).
 */
export async function run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
  const { libc, systemError } = await load();
  const open: number[] = [];
  const actions = Buffer.alloc(actionsSize);
  const environment = Object.entries(options.env ?? process.env).flatMap(([k, v]) =>
    v === undefined ? [] : [`${k}=${v}`],
  );
  const pid: [number] = [0];
  let outFd = -1;
  let errFd = -1;
  libc.actions_init(actions);
  try {
    const stdin = libc.memfd_create("stdin", MFD_CLOEXEC);
    if (stdin < 0) throw systemError("memfd_create", command);
    open.push(stdin);
    if (options.input !== undefined && options.input.length > 0) {
      writeAll(stdin, options.input);
      libc.lseek(stdin, 0, 0);
    }
    const out = [0, 0];
    const err = [0, 0];
    if (libc.pipe2(out, O_CLOEXEC) < 0) throw systemError("pipe2", command);
    open.push(out[1]!);
    outFd = out[0]!;
    if (libc.pipe2(err, O_CLOEXEC) < 0) throw systemError("pipe2", command);
    open.push(err[1]!);
    errFd = err[0]!;
    libc.actions_adddup2(actions, stdin, 0);
    libc.actions_adddup2(actions, out[1]!, 1);
    libc.actions_adddup2(actions, err[1]!, 2);
    if (options.cwd) libc.actions_addchdir(actions, options.cwd);
    const errno = libc.posix_spawnp(
      pid,
      command,
      actions,
      null,
      [command, ...args, null],
      [...environment, null],
    ) as number;
    if (errno !== 0) throw systemError("spawn", command, errno);
  } catch (error) {
    for (const fd of [outFd, errFd]) if (fd >= 0) closeSync(fd);
    throw error;
  } finally {
    libc.actions_destroy(actions);
    for (const fd of open) closeSync(fd);
  }
  let killed = false;
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          killed = true;
          process.kill(pid[0], "SIGKILL");
        }, options.timeoutMs);
  const [stdout, stderr] = await Promise.all([readAll(outFd), readAll(errFd)]);
  const status = await waitFor(libc, pid[0]);
  clearTimeout(timer);
  const signal = status & 0x7f;
  return { code: killed ? 137 : signal ? 128 + signal : (status >> 8) & 0xff, stdout, stderr };
}

/** Like `run`, but a failing command is a CommandError. */
export async function runOrThrow(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0) throw new CommandError(command, args, result);
  return result;
}

function writeAll(fd: number, input: string | Uint8Array): void {
  const bytes = typeof input === "string" ? Buffer.from(input) : input;
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

function readAll(fd: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
  });
}

/** Both pipes are closed by now, so the process has all but exited and a blocking wait on a pool thread is short. */
function waitFor(libc: typeof Libc, pid: number): Promise<number> {
  const status = [0];
  const WNOHANG = 1;
  if (libc.waitpid(pid, status, WNOHANG) === pid) return Promise.resolve(status[0]!);
  return new Promise((resolve, reject) => {
    libc.waitpid.async(pid, status, 0, (error: Error | null) => (error ? reject(error) : resolve(status[0]!)));
  });
}
