// A containerd of our own: configuration, start, adoption after a restart of Knarr, orderly stop. Containers belong to
// their shims, so they outlive both Knarr and containerd.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adoptChild, type Child, startChild } from "../host/child.ts";
import { ensurePrivateDirectory } from "../host/private-directory.ts";
import { type Clock, sleep } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { openGrpc } from "../client/grpc.ts";
import { createRuntimeClient } from "./cri/client.ts";
import { buildPauseImage, importImage, pauseImage } from "./images/import.ts";

export interface ContainerdOptions {
  /** Holds root, configuration and logs; its `state` and the socket default to places inside. */
  readonly dir: string;
  readonly stateDir?: string;
  /** At most 107 bytes. */
  readonly socket?: string;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  /** Default: our own, built here when it is missing. */
  readonly sandboxImage?: string;
  /** Directory of hosts.toml files per registry (containerd's `config_path`). */
  readonly registryConfigDir?: string;
  /** "overlayfs" unless given. */
  readonly snapshotter?: string;
  /** Default: whether this process may lower oom_score_adj (CAP_SYS_RESOURCE). */
  readonly restrictOomScoreAdj?: boolean;
  /** cgroup v1/v2 path for containerd itself; none leaves it where Knarr runs. */
  readonly cgroup?: string;
  readonly command?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Containerd extends AsyncDisposable {
  readonly socket: string;
  readonly pid: number;
  readonly adopted: boolean;
  /** Stops containerd; running containers go on. */
  stop(): Promise<void>;
}

const CAP_SYS_RESOURCE = 24n;

/** Whether this process has a capability (by number) in its effective set. */
async function hasCapability(capability: bigint): Promise<boolean> {
  const status = await readFile("/proc/self/status", "utf8");
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> capability) & 1n) === 1n;
}

const quoted = (value: string) => JSON.stringify(value);

/** Plugins that a CRI node does not use; each costs start time or memory. */
const disabledPlugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.internal.v1.restart",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.monitor.v1.cgroups",
  "io.containerd.nri.v1.nri",
];

/** The configuration file, in the version 2 form that containerd 1.6 to 2.x read. */
function renderContainerdConfig(
  options: ContainerdOptions & { readonly stateDir: string; readonly socket: string; readonly restrictOom: boolean },
): string {
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  const disabled = disabledPlugins.filter((plugin) => !plugin.endsWith(`.${options.snapshotter ?? "overlayfs"}`));
  return `version = 2
root = ${quoted(join(options.dir, "root"))}
state = ${quoted(options.stateDir)}
disabled_plugins = [${disabled.map(quoted).join(", ")}]

[grpc]
  address = ${quoted(options.socket)}
${options.cgroup ? `\n[cgroup]\n  path = ${quoted(options.cgroup)}\n` : ""}
[plugins."io.containerd.internal.v1.opt"]
  path = ${quoted(join(options.dir, "opt"))}

[${cri}]
  sandbox_image = ${quoted(options.sandboxImage ?? pauseImage)}
  restrict_oom_score_adj = ${options.restrictOom}
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  stats_collect_period = 3600
  netns_mounts_under_state_dir = true

[${cri}.cni]
  bin_dir = ${quoted(options.cniBinDir)}
  conf_dir = ${quoted(options.cniConfDir)}

[${cri}.containerd]
  default_runtime_name = "runc"
  snapshotter = ${quoted(options.snapshotter ?? "overlayfs")}
  discard_unpacked_layers = true

[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
${options.registryConfigDir ? `\n[${cri}.registry]\n  config_path = ${quoted(options.registryConfigDir)}\n` : ""}`;
}

