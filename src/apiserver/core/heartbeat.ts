// Which writes are mere heartbeats: visible and watched like all others, but not worth a disk write.
import type { AnyKind } from "../../kinds/registry.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { KubeObject } from "../../machinery/object.ts";

interface Heartbeating extends KubeObject {
  spec?: Record<string, unknown>;
  status?: { conditions?: Record<string, unknown>[] } & Record<string, unknown>;
}

/** True when a Lease was only renewed, or a Node only reported that its conditions still hold. */
export function isHeartbeat(kind: AnyKind, next: Heartbeating, old: Heartbeating): boolean {
  if (kind.group === "coordination.k8s.io" && kind.plural === "leases") {
    return sameMetadata(next, old) && deepEqual({ ...next.spec, renewTime: "" }, { ...old.spec, renewTime: "" });
  }
  if (kind.group === "" && kind.plural === "nodes") {
    return sameMetadata(next, old) && deepEqual(next.spec, old.spec) && deepEqual(still(next), still(old));
  }
  return false;
}

const sameMetadata = (next: KubeObject, old: KubeObject) =>
  deepEqual({ ...next.metadata, managedFields: undefined }, { ...old.metadata, managedFields: undefined });

const still = ({ status }: Heartbeating) => ({
  ...status,
  conditions: status?.conditions?.map((condition) => ({ ...condition, lastHeartbeatTime: "" })),
});
