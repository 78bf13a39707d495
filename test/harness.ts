// A whole Knarr in a process of its own for end-to-end tests: own name, data directory, ports, ranges and cgroups, all
// removed at the end, also when the test fails.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findCommand } from "../src/host/packages.ts";
import { run, runOrThrow, type RunResult } from "../src/host/run.ts";
import type { ClusterSettings } from "../src/cluster.ts";

const root = join(import.meta.dirname, "..");

export interface KubectlOptions {
  readonly input?: string;
  /** Path of the kubectl; the one on PATH unless given, or else Debian's. */
  readonly binary?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestCluster extends AsyncDisposable {
  readonly name: string;
  readonly dataDir: string;
  readonly settings: ClusterSettings;
  readonly kubeconfig: string;
  /** Runs kubectl against the cluster; a failing command throws with what it printed. `input` goes to its stdin. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** The same, returning code and output whatever it is. */
  tryKubectl(args: readonly string[], options?: KubectlOptions): Promise<RunResult>;
  /** Runs the knarr command against the cluster. */
  knarr(args: readonly string[], options?: { input?: string }): Promise<string>;
  /** Ends the Knarr process with a signal and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again after `kill`; resolves when it says that the cluster is ready. */
  start(): Promise<void>;
  /** What Knarr printed so far. */
  output(): string;
}

export const containersPossible = (): boolean => process.platform === "linux" && process.getuid?.() === 0;

/** Starts a cluster. Throws with Knarr's output when it does not become ready. */
export async function startTestCluster(label: string, flags: readonly string[] = []): Promise<TestCluster> {
  const name = `t-${label}-${process.pid.toString(36)}`;
  const dataDir = mkdtempSync(join(tmpdir(), `knarr-${label}-`));
  keepRegistriesLocal(dataDir);
  const ports = [await freePort(), await freePort()];
  let child: ChildProcess | undefined;
  let printed = "";
  const place = ["--name", name, "--data-dir", dataDir];
  const where = { KNARR_NAME: name, KNARR_DATA_DIR: dataDir };
  const knarr = join(root, "knarr");
  const kubeconfig = join(dataDir, "kubeconfig");

  const start = async () => {
    const options = [
      "--log-format",
      "json",
      "--log-level",
      "warn",
      "--http-port",
      String(ports[0]),
      "--https-port",
      String(ports[1]),
    ];
    const started = spawn(knarr, ["up", ...place, ...options, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    const from = printed.length;
    await new Promise<void>((resolve, reject) => {
      const onData = (chunk: Buffer) => {
        printed += chunk.toString("utf8");
        if (printed.includes("The cluster is ready", from)) resolve();
      };
      started.stdout.on("data", onData);
      started.stderr.on("data", onData);
      started.once("exit", (code, signal) =>
        reject(new Error(`knarr ended (${signal ?? code}) before it was ready:\n${printed.slice(from)}`)),
      );
    });
  };
  const kill = async (signal: NodeJS.Signals) => {
    const running = child;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    running.kill(signal);
    await gone;
  };
  const dispose = async () => {
    await kill("SIGTERM");
    const { code, stdout, stderr } = await run(knarr, ["reset", "--yes", ...place], { timeoutMs: 120_000 });
    rmSync(dataDir, { recursive: true, force: true });
    if (code !== 0) throw new Error(`knarr reset failed: ${stdout}${stderr}`);
  };
  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  const kubectl = findCommand("kubectl");
  const tryKubectl: TestCluster["tryKubectl"] = async (args, options = {}) => {
    const binary = options.binary ?? kubectl ?? (await oldKubectl());
    return run(binary, ["--kubeconfig", kubeconfig, "--cache-dir", join(dataDir, "kubectl-cache"), ...args], {
      input: options.input,
      env: { ...process.env, ...options.env },
      timeoutMs: 180_000,
    });
  };
  return {
    name,
    dataDir,
    kubeconfig,
    settings: JSON.parse(readFileSync(join(dataDir, "cluster.json"), "utf8")) as ClusterSettings,
    tryKubectl,
    async kubectl(args, options) {
      const { code, stdout, stderr } = await tryKubectl(args, options);
      if (code !== 0) throw new Error(`kubectl ${args.join(" ")} failed (${code}): ${stderr}${stdout}`);
      return stdout;
    },
    knarr: async (args, options) =>
      (await runOrThrow(knarr, args, { ...options, env: { ...process.env, ...where }, timeoutMs: 180_000 })).stdout,
    kill,
    start,
    output: () => printed,
    [Symbol.asyncDispose]: dispose,
  };
}

/** A TCP port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** Nothing outside loopback is ever asked for an image. */
function keepRegistriesLocal(dataDir: string): void {
  const directory = join(dataDir, "registries/_default");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "hosts.toml"), `server = "http://127.0.0.1:1"\n`);
}

/** A kubectl that must end with `status`. */
export const kubectlWith =
  (binary: string, kubeconfig: string) =>
  async (
    args: readonly string[],
    input = "",
    status = 0,
  ): Promise<{ readonly out: string; readonly error: string }> => {
    const where = ["--kubeconfig", kubeconfig, "--cache-dir", join(dirname(kubeconfig), "cache")];
    const { code, stdout, stderr } = await run(binary, [...where, ...args], { input, timeoutMs: 20_000 });
    if (code !== status) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return { out: stdout, error: stderr };
  };

/** Debian's kubectl 1.20, unpacked without installing it: the old client that speaks SPDY only. Returns its path. */
export async function oldKubectl(): Promise<string> {
  const cache = join(root, "node_modules/.cache/kubectl-1.20");
  const binary = join(cache, "usr/bin/kubectl");
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const download = () => run("apt-get", ["download", "kubernetes-client"], { cwd: cache });
  if ((await download()).code !== 0) {
    await runOrThrow("apt-get", ["update", "-qq"]);
    const { code, stderr } = await download();
    if (code !== 0) throw new Error(`kubectl 1.20 cannot be downloaded: ${stderr}`);
  }
  await runOrThrow("sh", ["-c", "dpkg -x kubernetes-client_*.deb . && rm kubernetes-client_*.deb"], { cwd: cache });
  return binary;
}

/** Waits until `check` gives a value (not undefined or false); throws with what was last seen when the time is up. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
