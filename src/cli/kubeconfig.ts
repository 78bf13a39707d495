// knarr kubeconfig: the administrator's, or one for somebody else.
import { existsSync, readFileSync } from "node:fs";
import { ensurePki } from "../apiserver/auth/pki.ts";
import { kubeconfigText, writeKubeconfig } from "../client/kubeconfig.ts";
import { pkiDirectory, servingNames } from "../cluster.ts";
import { realClock } from "../machinery/clock.ts";
import { kubeconfigOf, noCluster, settingsOf, type Place } from "./connect.ts";

interface KubeconfigFlags {
  readonly path?: boolean;
  readonly user?: string;
  readonly group: readonly string[];
  readonly days?: number;
  /** File to write, readable by its owner only. */
  readonly output?: string;
}

/** Prints the kubeconfig or its path; with a user it issues a new certificate, and the same again is how to renew it. */
export async function kubeconfig({ name, dataDir, ...flags }: Place & KubeconfigFlags): Promise<void> {
  const settings = settingsOf({ name, dataDir });
  const file = kubeconfigOf({ name, dataDir });
  if (!existsSync(file)) throw noCluster({ name, dataDir });
  const { user, group, days = 365, output } = flags;
  if (user === undefined) {
    if (group.length > 0 || flags.days !== undefined || output !== undefined) {
      throw new Error("--group, --days and --output go with --user");
    }
    return console.log(flags.path ? file : readFileSync(file, "utf8").trimEnd());
  }
  if (user === "") throw new Error("--user must not be empty");
  if (!Number.isInteger(days) || days < 1) throw new Error("--days must be a whole number of days");
  const pki = await ensurePki(pkiDirectory(dataDir), { ...servingNames(settings), clock: realClock });
  const { certPem: cert, keyPem: key } = await pki.issueClientCertificate({
    commonName: user,
    organizations: group,
    days,
  });
  const server = `https://127.0.0.1:${settings.apiPort}`;
  const content = { name: `${user}@${name}`, server, caPem: pki.caPem, credentials: { cert, key } };
  if (output === undefined) console.log(kubeconfigText(content).trimEnd());
  else writeKubeconfig(output, content);
}
