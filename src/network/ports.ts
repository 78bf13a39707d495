// Who listens on this machine: from /proc/net and /proc/<pid>/fd, for messages about ports that are taken.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { formatAddress } from "./address.ts";

export type Protocol = "tcp" | "udp";

export interface Listener {
  /** IPv4 address, or "::" style text for IPv6 sockets (which mostly listen on IPv4 too). */
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

const listening = "0A";
const unconnected = "07";

/** The listening (TCP) or bound (UDP) sockets in the text of a /proc/net table. */
export function parseSockets(text: string, protocol: Protocol): Listener[] {
  const state = protocol === "tcp" ? listening : unconnected;
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [hexAddress = "", hexPort = ""] = (fields[1] ?? "").split(":");
      if (fields[3] !== state) return [];
      return [{ address: readAddress(hexAddress), port: Number.parseInt(hexPort, 16), inode: fields[9] ?? "" }];
    });
}

/** The kernel prints addresses in host byte order. */
function readAddress(hex: string): string {
  if (hex.length !== 8) return /^0+$/.test(hex) ? "::" : "IPv6";
  const bytes = Buffer.from(hex, "hex");
  return formatAddress(bytes.readUInt32LE(0));
}

export function listeners(protocol: Protocol): Listener[] {
  return [protocol, `${protocol}6`].flatMap((name) => {
    try {
      return parseSockets(readFileSync(`/proc/net/${name}`, "utf8"), protocol);
    } catch {
      return [];
    }
  });
}

/** `haproxy (pid 4711) on 0.0.0.0:80`, or undefined when nobody holds the port. */
export function describePortHolder(port: number, protocol: Protocol = "tcp"): string | undefined {
  const found = listeners(protocol).find((listener) => listener.port === port);
  if (!found) return undefined;
  const pid = findSocketOwner(found.inode);
  const where = `${found.address}:${port}`;
  if (pid === undefined) return `a process of another user or network namespace on ${where}`;
  return `${readText(`/proc/${pid}/comm`).trim() || "a process"} (pid ${pid}) on ${where}`;
}

function findSocketOwner(inode: string): number | undefined {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`))
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`) return Number(pid);
    } catch {
      // The process or one of its files is gone, or is not ours to look at.
    }
  }
  return undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
