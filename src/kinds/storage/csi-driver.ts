// CSIDriver: what a CSI driver can do.
// Follows kubernetes v1.36 pkg/apis/storage/v1/defaults.go and pkg/apis/storage/validation/validation.go (CSIDriver).
import type * as storage from "../generated/storage.v1.ts";
import { duplicate, invalidValue, path, required } from "../../machinery/field.ts";
import { each, type Errors, oneOf, optionallyOneOf, unchanged } from "../checks.ts";
import { ageColumn, column, listOrNone, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { driverNameErrors } from "./parameters.ts";

export type CSIDriver = storage.CSIDriver;

const shortestTokenSeconds = 600;
const longestTokenSeconds = 2 ** 32;

function tokenRequestErrors(requests: readonly storage.TokenRequest[] | undefined): Errors {
  const seen = new Set<string>();
  return each("spec.tokenRequests", requests, (at, { audience, expirationSeconds }) => {
    const errors = seen.has(audience) ? [duplicate(path(at, "audience"), audience)] : [];
    seen.add(audience);
    const field = path(at, "expirationSeconds");
    if (expirationSeconds === undefined) return errors;
    if (expirationSeconds < shortestTokenSeconds) {
      errors.push(invalidValue(field, expirationSeconds, "may not specify a duration less than 10 minutes"));
    }
    if (expirationSeconds > longestTokenSeconds) {
      errors.push(invalidValue(field, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
    }
    return errors;
  });
}

export const CSIDriver = defineKind<CSIDriver>("storage.k8s.io/v1", "CSIDriver", {
  namespaced: false,
  hasGeneration: true,
  columns: [
    nameColumn,
    column("AttachRequired", ({ spec }) => spec?.attachRequired ?? true, { type: "boolean" }),
    column("PodInfoOnMount", ({ spec }) => spec?.podInfoOnMount ?? false, { type: "boolean" }),
    column("StorageCapacity", ({ spec }) => spec?.storageCapacity ?? false, { type: "boolean" }),
    column("TokenRequests", ({ spec }) =>
      spec?.tokenRequests?.length ? spec.tokenRequests.map(({ audience }) => audience).join(",") : "<unset>",
    ),
    column("RequiresRepublish", ({ spec }) => spec?.requiresRepublish ?? false, { type: "boolean" }),
    column("Modes", ({ spec }) => listOrNone(spec?.volumeLifecycleModes ?? [])),
    ageColumn,
  ],
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate: ({ metadata, spec }) => [
    ...driverNameErrors("metadata.name", metadata.name),
    ...(spec ? [] : [required("spec")]),
    ...each("spec.volumeLifecycleModes", spec?.volumeLifecycleModes, (at, mode) =>
      oneOf(at, mode, ["Ephemeral", "Persistent"]),
    ),
    ...optionallyOneOf("spec.fsGroupPolicy", spec?.fsGroupPolicy, ["File", "None", "ReadWriteOnceWithFSType"]),
    ...tokenRequestErrors(spec?.tokenRequests),
  ],
  validateUpdate: (next, old) => [
    ...unchanged("spec.attachRequired", next.spec?.attachRequired, old.spec?.attachRequired),
    ...unchanged("spec.volumeLifecycleModes", next.spec?.volumeLifecycleModes, old.spec?.volumeLifecycleModes),
  ],
});
