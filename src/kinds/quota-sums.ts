// What the objects of a namespace use of its quotas, added up once per quota and kept as objects change.
import type { KubeObject } from "../machinery/object.ts";
import { addQuantities, subtractQuantities } from "../machinery/quantity.ts";
import type { ResourceQuota } from "./generated/core.v1.ts";
import { quotaMatches, quotaUsage } from "./quota.ts";

/** Resource names of quotas to quantities. */
export type QuotaAmounts = Record<string, string>;

export interface QuotaSums {
  /** The sum over a collection for all hard resources of the quota; `objects` are listed when it is not known yet. */
  of(quota: ResourceQuota, collection: string, objects: () => Iterable<KubeObject>): Readonly<QuotaAmounts>;
  /** To be told of every change of every collection that was asked for. */
  changed(collection: string, namespace: string, before: KubeObject | undefined, now: KubeObject | undefined): void;
}

/** What an object uses of a quota; nothing when the quota's scopes leave it out. */
export const quotaUsageOf = (quota: ResourceQuota, collection: string, object: KubeObject | undefined): QuotaAmounts =>
  object && quotaMatches(quota, collection, object) ? quotaUsage(collection, object) : {};

/** A sum and the very spec that it was made for; `spec` of an unchanged quota stays the same value. */
interface Sum {
  readonly quota: ResourceQuota;
  readonly used: QuotaAmounts;
}

export function createQuotaSums(quotaNow: (namespace: string, name: string) => ResourceQuota | undefined): QuotaSums {
  /** `collection namespace` → name of the quota. */
  const places = new Map<string, Map<string, Sum>>();
  return {
    of(quota, collection, objects) {
      const { name, namespace } = quota.metadata;
      const place = `${collection} ${namespace}`;
      const sums = places.get(place) ?? new Map<string, Sum>();
      const known = sums.get(name);
      if (known?.quota.spec === quota.spec && known) return known.used;
      const used: QuotaAmounts = {};
      for (const resource in quota.spec?.hard) used[resource] = "0";
      for (const object of objects()) {
        const usage = quotaUsageOf(quota, collection, object);
        for (const resource in used)
          if (usage[resource]) used[resource] = addQuantities(used[resource]!, usage[resource]);
      }
      places.set(place, sums.set(name, { quota, used }));
      return used;
    },
    changed(collection, namespace, before, now) {
      const place = `${collection} ${namespace}`;
      const sums = places.get(place);
      if (!sums) return;
      for (const [name, { quota, used }] of sums) {
        // It went or changed: added up anew when somebody asks.
        if (quotaNow(namespace, name)?.spec !== quota.spec) {
          sums.delete(name);
          continue;
        }
        const [less, more] = [quotaUsageOf(quota, collection, before), quotaUsageOf(quota, collection, now)];
        for (const resource in used) {
          if (less[resource] === more[resource]) continue;
          const added = addQuantities(used[resource]!, more[resource] ?? "0");
          used[resource] = subtractQuantities(added, less[resource] ?? "0");
        }
      }
      if (sums.size === 0) places.delete(place);
    },
  };
}
