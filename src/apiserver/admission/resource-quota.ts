// Refuses what would exceed a ResourceQuota. The usage is counted at the very tick of the commit, from the objects and
// the writes on their way, so that requests at the same time cannot exceed it together.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/resourcequota (messages).
import type { Pod, ResourceQuota } from "../../kinds/generated/core.v1.ts";
import { collectionOf } from "../../kinds/kind.ts";
import { missingForQuota, quotaMatches, quotaSum, quotaUsage } from "../../kinds/quota.ts";
import { forbidden } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { addQuantities, parseQuantity, subtractQuantities } from "../../machinery/quantity.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

export const resourceQuota: AdmissionPlugin = {
  name: "ResourceQuota",
  operations: ["CREATE", "UPDATE"],
  subresources: ["resize"],
  validate(request, world) {
    if (!request.kind.namespaced) return;
    const quotas = world.store.list("/resourcequotas", request.namespace).entries;
    if (quotas.length === 0) return;
    const collection = collectionOf(request.kind);
    // The same draft may have been counted in an earlier attempt: count what it is now.
    const object = { ...request.object };
    for (const { object: quota } of quotas) check(quota as ResourceQuota, collection, object, request, world);
    remember(collection, object, request, world);
  },
};

function check(
  quota: ResourceQuota,
  collection: string,
  object: KubeObject,
  request: AdmissionRequest,
  world: AdmissionWorld,
): void {
  if (!quotaMatches(quota, collection, object)) return;
  const hard = quota.spec?.hard ?? {};
  const usage = quotaUsage(collection, object);
  const before = request.old && quotaMatches(quota, collection, request.old) ? quotaUsage(collection, request.old) : {};
  const refuse = (why: string) =>
    forbidden({ group: request.kind.group, resource: request.kind.plural }, request.name, why);
  if (collection === "/pods" && request.operation === "CREATE") {
    const missing = missingForQuota(quota, object as Pod);
    if (missing) throw refuse(`failed quota: ${quota.metadata!.name}: ${missing}`);
  }
  const amount = (list: Record<string, string>, name: string) => (list[name] ? parseQuantity(list[name]).nanos : 0n);
  const growing = Object.keys(usage)
    .filter((name) => hard[name] !== undefined && amount(usage, name) > amount(before, name))
    .toSorted();
  if (growing.length === 0) return;
  const others = [...usagesOfOthers(quota, collection, request, world)];
  const over = growing.filter((name) => quotaSum(others, name) + amount(usage, name) > amount(hard, name));
  if (over.length === 0) return;
  const text = (value: (name: string) => string) => over.map((name) => `${name}=${value(name)}`).join(",");
  const used = (name: string) => addQuantities("0", before[name] ?? "0", ...others.flatMap((list) => list[name] ?? []));
  throw refuse(
    `exceeded quota: ${quota.metadata!.name}, requested: ${text((name) => subtractQuantities(usage[name]!, before[name] ?? "0"))}, ` +
      `used: ${text(used)}, limited: ${text((name) => hard[name]!)}`,
  );
}

function pendingIn({ inFlight }: AdmissionWorld, collection: string, namespace: string): Map<string, KubeObject> {
  const place = `${collection} ${namespace}`;
  let pending = inFlight.get(place);
  if (!pending) inFlight.set(place, (pending = new Map()));
  return pending;
}

function remember(collection: string, object: KubeObject, request: AdmissionRequest, world: AdmissionWorld): void {
  if (request.transaction.dryRun) return;
  const pending = pendingIn(world, collection, request.namespace);
  const name = object.metadata.name;
  pending.set(name, object);
  request.transaction.onSettled(() => {
    if (pending.get(name) === object) pending.delete(name);
    if (pending.size === 0) world.inFlight.delete(`${collection} ${request.namespace}`);
  });
}

function* usagesOfOthers(
  quota: ResourceQuota,
  collection: string,
  request: AdmissionRequest,
  world: AdmissionWorld,
): Generator<Record<string, string>> {
  const pending = pendingIn(world, collection, request.namespace);
  const self = request.operation === "UPDATE" ? request.object.metadata.name : undefined;
  for (const { key, object } of world.store.list(collection, request.namespace).entries) {
    if (key.name === self || pending.has(key.name)) continue;
    if (quotaMatches(quota, collection, object)) yield quotaUsage(collection, object);
  }
  for (const [name, object] of pending) {
    if (name !== self && quotaMatches(quota, collection, object)) yield quotaUsage(collection, object);
  }
}
