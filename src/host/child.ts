// Long-lived child processes (containerd, HAProxy): a log file, a pid file, orderly stop, and adoption after a restart.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, sleep } from "../machinery/clock.ts";

export interface ChildSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** Holds pid and start time, so that a later Knarr recognises the very process. */
  readonly pidFile: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface Child {
  readonly pid: number;
  /** True when the process was running already, started by an earlier Knarr. */
  readonly adopted: boolean;
  /** Resolves when a process that this Knarr started ends; never for an adopted one (look at `alive`). */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  alive(): boolean;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when the process is gone and removes the pid file. */
  stop(options?: { readonly graceMs?: number; readonly signal?: NodeJS.Signals }): Promise<void>;
}

/** Start time of a process in clock ticks since boot: with the pid it names a process once and for all. */
function processStartTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** The process that a pid file names, if it still runs. */
export function runningPid(pidFile: string): number | undefined {
  try {
    const [pid = "", ticks = ""] = readFileSync(pidFile, "utf8").trim().split(" ");
    return ticks !== "" && processStartTicks(Number(pid)) === ticks ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

export function writePidFile(pidFile: string, pid: number): void {
  mkdirSync(dirname(pidFile), { recursive: true });
  writeFileSync(pidFile, `${pid} ${processStartTicks(pid) ?? ""}\n`);
}

const neverExits = new Promise<never>(() => {});

/** The running child of an earlier Knarr, or undefined. */
export function adoptChild(spec: Pick<ChildSpec, "pidFile">, clock: Clock): Child | undefined {
  const pid = runningPid(spec.pidFile);
  return pid === undefined ? undefined : handle(pid, spec.pidFile, neverExits, true, clock);
}

/** Starts a process in a session of its own: a signal to Knarr's terminal does not reach it, and it survives Knarr. */
export async function startChild(spec: ChildSpec, clock: Clock): Promise<Child> {
  mkdirSync(dirname(spec.logFile), { recursive: true });
  const log = openSync(spec.logFile, "a", 0o600);
  try {
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ["ignore", log, log],
      env: spec.env === undefined ? process.env : { ...process.env, ...spec.env },
      cwd: spec.cwd,
    });
    const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.unref();
    writePidFile(spec.pidFile, child.pid!);
    return handle(child.pid!, spec.pidFile, exited, false, clock);
  } finally {
    closeSync(log);
  }
}

function handle(pid: number, pidFile: string, exited: Child["exited"], adopted: boolean, clock: Clock): Child {
  const ticks = processStartTicks(pid);
  const alive = () => ticks !== undefined && processStartTicks(pid) === ticks;
  return {
    pid,
    adopted,
    exited,
    alive,
    async stop({ graceMs = 5000, signal = "SIGTERM" } = {}) {
      if (alive()) process.kill(pid, signal);
      const deadline = clock.now() + graceMs;
      while (alive()) {
        if (clock.now() > deadline) process.kill(pid, "SIGKILL");
        await sleep(clock, 10);
      }
      rmSync(pidFile, { force: true });
    },
  };
}