/**
 * Starts containerd, or takes over the one that an earlier Knarr left when it is alive, answers and has the same
 * configuration. Resolves when the runtime service answers and the sandbox image is there. Disposing leaves it running.
 */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { dir, clock, log } = options;
  const stateDir = options.stateDir ?? join(dir, "state");
  const socket = options.socket ?? join(dir, "containerd.sock");
  const restrictOom = options.restrictOomScoreAdj ?? !(await hasCapability(CAP_SYS_RESOURCE));
  const configFile = join(dir, "config.toml");
  const pidFile = join(dir, "containerd.pid");
  const config = renderContainerdConfig({ ...options, stateDir, socket, restrictOom });
  ensurePrivateDirectory(dir);

  let child = await adopt({ pidFile, configFile, config, socket }, clock, log);
  if (!child) {
    await writeFile(configFile, config, { mode: 0o600 });
    child = await launch(options, { configFile, pidFile, socket });
  }
  if (options.sandboxImage === undefined) await ensurePauseImage(socket);
  let running = child;
  let stopped = false;
  const supervise = () => {
    void running.exited.then(async ({ code, signal }) => {
      if (stopped) return;
      log.warn({ code, signal }, "containerd ended by itself, starting it again");
      await sleep(clock, restartPauseMs);
      try {
        if (!stopped) running = await launch(options, { configFile, pidFile, socket });
        supervise();
      } catch (error) {
        log.error({ error }, "containerd could not be started again");
      }
    });
  };
  supervise();
  return {
    socket,
    get pid() {
      return running.pid;
    },
    adopted: running.adopted,
    async stop() {
      stopped = true;
      await running.stop({ graceMs: 10_000 });
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
    },
  };
}

const restartPauseMs = 1000;

interface Place {
  readonly configFile: string;
  readonly pidFile: string;
  readonly socket: string;
}

/** The containerd of an earlier Knarr, if it is as we want it; one that is not is stopped. */
async function adopt(place: Place & { config: string }, clock: Clock, log: Logger): Promise<Child | undefined> {
  const child = adoptChild({ pidFile: place.pidFile }, clock);
  if (!child) return undefined;
  const same = (await readFile(place.configFile, "utf8").catch(() => "")) === place.config;
  if (same && (await answers(place.socket, child, clock, adoptTimeoutMs))) return child;
  const why = same ? "it does not answer" : "its configuration is another";
  log.info({ pid: child.pid }, `restarting containerd: ${why}`);
  await child.stop({ graceMs: 10_000 });
  return undefined;
}

async function launch(options: ContainerdOptions, { configFile, pidFile, socket }: Place): Promise<Child> {
  const logFile = join(options.dir, "containerd.log");
  const child = await startChild(
    {
      command: options.command ?? "containerd",
      args: ["--config", configFile, "--log-level", "warn"],
      logFile,
      pidFile,
      env: { GOGC: "50" },
    },
    options.clock,
  );
  if (await answers(socket, child, options.clock, startTimeoutMs)) return child;
  await child.stop({ graceMs: 1000 });
  const said = (await readFile(logFile, "utf8").catch(() => "")).trim().split("\n").slice(-5).join("\n");
  throw new Error(`containerd did not become ready:\n${said}`);
}

const adoptTimeoutMs = 5000;
const startTimeoutMs = 30_000;

/** Waits until the runtime service answers, the process ends or the time is up. */
async function answers(socket: string, child: Child, clock: Clock, timeoutMs: number): Promise<boolean> {
  const deadline = clock.now() + timeoutMs;
  const grpc = openGrpc(socket);
  const runtime = createRuntimeClient(grpc);
  try {
    while (child.alive() && clock.now() < deadline) {
      const answered = await runtime.version().then(
        () => true,
        () => false,
      );
      if (answered) return true;
      await sleep(clock, 15);
    }
    return false;
  } finally {
    runtime.close();
  }
}

async function ensurePauseImage(socket: string): Promise<void> {
  const runtime = createRuntimeClient(openGrpc(socket));
  try {
    if ((await runtime.imageStatus(pauseImage)) === undefined) await importImage(socket, await buildPauseImage());
  } finally {
    runtime.close();
  }
}
