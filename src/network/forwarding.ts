// Docker and ufw set the policy of iptables' FORWARD chain to DROP, which no rule in a table of our own can undo. On such
// machines, and only there, two rules in that chain let the traffic of our bridge pass.
import { run } from "../host/run.ts";

const rules = (bridge: string): string[][] =>
  ["-i", "-o"].map((direction) => [direction, bridge, "-m", "comment", "--comment", `knarr ${bridge}`, "-j", "ACCEPT"]);

/** The iptables calls that are needed, given what `iptables -S FORWARD` prints. */
export function planForwarding(listing: string, bridge: string): string[][] {
  const lines = listing.split("\n");
  if (!lines.includes("-P FORWARD DROP")) return [];
  if (lines.some((line) => line.includes(`--comment "knarr ${bridge}"`))) return [];
  return rules(bridge).map((rule) => ["-w", "-I", "FORWARD", ...rule]);
}

/** Does nothing on machines without iptables or with an open FORWARD chain. */
export async function allowForwarding(bridge: string): Promise<void> {
  for (const args of planForwarding(await listForward(), bridge)) await run("iptables", args);
}

export async function forbidForwarding(bridge: string): Promise<void> {
  if (!(await listForward()).includes(`--comment "knarr ${bridge}"`)) return;
  for (const rule of rules(bridge)) await run("iptables", ["-w", "-D", "FORWARD", ...rule]);
}

async function listForward(): Promise<string> {
  try {
    return (await run("iptables", ["-w", "-S", "FORWARD"])).stdout;
  } catch {
    return "";
  }
}
