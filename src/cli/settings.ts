// The settings of a cluster on this machine: chosen once at its first start, kept in DIR/cluster.json. A small registry
// of all clusters of the machine keeps names, ports and address ranges apart.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { ClusterSettings, SettingsOverrides } from "../cluster.ts";

const registryFile = () => join(process.env.KNARR_HOME ?? "/var/lib/knarr", "clusters.json");

export const defaultDataDir = (name: string): string =>
  process.getuid?.() === 0
    ? join("/var/lib/knarr", name)
    : join(process.env.XDG_DATA_HOME ?? join(process.env.HOME ?? ".", ".local/share"), "knarr", name);

const settingsFile = (dataDir: string) => join(dataDir, "cluster.json");

export function readSettings(dataDir: string): ClusterSettings | undefined {
  try {
    return JSON.parse(readFileSync(settingsFile(dataDir), "utf8")) as ClusterSettings;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`${settingsFile(dataDir)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The cluster's settings, chosen and written when there are none. What the command line gives is kept; an empty flag of the
 * API server takes away what was given before.
 */
export async function ensureSettings(
  name: string,
  dataDir: string,
  overrides: SettingsOverrides,
): Promise<ClusterSettings> {
  const directory = resolve(dataDir);
  const stored = readSettings(directory);
  if (stored && stored.name !== name) {
    throw new Error(`${directory} belongs to the cluster "${stored.name}", not to "${name}"`);
  }
  const { apiServer: flags, ...rest } = overrides;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const settings = { ...(stored ?? (await chooseSettings(name, directory))), ...given };
  const apiServer = Object.entries({ ...stored?.apiServer, ...flags }).filter(([, value]) => value !== "");
  if (apiServer.length > 0) Object.assign(settings, { apiServer: Object.fromEntries(apiServer) });
  else delete (settings as { apiServer?: object }).apiServer;
  if (JSON.stringify(settings) !== JSON.stringify(stored)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeAtomically(settingsFile(directory), settings);
  }
  return settings;
}

type Registry = Record<string, { dataDir: string; index: number }>;

function readRegistry(): Registry {
  try {
    return JSON.parse(readFileSync(registryFile(), "utf8")) as Registry;
  } catch {
    return {};
  }
}

/** Every other cluster known on this machine whose directory still exists. */
function otherClusters(name: string): Registry {
  return Object.fromEntries(
    Object.entries(readRegistry()).filter(
      ([other, { dataDir }]) => other !== name && existsSync(settingsFile(dataDir)),
    ),
  );
}

export function forgetCluster(name: string): void {
  if (existsSync(registryFile())) writeAtomically(registryFile(), otherClusters(name));
}

async function chooseSettings(name: string, dataDir: string): Promise<ClusterSettings> {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new Error(`"${name}" is no cluster name: use up to 32 lower case letters, digits and dashes`);
  }
  const known = readRegistry()[name];
  if (known && known.dataDir !== dataDir && existsSync(settingsFile(known.dataDir))) {
    throw new Error(`a cluster "${name}" exists already, in ${known.dataDir}; choose another --name`);
  }
  const others = otherClusters(name);
  const taken = new Set(Object.values(others).map(({ index }) => index));
  let index = 0;
  while (index < maxClusters && (taken.has(index) || rangeInUse(index) || bridgeInUse(index))) index++;
  if (index === maxClusters)
    throw new Error("no free address range for another cluster; remove one with `knarr reset`");
  mkdirSync(dirname(registryFile()), { recursive: true, mode: 0o700 });
  writeAtomically(registryFile(), { ...others, [name]: { dataDir, index } });
  return {
    name,
    nodeName: hostname()
      .toLowerCase()
      .replace(/[^a-z0-9.-]/g, "-"),
    nodeAddress: machineAddress() ?? `10.${podRange(index)}.0.1`,
    apiPort: await freePort(6443 + index),
    httpPort: index === 0 ? 80 : 18080 + index,
    httpsPort: index === 0 ? 443 : 18443 + index,
    podCidr: `10.${podRange(index)}.0.0/16`,
    serviceCidr: `10.${serviceRange(index)}.0.0/16`,
    bridge: bridgeName(index),
    nftTable: `knarr-${name}`,
    cgroupRoot: `knarr-${name}`,
    clusterDomain: "cluster.local",
  };
}

/** 10.244.0.0/16 downwards for pods, 10.96.0.0/16 upwards for Services: what everybody knows from other clusters. */
const podRange = (index: number) => 244 - index;
const serviceRange = (index: number) => 96 + index;
const maxClusters = 48;

const bridgeName = (index: number) => `knarr${index}`;
const bridgeInUse = (index: number) => existsSync(`/sys/class/net/${bridgeName(index)}`);

function rangeInUse(index: number): boolean {
  const prefixes = [`10.${podRange(index)}.`, `10.${serviceRange(index)}.`];
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  return addresses.some((address) => prefixes.some((prefix) => address.startsWith(prefix)));
}

/** The first IPv4 address of a real interface. */
function machineAddress(): string | undefined {
  const virtual = /^(lo|docker|br-|veth|virbr|cni|knarr|tun|tap|flannel)/;
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (virtual.test(name)) continue;
    const found = addresses?.find(({ family, internal }) => family === "IPv4" && !internal);
    if (found) return found.address;
  }
  return undefined;
}

/** The first port from `start` upwards on which nobody listens on loopback. */
async function freePort(start: number): Promise<number> {
  for (let port = start; port < start + 200; port++) {
    const free = await new Promise<boolean>((settle) => {
      const probe = createServer();
      probe.once("error", () => settle(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => settle(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port between ${start} and ${start + 200}`);
}

function writeAtomically(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
