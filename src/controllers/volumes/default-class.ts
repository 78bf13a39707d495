// The StorageClass that a claim without a class gets: directories on the node's own disk, made when a pod needs them.
import type { Client } from "../../client/client.ts";
import { StorageClass } from "../../kinds/index.ts";
import { isReason } from "../../machinery/errors.ts";
import { localProvisioner } from "./provision.ts";

/** Creates it unless a class of that name exists; what a user changed in it stays. */
export async function ensureDefaultStorageClass(client: Client): Promise<void> {
  if (await client.get(StorageClass, "local").catch(ifAbsent)) return;
  await client.create(StorageClass, {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: localProvisioner,
    reclaimPolicy: "Delete",
    volumeBindingMode: "WaitForFirstConsumer",
  });
}

function ifAbsent(error: unknown): undefined {
  if (isReason(error, "NotFound")) return undefined;
  throw error;
}
