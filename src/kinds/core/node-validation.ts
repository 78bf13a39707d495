// Which nodes and changes of nodes are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (ValidateNode, ValidateNodeUpdate).
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path } from "../../machinery/field.ts";
import { cidrErrors, labelValueErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import type { Node, NodeSpec, Taint } from "../generated/core.v1.ts";
import { complaints, each, eachEntry, type Errors, named, oneOf, quantityNotNegative } from "../checks.ts";

/** Taints of a node at `at`: each key and effect once. */
function validateTaints(taints: readonly Taint[] | undefined, at: string): Errors {
  const seen = new Set<string>();
  return each(at, taints, (here, taint) => {
    const errors = [
      ...named(path(here, "key"), taint.key, qualifiedNameErrors),
      ...complaints(path(here, "value"), taint.value, labelValueErrors(taint.value ?? "")),
      ...oneOf(path(here, "effect"), taint.effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ];
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) errors.push(duplicate(here, key));
    seen.add(key);
    return errors;
  });
}

export function validateNode({ spec, status }: Node): Errors {
  const errors = [
    ...validateTaints(spec?.taints, "spec.taints"),
    ...each("spec.podCIDRs", spec?.podCIDRs, (at, cidr) => complaints(at, cidr, cidrErrors(cidr))),
    ...eachEntry("status.capacity", status?.capacity, quantityNotNegative),
    ...eachEntry("status.allocatable", status?.allocatable, quantityNotNegative),
  ];
  if (spec?.podCIDRs?.length && spec.podCIDR !== undefined && spec.podCIDR !== spec.podCIDRs[0]) {
    errors.push(invalidValue("spec.podCIDRs", spec.podCIDRs, "the first value must match `podCIDR`"));
  }
  return errors;
}

/** The spec without what may change; addresses and provider are given once. */
function frozen(spec: NodeSpec | undefined, old: NodeSpec | undefined): NodeSpec {
  const out = { ...spec };
  delete out.taints;
  delete out.unschedulable;
  delete out.configSource;
  if (!old?.providerID) delete out.providerID;
  if (!old?.podCIDR) {
    delete out.podCIDR;
    delete out.podCIDRs;
  }
  return out;
}

export function validateNodeUpdate(next: Node, old: Node): Errors {
  const errors: Errors = [];
  if (!deepEqual(frozen(next.spec, old.spec), frozen(old.spec, old.spec))) {
    errors.push(
      forbiddenField(
        "spec",
        "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)",
      ),
    );
  }
  return errors;
}
