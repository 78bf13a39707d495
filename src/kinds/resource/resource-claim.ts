// ResourceClaim: a request for devices. Follows kubernetes v1.36 pkg/apis/resource/validation/validation.go (ResourceClaim).
import type * as resource from "../generated/resource.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { each, type Errors, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { claimSpecErrors, defaultClaimSpec, driverErrors } from "./claim-spec.ts";

export type ResourceClaim = resource.ResourceClaim;

const maxConsumers = 256;

function stateText({ metadata, status }: ResourceClaim): string {
  const words = [
    ...(metadata.deletionTimestamp ? ["deleted"] : []),
    ...(status?.allocation ? ["allocated"] : metadata.deletionTimestamp ? [] : ["pending"]),
    ...(status?.reservedFor?.length ? ["reserved"] : []),
  ];
  return words.join(",");
}

function validateStatusUpdate({ metadata, status }: ResourceClaim, old: ResourceClaim): Errors {
  const field = "status.reservedFor";
  const consumers = status?.reservedFor ?? [];
  const seen = new Set<string>();
  const errors = each(field, consumers, (at, { uid, name, resource: plural }) => {
    const again = seen.has(uid) ? [duplicate(path(at, "uid"), uid)] : [];
    seen.add(uid);
    const missing = Object.entries({ resource: plural, name, uid }).filter(([, value]) => !value);
    return [...again, ...missing.map(([name]) => required(path(at, name)))];
  });
  if (consumers.length > maxConsumers) errors.push(tooMany(field, consumers.length, maxConsumers));
  if (consumers.length > 0 && !status?.allocation) {
    errors.push(forbiddenField(field, "may not be specified when `allocated` is not set"));
  }
  const before = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid));
  if (metadata.deletionTimestamp && consumers.some(({ uid }) => !before.has(uid))) {
    errors.push(
      forbiddenField(
        field,
        "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set",
      ),
    );
  }
  const allocation = status?.allocation;
  if (allocation && old.status?.allocation && !deepEqual(allocation, old.status.allocation)) {
    errors.push(invalidValue("status.allocation", allocation, "field is immutable"));
  }
  const devices = new Set<string>();
  return [
    ...errors,
    ...each("status.devices", status?.devices, (at, device) => {
      const id = [device.driver, device.pool, device.device, device.shareID ?? ""].join("/");
      const again = devices.has(id) ? [duplicate(at, id)] : [];
      devices.add(id);
      return [...again, ...driverErrors(device.driver, path(at, "driver"))];
    }),
  ];
}

export const ResourceClaim = defineKind<ResourceClaim>("resource.k8s.io/v1", "ResourceClaim", {
  subresources: { status: true },
  columns: [nameColumn, column("State", stateText), ageColumn],
  defaults: ({ spec }) => defaultClaimSpec(spec),
  prepareForCreate: statusAtFirst({}),
  validate: ({ spec }) => claimSpecErrors(spec, "spec"),
  validateUpdate: (next, old) => unchanged("spec", next.spec, old.spec),
  validateStatusUpdate,
});
