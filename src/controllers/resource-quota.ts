// Writes down what of each ResourceQuota is used.
// Follows kubernetes v1.36 pkg/controller/resourcequota/resource_quota_controller.go.
import { ResourceQuota } from "../kinds/index.ts";
import { collectionOf } from "../kinds/kind.ts";
import { createQuotaSums, type QuotaAmounts, type QuotaSums } from "../kinds/quota-sums.ts";
import type { AnyKind, KindRegistry } from "../kinds/registry.ts";
import { keyOf, type KubeObject } from "../machinery/object.ts";
import { addQuantities } from "../machinery/quantity.ts";
import { statusUpdate } from "./common/status.ts";
import { storedKinds } from "./framework/all-kinds.ts";
import { defineController, type Caches, type Controller, type Plan, type Watch } from "./framework/controller.ts";

const countedKinds = (kinds: KindRegistry) =>
  storedKinds(kinds).filter(({ namespaced, plural }) => namespaced && plural !== "events");

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

const wakesQuotas = (kind: AnyKind): Watch => ({
  kind,
  keys: ({ metadata }: KubeObject, caches) => caches.of(ResourceQuota).list(metadata.namespace).map(keyOf),
});

/** Custom resources that the quota counts. Their own changes wake nobody: the status follows with the next other change. */
function customOf({ spec }: ResourceQuota, kinds: KindRegistry): AnyKind[] {
  const names = Object.keys(spec?.hard ?? {}).filter((name) => name.startsWith("count/"));
  const isNamed = ({ plural, group }: AnyKind) => names.includes(`count/${plural}.${group}`);
  return names.length > 0 ? countedKinds(kinds).filter((kind) => kind.custom && isNamed(kind)) : [];
}

/** The sums follow the caches from the first quota on, so that a change costs what it changes and no recount. */
export function resourceQuota(kinds: KindRegistry): Controller {
  const builtin = countedKinds(kinds).filter(({ custom }) => !custom);
  let sums: QuotaSums | undefined;
  const followed = new Set<string>();
  const follow = (kind: AnyKind, caches: Caches) => {
    const collection = collectionOf(kind);
    if (followed.has(collection)) return;
    followed.add(collection);
    caches.of(kind).onChange(({ type, object, old }) => {
      sums!.changed(collection, object.metadata.namespace!, old, type === "DELETED" ? undefined : object);
    });
  };
  return defineController<QuotaObserved>({
    name: "resourcequota-controller",
    primary: ResourceQuota,
    watches: builtin.map(wakesQuotas),
    observe(key, caches) {
      const quota = caches.of(ResourceQuota).get(key);
      if (!quota) return undefined;
      const known = (sums ??= createQuotaSums((namespace, name) =>
        caches.of(ResourceQuota).get(`${namespace}/${name}`),
      ));
      const sumOf = (kind: AnyKind) => {
        follow(kind, caches);
        return known.of(quota, collectionOf(kind), () => caches.of(kind).list(quota.metadata.namespace));
      };
      return { quota, sums: [...builtin, ...customOf(quota, kinds)].map(sumOf) };
    },
    decide: decideQuota,
  });
}
