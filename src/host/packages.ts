// The Debian packages that a node needs: which are missing, and how they come onto the machine.
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run, runOrThrow } from "./run.ts";

export interface Requirement {
  readonly package: string;
  /** A command on PATH, or an absolute path, that the package brings. */
  readonly provides: string;
  readonly why: string;
}

const nodeRequirements: readonly Requirement[] = [
  { package: "containerd", provides: "containerd", why: "runs containers" },
  { package: "runc", provides: "runc", why: "starts one container" },
  { package: "containernetworking-plugins", provides: "/usr/lib/cni/bridge", why: "connects pods" },
  { package: "nftables", provides: "nft", why: "Services" },
  { package: "iproute2", provides: "ip", why: "routes and bridges" },
  { package: "conntrack", provides: "conntrack", why: "Services over UDP" },
  { package: "haproxy", provides: "haproxy", why: "Ingress" },
  { package: "catatonit", provides: "catatonit", why: "the sandbox of a pod" },
];

const systemPath = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The absolute path of a command, looked up on PATH and in the system's directories. */
export function findCommand(name: string): string | undefined {
  if (name.startsWith("/")) return existsSync(name) ? name : undefined;
  for (const directory of [...(process.env.PATH ?? "").split(":"), ...systemPath]) {
    const candidate = join(directory || ".", name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {}
  }
  return undefined;
}

export const missingRequirements = (requirements: readonly Requirement[] = nodeRequirements): Requirement[] =>
  requirements.filter(({ provides }) => findCommand(provides) === undefined);

/** What a person would type to get the packages. */
export const installCommand = (missing: readonly Requirement[]): string =>
  `apt-get update && apt-get install -y --no-install-recommends ${missing.map((r) => r.package).join(" ")}`;

export const canInstallPackages = (): boolean => process.getuid?.() === 0 && findCommand("apt-get") !== undefined;

/** Installs the packages; throws CommandError with what apt printed. Services that come with them are not left running. */
export async function installPackages(missing: readonly Requirement[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const names = missing.map((r) => r.package);
  const install = ["install", "-y", "-qq", "--no-install-recommends", ...names];
  const listsMissing = readdirSync("/var/lib/apt/lists").filter((name) => name.includes("Packages")).length === 0;
  if (listsMissing || (await run("apt-get", install, { env })).code !== 0) {
    await runOrThrow("apt-get", ["update", "-qq"], { env });
    await runOrThrow("apt-get", install, { env });
  }
  const services = names.filter((name) => name === "haproxy" || name === "containerd");
  if (services.length > 0 && existsSync("/run/systemd/system"))
    await run("systemctl", ["disable", "--now", ...services]);
}
