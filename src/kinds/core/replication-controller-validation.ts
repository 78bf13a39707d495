// Which replication controllers are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateReplicationController).
import { invalidValue, notSupported, required } from "../../machinery/field.ts";
import { labelErrors } from "../../machinery/selector.ts";
import type { ReplicationController } from "../generated/core.v1.ts";
import { type Errors, notNegative } from "../checks.ts";
import { validatePodTemplate } from "./pod/validate.ts";

export function validateReplicationController({ spec }: ReplicationController): Errors {
  if (!spec) return [required("spec")];
  const selector = Object.entries(spec.selector ?? {});
  const errors = [
    ...notNegative("spec.replicas", spec.replicas),
    ...notNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...labelErrors(spec.selector, "spec.selector"),
    ...(selector.length === 0 ? [required("spec.selector")] : []),
  ];
  if (!spec.template) return [...errors, required("spec.template")];
  const labels = spec.template.metadata?.labels ?? {};
  if (selector.some(([key, value]) => labels[key] !== value)) {
    errors.push(invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  errors.push(...validatePodTemplate(spec.template, "spec.template"));
  const policy = spec.template.spec?.restartPolicy;
  if (policy !== undefined && policy !== "Always") {
    errors.push(notSupported("spec.template.spec.restartPolicy", policy, ["Always"]));
  }
  return errors;
}
