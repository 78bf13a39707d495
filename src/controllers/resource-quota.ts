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
import { createQuotaSums, type QuotaAmounts, type QuotaSums } from "../kinds/quota-sums.ts";
import type { AnyKind } from "../kinds/registry.ts";
import { keyOf, type KubeObject } from "../machinery/object.ts";
import { addQuantities } from "../machinery/quantity.ts";
import { statusUpdate } from "./common/status.ts";
import { defineController, type Caches, type Controller, type Plan, type Watch } from "./framework/controller.ts";

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

interface QuotaObserved {
  readonly quota: ResourceQuota;
  /** What each collection uses. */
  readonly sums: readonly Readonly<QuotaAmounts>[];
}

function decideQuota({ quota, sums }: QuotaObserved): Plan {
  const hard = quota.spec?.hard ?? {};
  const used: QuotaAmounts = {};
  for (const name in hard) used[name] = addQuantities(...sums.map((sum) => sum[name]!));
  return { actions: statusUpdate(ResourceQuota, quota, { hard, used }) };
}

const wakesQuotas: readonly Watch[] = counted.map((kind) => ({
  kind,
  keys: ({ metadata }: KubeObject, caches) => caches.of(ResourceQuota).list(metadata.namespace).map(keyOf),
}));

/** The sums follow the caches from the first quota on, so that a change costs what it changes and no recount. */
export function resourceQuota(): Controller {
  let sums: QuotaSums | undefined;
  const follow = (caches: Caches): QuotaSums => {
    const created = createQuotaSums((namespace, name) => caches.of(ResourceQuota).get(`${namespace}/${name}`));
    for (const kind of counted) {
      const collection = collectionOf(kind);
      caches.of(kind).onChange(({ type, object, old }) => {
        created.changed(collection, object.metadata.namespace!, old, type === "DELETED" ? undefined : object);
      });
    }
    return created;
  };
  return defineController<QuotaObserved>({
    name: "resourcequota-controller",
    primary: ResourceQuota,
    watches: wakesQuotas,
    observe(key, caches) {
      const quota = caches.of(ResourceQuota).get(key);
      if (!quota) return undefined;
      const known = (sums ??= follow(caches));
      const sumOf = (kind: AnyKind) =>
        known.of(quota, collectionOf(kind), () => caches.of(kind).list(quota.metadata.namespace));
      return { quota, sums: counted.map(sumOf) };
    },
    decide: decideQuota,
  });
}
