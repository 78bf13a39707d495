// knarr up: checks the machine, installs what is missing, starts the cluster in the foreground, says how to reach it.
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join, resolve } from "node:path";
import type { CaFiles } from "../apiserver/auth/pki/settle.ts";
import { apiServerFlags, type ApiServerFlags } from "../apiserver/flags.ts";
import type { Cluster, SettingsOverrides } from "../cluster.ts";
import { runningPid, writePidFile } from "../host/child.ts";
import { canInstallPackages, installCommand, installPackages, missingRequirements } from "../host/packages.ts";
import { restWhenIdle } from "../host/rest.ts";
import { realClock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { createLogger, type LogFormat } from "./logger.ts";
import { ensureSettings } from "./settings.ts";

interface UpFlags extends Omit<SettingsOverrides, "name" | "apiServer">, ApiServerFlags {
  readonly install: boolean;
  readonly controlPlaneOnly?: boolean;
  readonly logLevel: string;
  readonly logFormat?: LogFormat;
  readonly caCert?: string;
  readonly caKey?: string;
}

export const pidFileOf = (dataDir: string) => join(dataDir, "knarr.pid");

export async function up(options: { name: string; dataDir: string; version: string; flags: UpFlags }): Promise<void> {
  const { name, dataDir, version, flags } = options;
  const controlPlaneOnly = flags.controlPlaneOnly === true;
  if (!controlPlaneOnly) requireNodeAbilities();
  const running = runningPid(pidFileOf(dataDir));
  if (running) throw new Error(`this cluster runs already (process ${running}); see \`knarr status\``);
  const ca = caFilesIn(flags);
  if (!controlPlaneOnly) await ensurePackages(flags);

  const { apiPort, httpPort, httpsPort, nodeName, nodeAddress, podCidr, serviceCidr, containerRuntimeEndpoint } = flags;
  const settings = await ensureSettings(name, dataDir, {
    apiPort,
    httpPort,
    httpsPort,
    nodeName,
    nodeAddress,
    podCidr,
    serviceCidr,
    containerRuntimeEndpoint,
    apiServer: apiServerFlagsIn(flags),
  });
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writePidFile(pidFileOf(dataDir), process.pid);

  const onTerminal = process.stderr.isTTY;
  const format = flags.logFormat ?? (onTerminal ? "pretty" : "json");
  const logFile = createWriteStream(join(dataDir, "knarr.log"), { flags: "a", mode: 0o600 });
  // On a terminal the log would drown the progress lines, so only warnings go there; the file has everything.
  const shown = createLogger({
    level: onTerminal ? "warn" : flags.logLevel,
    format,
    colour: onTerminal,
    write: (l) => process.stderr.write(l),
  });
  const log = onTerminal
    ? tee(shown, createLogger({ level: flags.logLevel, format: "json", write: (l) => logFile.write(l) }))
    : shown;

  const progress = (step: string) => console.log(`${seconds(performance.now())}  ${step}`);
  console.log(`Knarr ${version}: cluster "${name}" in ${dataDir}`);
  const { startCluster } = await import("../cluster.ts");
  const cluster = await startCluster({
    settings,
    dataDir,
    version,
    clock: realClock,
    log,
    ...(ca ? { ca } : {}),
    controlPlaneOnly,
    onProgress: progress,
  }).catch(async (error: NodeJS.ErrnoException & { port?: number }) => {
    if (error.code !== "EADDRINUSE" || error.port === undefined) throw error;
    throw new Error(await takenPort(error.port), { cause: error });
  });
  console.log(farewell(cluster, name, dataDir, controlPlaneOnly));
  // Node would keep what it has compiled only when it ends, and not when it is killed.
  flushCompileCache();
  restWhenIdle();
  await untilSignal();
  // Whoever asks twice does not want to wait.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  console.log("\nstopping Knarr; containers stay (knarr down stops them)");
  await cluster[Symbol.asyncDispose]();
  rmSync(pidFileOf(dataDir), { force: true });
  // Whatever a library still holds must not keep the command from ending: everything of ours is closed by now.
  process.exit(0);
}

/** The pair of flags with which a CA is brought. Throws when one is missing. */
export function caFilesIn({ caCert, caKey }: Pick<UpFlags, "caCert" | "caKey">): CaFiles | undefined {
  if (caCert === undefined && caKey === undefined) return undefined;
  if (caKey === undefined) {
    throw new Error("--ca-cert needs --ca-key: Knarr signs certificates itself, so it needs the CA's private key too");
  }
  if (caCert === undefined) throw new Error("--ca-key needs --ca-cert");
  return { certFile: resolve(caCert), keyFile: resolve(caKey) };
}

/** The flags of the API server that were given, files made absolute; undefined when none was, so that stored ones stay. */
function apiServerFlagsIn(flags: ApiServerFlags): ApiServerFlags | undefined {
  const names = Object.keys(apiServerFlags) as (keyof ApiServerFlags)[];
  const given = names.filter((name) => flags[name] !== undefined);
  const valueOf = (name: keyof ApiServerFlags) =>
    flags[name] && apiServerFlags[name].flag.endsWith(" <file>") ? resolve(flags[name]) : flags[name];
  return given.length > 0 ? Object.fromEntries(given.map((name) => [name, valueOf(name)])) : undefined;
}

/** Says what this machine cannot do, and what works all the same. */
function requireNodeAbilities(): void {
  const way = "`npm start -- --control-plane-only` starts the API server, controllers and scheduler without containers";
  if (process.platform !== "linux") throw new Error(`containers need Linux, and this is ${process.platform}; ${way}`);
  if (process.getuid?.() !== 0) {
    throw new Error(`running containers needs root (namespaces, cgroups, nftables): use sudo, or: ${way}`);
  }
}

async function ensurePackages(flags: UpFlags): Promise<void> {
  const missing = missingRequirements().filter(
    (r) => !(flags.containerRuntimeEndpoint && /containerd|runc/.test(r.package)),
  );
  if (missing.length === 0) return;
  const list = missing.map((r) => `${r.package} (${r.why})`).join(", ");
  if (!flags.install || !canInstallPackages()) {
    throw new Error(`system packages are missing: ${list}. Install them with:\n  ${installCommand(missing)}`);
  }
  console.log(`installing Debian packages: ${list} …`);
  await installPackages(missing);
}

function tee(...loggers: Logger[]): Logger {
  const each = (level: "debug" | "info" | "warn" | "error") => (fields: object, message: string) => {
    for (const logger of loggers) logger[level](fields, message);
  };
  return {
    debug: each("debug"),
    info: each("info"),
    warn: each("warn"),
    error: each("error"),
    child: (fields) => tee(...loggers.map((logger) => logger.child(fields))),
  };
}

async function takenPort(port: number): Promise<string> {
  const { describePortHolder } = await import("../network/ports.ts");
  const holder = describePortHolder(port) ?? "another process";
  return `port ${port} of the API server is held by ${holder}; free it or choose another with --api-port`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2).padStart(6)} s`;

function farewell(cluster: Cluster, name: string, dataDir: string, controlPlaneOnly: boolean): string {
  const which = name === "default" ? "" : ` --name ${name} --data-dir ${dataDir}`;
  return [
    "",
    `The cluster is ready: ${cluster.url}`,
    `  export KUBECONFIG=${cluster.kubeconfig}`,
    "  kubectl get nodes,pods -A",
    `or, without kubectl:`,
    `  ./knarr get nodes${which}`,
    ...(controlPlaneOnly
      ? ["No containers run here (--control-plane-only)."]
      : [`  npm run images${which && ` --${which}`}`, `  ./knarr apply -f examples/01-pod.yaml${which}`]),
    "Ctrl-C stops Knarr; containers go on and are found again at the next start.",
  ].join("\n");
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
