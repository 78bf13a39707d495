// Writes down what of each ResourceQuota is used.
// Follows kubernetes v1.36 pkg/controller/resourcequota/resource_quota_controller.go.
import {
  ConfigMap,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  StatefulSet,
} from "../kinds/index.ts";
import { collectionOf } from "../kinds/kind.ts";
import { quotaMatches, quotaUsage } from "../kinds/quota.ts";
import type { AnyKind } from "../kinds/registry.ts";
import { keyOf, type KubeObject } from "../machinery/object.ts";
import { addQuantities } from "../machinery/quantity.ts";
import { statusUpdate } from "./common/status.ts";
import { defineController, type Plan, type Watch } from "./framework/controller.ts";

const counted: readonly AnyKind[] = [
  ConfigMap,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  StatefulSet,
];

export interface QuotaObserved {
  readonly quota: ResourceQuota;
  /** Objects of the namespace by collection. */
  readonly objects: readonly { readonly collection: string; readonly items: readonly KubeObject[] }[];
}

function decideQuota({ quota, objects }: QuotaObserved): Plan {
  const hard = quota.spec?.hard ?? {};
  const used: Record<string, string> = Object.fromEntries(Object.keys(hard).map((name) => [name, "0"]));
  for (const { collection, items } of objects) {
    for (const object of items) {
      if (!quotaMatches(quota, collection, object)) continue;
      for (const [name, amount] of Object.entries(quotaUsage(collection, object))) {
        if (used[name] !== undefined) used[name] = addQuantities(used[name], amount);
      }
    }
  }
  return { actions: statusUpdate(ResourceQuota, quota, { hard, used }) };
}

const wakesQuotas: readonly Watch[] = counted.map((kind) => ({
  kind,
  keys: ({ metadata }: KubeObject, caches) => caches.of(ResourceQuota).list(metadata.namespace).map(keyOf),
}));

export const resourceQuota = defineController<QuotaObserved>({
  name: "resourcequota-controller",
  primary: ResourceQuota,
  watches: wakesQuotas,
  observe(key, caches) {
    const quota = caches.of(ResourceQuota).get(key);
    if (!quota) return undefined;
    const { namespace } = quota.metadata;
    return {
      quota,
      objects: counted.map((kind) => ({ collection: collectionOf(kind), items: caches.of(kind).list(namespace) })),
    };
  },
  decide: decideQuota,
});
