// Refuses what would exceed a ResourceQuota. The usage is known at the very tick of the commit, with the writes on their way,
// so that requests at the same time cannot exceed it together.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/resourcequota (messages).
import type { Pod, ResourceQuota } from "../../kinds/generated/core.v1.ts";
import { collectionOf } from "../../kinds/kind.ts";
import { quotaUsageOf } from "../../kinds/quota-sums.ts";
import { missingForQuota, quotaMatches, quotaUsage } from "../../kinds/quota.ts";
import { forbidden } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { addQuantities, compareQuantities, subtractQuantities } from "../../machinery/quantity.ts";
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
    if (!request.transaction.dryRun) request.transaction.onSettled(world.quotas.hold(collection, object));
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
  const before = quotaUsageOf(quota, collection, request.old);
  const refuse = (why: string) =>
    forbidden({ group: request.kind.group, resource: request.kind.plural }, request.name, why);
  if (collection === "/pods" && request.operation === "CREATE") {
    const missing = missingForQuota(quota, object as Pod);
    if (missing) throw refuse(`failed quota: ${quota.metadata.name}: ${missing}`);
  }
  const growing = Object.keys(usage)
    .filter((name) => hard[name] !== undefined && compareQuantities(usage[name]!, before[name] ?? "0") > 0)
    .toSorted();
  if (growing.length === 0) return;
  const others = world.quotas.usedByOthers(quota, collection, object.metadata.name, growing);
  const over = growing.filter((name) => compareQuantities(addQuantities(others[name]!, usage[name]!), hard[name]!) > 0);
  if (over.length === 0) return;
  const text = (value: (name: string) => string) => over.map((name) => `${name}=${value(name)}`).join(",");
  throw refuse(
    `exceeded quota: ${quota.metadata.name}, requested: ${text((name) => subtractQuantities(usage[name]!, before[name] ?? "0"))}, ` +
      `used: ${text((name) => addQuantities(others[name]!, before[name] ?? "0"))}, limited: ${text((name) => hard[name]!)}`,
  );
}
