// What a cluster has from its first moment on: namespaces, priority classes, roles, the `kubernetes` Service.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../machinery/clock.ts";
import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject, NewObject } from "../../machinery/object.ts";
import type { Store, Write } from "../../store/store.ts";
import { contentsOf } from "../admission/namespace-contents.ts";

export interface BootstrapOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly rootCaPem: string;
  readonly serviceCidr: string;
}

const systemNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** Writes what is missing, in one commit; nothing when all is there. */
export async function bootstrap({ store, clock, rootCaPem }: BootstrapOptions): Promise<void> {
  const now = clock.now();
  const writes: Write[] = [];
  for (const name of systemNamespaces) {
    const key = { collection: "/namespaces", namespace: "", name };
    if (store.latest(key)) continue;
    const namespace: NewObject = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
      ...{ spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } },
    };
    writes.push({ type: "create", key, object: complete(namespace, now) }, ...contentsOf(name, rootCaPem, now));
  }
  if (writes.length > 0) await store.write(writes);
}

function complete(object: NewObject, now: number): KubeObject {
  const system = { uid: randomUUID(), resourceVersion: "", creationTimestamp: formatTime(now) };
  return { ...object, metadata: { ...object.metadata, ...system } as KubeObject["metadata"] };
}
