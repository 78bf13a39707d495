// APIServices of what this server answers itself: one per built-in group version from the first start on, and one for each
// that CustomResourceDefinitions add, as long as they do. Follows kubernetes v1.36 kube-aggregator/pkg/controllers/autoregister
// and pkg/controlplane/apiserver/aggregator.go (priorities).
import { randomUUID } from "node:crypto";
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { formatTime, type Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { StoreError, type Entry, type Store, type Write } from "../../store/store.ts";

export const apiServices = "apiregistration.k8s.io/apiservices";
const managedLabel = "kube-aggregator.kubernetes.io/automanaged";

/** Where groups stand in discovery; those that are not listed follow in the order of their names. */
const groupPriorities: Readonly<Record<string, number>> = {
  "": 18_000,
  apps: 17_800,
  "events.k8s.io": 17_750,
  "authentication.k8s.io": 17_700,
  "authorization.k8s.io": 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  "certificates.k8s.io": 17_300,
  "networking.k8s.io": 17_200,
  policy: 17_100,
  "rbac.authorization.k8s.io": 17_000,
  "storage.k8s.io": 16_800,
  "apiextensions.k8s.io": 16_700,
  "admissionregistration.k8s.io": 16_700,
  "scheduling.k8s.io": 16_600,
  "coordination.k8s.io": 16_500,
  "node.k8s.io": 16_300,
  "discovery.k8s.io": 16_200,
  "resource.k8s.io": 16_200,
  "flowcontrol.apiserver.k8s.io": 16_100,
};
const versionPriorities: Readonly<Record<string, number>> = {
  "/v1": 1,
  "autoscaling/v2": 30,
  "flowcontrol.apiserver.k8s.io/v1": 21,
};
const usualVersionPriority = 15;
const customPriorities = { groupPriorityMinimum: 1000, versionPriority: 100 };

export interface Priorities {
  readonly groupPriorityMinimum: number;
  readonly versionPriority: number;
}

/** Where a group version stands when no APIService says so: the aggregator's own first, computed ones last. */
export function prioritiesOf(group: string, version: string): Priorities {
  const own = group === "apiregistration.k8s.io" ? 20_000 : groupPriorities[group];
  if (own === undefined) return group === "metrics.k8s.io" ? lastPriorities : customPriorities;
  const versionPriority = versionPriorities[`${group}/${version}`] ?? usualVersionPriority;
  return { groupPriorityMinimum: own, versionPriority };
}

const lastPriorities = { groupPriorityMinimum: 100, versionPriority: 100 };

/** Name → spec of every APIService that the kinds call for, and whether it goes with them. */
function wantedServices(kinds: KindRegistry): Map<string, { spec: APIService["spec"]; custom: boolean }> {
  const wanted = new Map<string, { spec: APIService["spec"]; custom: boolean }>();
  for (const { group, version, custom } of kinds.all()) {
    // The aggregator's own group is registered with nobody.
    if (!custom && groupPriorities[group] === undefined) continue;
    const priorities = custom ? customPriorities : prioritiesOf(group, version);
    const spec = { ...(group ? { group } : {}), version, ...priorities };
    wanted.set(`${version}.${group}`, { spec, custom: custom !== undefined });
  }
  return wanted;
}

const available = (now: number) => ({
  type: "Available",
  status: "True",
  lastTransitionTime: formatTime(now),
  reason: "Local",
  message: "Local APIServices are always available",
});

/**
 * The writes that bring the stored APIServices in line. `starting` also creates those of built-in groups, which an
 * administrator may delete until the next start. What others made, or made to point elsewhere, stays as it is.
 */
export function planLocal(
  entries: readonly Entry<APIService>[],
  kinds: KindRegistry,
  { now, starting }: { readonly now: number; readonly starting: boolean },
): Write[] {
  const wanted = wantedServices(kinds);
  const writes: Write[] = [];
  for (const { key, object, revision } of entries) {
    const isOurs = object.metadata.labels?.[managedLabel] === "true";
    if (isOurs && !wanted.has(key.name)) writes.push({ type: "delete", key, expectedRevision: revision });
    else if (!object.spec?.service && object.status?.conditions?.[0]?.status !== "True") {
      const status = { conditions: [available(now)] };
      writes.push({ type: "update", key, object: { ...object, status } as APIService, expectedRevision: revision });
    }
  }
  const present = new Set(entries.map(({ key }) => key.name));
  for (const [name, { spec, custom }] of wanted) {
    if (present.has(name) || !(custom || starting)) continue;
    const metadata = {
      name,
      uid: randomUUID(),
      resourceVersion: "",
      creationTimestamp: formatTime(now),
      labels: { [managedLabel]: custom ? "true" : "onstart" },
    };
    const object = { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata, spec };
    writes.push({
      type: "create",
      key: { collection: apiServices, namespace: "", name },
      object: { ...object, status: { conditions: [available(now)] } } as APIService,
    });
  }
  return writes;
}

/** Keeps local APIServices in line with the kinds; returns what to call when one of them changed. */
export function followLocal(options: {
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): () => void {
  const { store, kinds, clock, log, signal } = options;
  let starting = true;
  let queued = false;
  const reconcile = async () => {
    queued = false;
    if (signal.aborted) return;
    const entries = store.list(apiServices).entries as readonly Entry<APIService>[];
    const writes = planLocal(entries, kinds, { now: clock.now(), starting });
    try {
      if (writes.length > 0) await store.write(writes);
      starting = false;
    } catch (error) {
      // Somebody else is writing: the event of that write comes back here.
      if (error instanceof StoreError && ["conflict", "exists", "notFound", "closed"].includes(error.code)) return;
      log.warn({ error }, "local APIServices could not be written");
    }
  };
  const changed = () => {
    if (!queued) queueMicrotask(() => void reconcile());
    queued = true;
  };
  signal.addEventListener("abort", kinds.onChange(changed), { once: true });
  changed();
  return changed;
}
