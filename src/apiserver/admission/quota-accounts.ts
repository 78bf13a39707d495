// What is used of quotas at this very moment: what is stored, and what is on its way to the store.
import type { ResourceQuota } from "../../kinds/generated/core.v1.ts";
import { createQuotaSums, quotaUsageOf, type QuotaAmounts } from "../../kinds/quota-sums.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { addQuantities, compareQuantities, subtractQuantities } from "../../machinery/quantity.ts";
import type { Store } from "../../store/store.ts";

export interface QuotaAccounts {
  /** What all objects but `name` use, or will once everything under way is written, of the quota's resources. */
  usedByOthers(quota: ResourceQuota, collection: string, name: string, resources: readonly string[]): QuotaAmounts;
  /** Counts the object until the returned function is called: when it is stored or has failed. */
  hold(collection: string, object: KubeObject): () => void;
}

/** Follows a collection of the store from the first time that somebody asks for it. */
export function createQuotaAccounts(store: Store): QuotaAccounts {
  const followed = new Set<string>();
  /** New states that the store has not confirmed yet, by `collection namespace`. */
  const pending = new Map<string, Set<KubeObject>>();
  const sums = createQuotaSums(
    (namespace, name) =>
      store.get({ collection: "/resourcequotas", namespace, name })?.object as ResourceQuota | undefined,
  );
  const follow = (collection: string) => {
    followed.add(collection);
    store.watch({ collection, after: store.revision }, (events) => {
      for (const { type, entry, previous } of events) {
        const now = type === "DELETED" ? undefined : entry.object;
        sums.changed(collection, entry.key.namespace, previous?.object, now);
      }
    });
  };
  return {
    usedByOthers(quota, collection, name, resources) {
      const namespace = quota.metadata.namespace!;
      if (!followed.has(collection)) follow(collection);
      const listed = () => store.list(collection, namespace).entries.map(({ object }) => object);
      const stored = sums.of(quota, collection, listed);
      const storedUsage = (one: string) =>
        quotaUsageOf(quota, collection, store.get({ collection, namespace, name: one })?.object);
      const own = storedUsage(name);
      const used: QuotaAmounts = {};
      for (const resource of resources) used[resource] = subtractQuantities(stored[resource]!, own[resource] ?? "0");
      for (const object of pending.get(`${collection} ${namespace}`) ?? []) {
        if (object.metadata.name === name) continue;
        const [next, before] = [quotaUsageOf(quota, collection, object), storedUsage(object.metadata.name)];
        // What becomes less counts in full until it is less.
        for (const resource of resources) {
          const [more, less] = [next[resource] ?? "0", before[resource] ?? "0"];
          if (compareQuantities(more, less) <= 0) continue;
          used[resource] = addQuantities(used[resource]!, subtractQuantities(more, less));
        }
      }
      return used;
    },
    hold(collection, object) {
      const place = `${collection} ${object.metadata.namespace}`;
      const held = pending.get(place) ?? new Set();
      pending.set(place, held.add(object));
      return () => {
        held.delete(object);
        if (held.size === 0 && pending.get(place) === held) pending.delete(place);
      };
    },
  };
}
