// Which writes are mere heartbeats: visible and watched like all others, but not worth a disk write.
import type { AnyKind } from "../../kinds/registry.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { KubeObject } from "../../machinery/object.ts";

/** True when an update says no more than that the object is alive. */
export const isHeartbeat = (kind: AnyKind, next: KubeObject, old: KubeObject): boolean =>
  kind.withoutHeartbeat !== undefined &&
  deepEqual({ ...next.metadata, managedFields: undefined }, { ...old.metadata, managedFields: undefined }) &&
  deepEqual(kind.withoutHeartbeat(next), kind.withoutHeartbeat(old));
