// ResourceClaim: a request for devices; ResourceClaimTemplate: makes one for each pod.
// Follows kubernetes v1.36 pkg/apis/resource/validation/validation.go (ResourceClaim, ResourceClaimTemplate).
import type * as resource from "../generated/resource.v1.ts";
import { duplicate, forbiddenField, path, required, tooMany } from "../../machinery/field.ts";
import { all, each, eachUnique, type Errors, repeats, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { claimSpecErrors, defaultClaimSpec, driverErrors } from "./claim-spec.ts";

export type ResourceClaim = resource.ResourceClaim;

const maxConsumers = 256;

function stateText({ metadata, status }: ResourceClaim): string {
  const deleted = metadata.deletionTimestamp && "deleted";
  const allocated = status?.allocation ? "allocated" : !deleted && "pending";
  return [deleted, allocated, status?.reservedFor?.length && "reserved"].filter(Boolean).join(",");
}

function validateStatusUpdate({ metadata, status }: ResourceClaim, old: ResourceClaim): Errors {
  const field = "status.reservedFor";
  const consumers = status?.reservedFor ?? [];
  const { allocation } = status ?? {};
  const before = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid));
  const late = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
  const devices = repeats();
  return all(
    eachUnique(field, consumers, "uid", (at, { uid, name, resource: plural }) =>
      Object.entries({ resource: plural, name, uid })
        .filter(([, value]) => !value)
        .map(([missing]) => required(path(at, missing))),
    ),
    consumers.length > maxConsumers && tooMany(field, consumers.length, maxConsumers),
    consumers.length > 0 && !allocation && forbiddenField(field, "may not be specified when `allocated` is not set"),
    metadata.deletionTimestamp && consumers.some(({ uid }) => !before.has(uid)) && forbiddenField(field, late),
    allocation && old.status?.allocation && unchanged("status.allocation", allocation, old.status.allocation),
    each("status.devices", status?.devices, (at, device) => {
      const id = [device.driver, device.pool, device.device, device.shareID ?? ""].join("/");
      return all(devices(id) && duplicate(at, id), driverErrors(path(at, "driver"), device.driver));
    }),
  );
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

export type ResourceClaimTemplate = resource.ResourceClaimTemplate;

export const ResourceClaimTemplate = defineKind<ResourceClaimTemplate>("resource.k8s.io/v1", "ResourceClaimTemplate", {
  columns: [nameColumn, ageColumn],
  defaults: ({ spec }) => defaultClaimSpec(spec?.spec),
  validate: ({ spec }) => claimSpecErrors(spec?.spec, "spec.spec"),
  validateUpdate: (next, old) => unchanged("spec", next.spec, old.spec),
});
