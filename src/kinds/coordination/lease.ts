// Lease: who holds a lock, until when. Follows kubernetes v1.36 pkg/apis/coordination/validation/validation.go.
import type * as coordination from "../generated/coordination.v1.ts";
import { invalidValue } from "../../machinery/field.ts";
import { type Errors, notNegative, positive } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type Lease = coordination.Lease;

function validate({ spec }: Lease): Errors {
  const errors = [
    ...positive("spec.leaseDurationSeconds", spec?.leaseDurationSeconds),
    ...notNegative("spec.leaseTransitions", spec?.leaseTransitions),
  ];
  if (spec?.preferredHolder !== undefined && !spec.strategy) {
    const text = "must be empty if strategy is not set";
    errors.push(invalidValue("spec.preferredHolder", spec.preferredHolder, text));
  }
  return errors;
}

export const Lease = defineKind<Lease>("coordination.k8s.io/v1", "Lease", {
  withoutHeartbeat: ({ spec }) => ({ ...spec, renewTime: "" }),
  columns: [nameColumn, column("Holder", ({ spec }) => spec?.holderIdentity ?? ""), ageColumn],
  validate,
});
