// What the objects of a namespace use of its quotas: summed up once, then kept by the store's events, plus what is on its way.
import type { ResourceQuota } from "../../kinds/generated/core.v1.ts";
import { quotaMatches, quotaUsage } from "../../kinds/quota.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { addQuantities, compareQuantities, subtractQuantities } from "../../machinery/quantity.ts";
import type { Store } from "../../store/store.ts";

type Amounts = Record<string, string>;

/** Objects of one collection and namespace. */
interface Place {
  /** By the quota's name: what stored objects use of its hard limits. `spec` is the one that they were counted for. */
  readonly sums: Map<string, { readonly spec: ResourceQuota["spec"]; readonly used: Amounts }>;
  /** New states that the store has not confirmed yet. */
  readonly pending: Set<KubeObject>;
}

export interface QuotaAccounts {
  /** What all objects but `name` use, or will once everything under way is written, of the quota's resources. */
  usedByOthers(quota: ResourceQuota, collection: string, name: string, resources: readonly string[]): Amounts;
  /** Counts the object until the returned function is called: when it is stored or has failed. */
  hold(collection: string, object: KubeObject): () => void;
}

/** What an object uses of the resources that the quota limits. */
export function usageOf(quota: ResourceQuota, collection: string, object: KubeObject | undefined): Amounts {
  return object && quotaMatches(quota, collection, object) ? quotaUsage(collection, object) : {};
}

export function createQuotaAccounts(store: Store): QuotaAccounts {
  /** Collection → namespace. */
  const collections = new Map<string, Map<string, Place>>();

  /** Follows a collection from the first time that somebody asks for it. */
  const placesOf = (collection: string): Map<string, Place> => {
    let places = collections.get(collection);
    if (places) return places;
    const known = (places = new Map<string, Place>());
    collections.set(collection, known);
    store.watch({ collection, after: store.revision }, (events) => {
      for (const { type, entry, previous } of events) {
        const place = known.get(entry.key.namespace);
        if (!place) continue;
        update(collection, entry.key.namespace, place, previous?.object, type === "DELETED" ? undefined : entry.object);
      }
    });
    return places;
  };
  const placeOf = (collection: string, namespace: string): Place => {
    const places = placesOf(collection);
    let place = places.get(namespace);
    if (!place) places.set(namespace, (place = { sums: new Map(), pending: new Set() }));
    return place;
  };
  const update = (
    collection: string,
    namespace: string,
    { sums }: Place,
    before: KubeObject | undefined,
    now: KubeObject | undefined,
  ) => {
    for (const [name, { spec, used }] of sums) {
      const quota = store.get({ collection: "/resourcequotas", namespace, name })?.object as ResourceQuota | undefined;
      // It went or changed: counted anew when somebody asks.
      if (quota?.spec !== spec || !quota) sums.delete(name);
      else {
        const [less, more] = [usageOf(quota, collection, before), usageOf(quota, collection, now)];
        if (less === more) continue;
        for (const resource in used) {
          const added = addQuantities(used[resource]!, more[resource] ?? "0");
          used[resource] = subtractQuantities(added, less[resource] ?? "0");
        }
      }
    }
  };
  const storedSum = (quota: ResourceQuota, collection: string, place: Place): Amounts => {
    const { name, namespace } = quota.metadata;
    const known = place.sums.get(name);
    if (known && known.spec === quota.spec) return known.used;
    const used: Amounts = Object.fromEntries(Object.keys(quota.spec?.hard ?? {}).map((resource) => [resource, "0"]));
    for (const { object } of store.list(collection, namespace).entries) {
      const usage = usageOf(quota, collection, object);
      for (const resource in used)
        if (usage[resource]) used[resource] = addQuantities(used[resource]!, usage[resource]);
    }
    place.sums.set(name, { spec: quota.spec, used });
    return used;
  };
  return {
    usedByOthers(quota, collection, name, resources) {
      const namespace = quota.metadata.namespace!;
      const place = placeOf(collection, namespace);
      const stored = storedSum(quota, collection, place);
      const storedUsage = (one: string) =>
        usageOf(quota, collection, store.get({ collection, namespace, name: one })?.object);
      const own = storedUsage(name);
      const used: Amounts = {};
      for (const resource of resources) used[resource] = subtractQuantities(stored[resource]!, own[resource] ?? "0");
      for (const object of place.pending) {
        if (object.metadata.name === name) continue;
        const [next, before] = [usageOf(quota, collection, object), storedUsage(object.metadata.name)];
        // What becomes less counts in full until it is less.
        for (const resource of resources) {
          const [more, less] = [next[resource] ?? "0", before[resource] ?? "0"];
          if (compareQuantities(more, less) > 0) {
            used[resource] = addQuantities(used[resource]!, subtractQuantities(more, less));
          }
        }
      }
      return used;
    },
    hold(collection, object) {
      const { pending } = placeOf(collection, object.metadata.namespace!);
      pending.add(object);
      return () => pending.delete(object);
    },
  };
}
