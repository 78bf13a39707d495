// The client of the cluster that the flags name.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { HttpsClient } from "../client/https.ts";
import { clientFromKubeconfig } from "../client/kubeconfig.ts";

/** Where a cluster lives on this machine. */
export interface Place {
  readonly name: string;
  readonly dataDir: string;
}

export const kubeconfigOf = ({ dataDir }: Place): string => join(dataDir, "kubeconfig");

/** Throws with a way out when there is no such cluster. */
export async function connect(place: Place): Promise<HttpsClient & AsyncDisposable> {
  const file = kubeconfigOf(place);
  if (!existsSync(file))
    throw new Error(`there is no cluster "${place.name}" in ${place.dataDir}; start one with: npm start`);
  return clientFromKubeconfig(file, { component: "knarr" });
}
