// The client of the cluster that the flags name.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { HttpsClient } from "../client/https.ts";
import { clientFromKubeconfig } from "../client/kubeconfig.ts";
import type { ClusterSettings } from "../cluster.ts";
import { readSettings } from "./settings.ts";

/** Where a cluster lives on this machine. */
export interface Place {
  readonly name: string;
  readonly dataDir: string;
}

export const kubeconfigOf = ({ dataDir }: Place): string => join(dataDir, "kubeconfig");

/** Says that there is no such cluster, and how there could be one. */
export const noCluster = ({ name, dataDir }: Place): Error =>
  new Error(`there is no cluster "${name}" in ${dataDir}; start one with: npm start`);

/** Throws when there is no such cluster. */
export function settingsOf(place: Place): ClusterSettings {
  const settings = readSettings(place.dataDir);
  if (!settings) throw noCluster(place);
  return settings;
}

/** Throws when there is no such cluster. */
export async function connect(place: Place): Promise<HttpsClient & AsyncDisposable> {
  const file = kubeconfigOf(place);
  if (!existsSync(file)) throw noCluster(place);
  return clientFromKubeconfig(file, { component: "knarr" });
}
