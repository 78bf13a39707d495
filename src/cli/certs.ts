// knarr certs: what the cluster's certificates are, and new ones. It works on the files; a running cluster follows them.
import { listCertificates, type ListedCertificate } from "../apiserver/auth/pki/list.ts";
import { finish, pkiNames, rotate, type PkiName } from "../apiserver/auth/pki/rotate.ts";
import { inUse } from "../apiserver/auth/pki/files.ts";
import { digestOf, leafNames, leafOptions, type LeafName, type State } from "../apiserver/auth/pki/settle.ts";
import { trustOf } from "../apiserver/auth/pki/authority.ts";
import { writeKubeconfig } from "../client/kubeconfig.ts";
import { asAdmin, pkiDirectory, servingNames, type ClusterSettings } from "../cluster.ts";
import { runningPid } from "../host/child.ts";
import { realClock, sleep } from "../machinery/clock.ts";
import { kubeconfigOf, settingsOf, type Place } from "./connect.ts";
import { formatTable } from "./table.ts";
import { caFilesIn, pidFileOf } from "./up.ts";

/** Prints a table, or the same as JSON. */
export function list({ output, ...place }: Place & { readonly output?: string }): void {
  settingsOf(place);
  if (output !== undefined && output !== "json") throw new Error(`-o ${output}: only json is possible`);
  const rows = listCertificates(pkiDirectory(place.dataDir), realClock.now());
  console.log(output === "json" ? JSON.stringify(rows, null, 2) : formatTable([header, ...rows.map(cellsOf)]));
}

const header = ["NAME", "USAGES", "EXPIRES", "DAYS LEFT", "SUBJECT", "ISSUER", "FILE", "NAMES"];

const cellsOf = (row: ListedCertificate): string[] => [
  row.name,
  row.usages.join(","),
  row.expires?.slice(0, 10) ?? "",
  [row.daysLeft ?? "", row.problem ?? ""].filter((part) => part !== "").join(" "),
  row.subject,
  row.issuer,
  row.file,
  row.alternativeNames.join(","),
];

interface RotateFlags {
  readonly names: readonly string[];
  readonly all?: boolean;
  readonly finish?: boolean;
  readonly revoke?: boolean;
  readonly caCert?: string;
  readonly caKey?: string;
}

/** What the flags ask for. Throws an Error that names what does not go together. */
export function planRotation(flags: RotateFlags): {
  readonly names: readonly PkiName[];
  readonly steps: readonly ("rotate" | "finish")[];
} {
  const unknown = flags.names.find((name) => !(pkiNames as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`there is no "${unknown}" to rotate; there are ${pkiNames.join(", ")}`);
  if (flags.all && flags.names.length > 0) throw new Error("--all means every certificate: say no names with it");
  if (!flags.all && flags.names.length === 0)
    throw new Error(`say what to rotate: --all, or some of ${pkiNames.join(", ")}`);
  if (flags.finish && flags.revoke) throw new Error("--revoke finishes by itself: say no --finish with it");
  const names = flags.all ? leafNames : (flags.names as readonly PkiName[]);
  if (flags.caCert !== undefined && (names.join() !== "ca" || flags.finish)) {
    throw new Error("--ca-cert and --ca-key go with `knarr certs rotate ca`");
  }
  if (!flags.revoke) return { names, steps: [flags.finish ? "finish" : "rotate"] };
  // A certificate that is out there is refused once its CA is trusted no longer.
  const cas = names.map((name) => (name in leafOptions ? leafOptions[name as LeafName].ca : name));
  return { names: [...new Set(cas)], steps: ["rotate", "finish"] };
}

export async function rotateCerts({ name, dataDir, ...flags }: Place & RotateFlags): Promise<void> {
  const settings = settingsOf({ name, dataDir });
  const newCa = caFilesIn(flags);
  const { names, steps } = planRotation(flags);
  const dir = pkiDirectory(dataDir);
  const options = { ...servingNames(settings), clock: realClock, newCa };
  let state: State | undefined;
  for (const step of steps) state = await (step === "rotate" ? rotate : finish)(dir, names, options);
  if (runningPid(pidFileOf(dataDir)) === undefined) writeAdmin(settings, dataDir, state!);
  else await takenOver(dir, digestOf(state!));
  console.log(summary(names, steps.at(-1)!));
}

function writeAdmin(settings: ClusterSettings, dataDir: string, { cas, leaves }: State): void {
  const server = `https://127.0.0.1:${settings.apiPort}`;
  const admin = asAdmin({ caPem: trustOf(cas.ca), admin: leaves.admin });
  writeKubeconfig(kubeconfigOf({ name: settings.name, dataDir }), { name: settings.name, server, ...admin });
}

const pollMs = 50;
const patienceMs = 15_000;

async function takenOver(dir: string, digest: string): Promise<void> {
  for (let waited = 0; inUse(dir) !== digest; waited += pollMs) {
    if (waited >= patienceMs) throw new Error("rotated, but the running cluster has not taken it over: see its log");
    await sleep(realClock, pollMs);
  }
}

function summary(names: readonly PkiName[], step: "rotate" | "finish"): string {
  if (step === "finish") return `${names.join(", ")}: only the new is trusted now`;
  const unfinished = names.filter((name) => !(leafNames as readonly string[]).includes(name));
  if (unfinished.length === 0) return `new certificates: ${names.join(", ")}`;
  return [
    `rotated: ${names.join(", ")}. Old and new are trusted until you say`,
    `  knarr certs rotate ${unfinished.join(" ")} --finish`,
    ...(unfinished.includes("ca")
      ? ["Give those outside of the cluster new kubeconfigs first (knarr kubeconfig)."]
      : []),
    ...(unfinished.includes("service-account") ? ["Pods have new tokens after an hour at the latest."] : []),
  ].join("\n");
}
