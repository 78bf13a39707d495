// Which node selectors, affinities, tolerations and spread constraints are refused. Follows kubernetes v1.36
// pkg/apis/core/validation/validation.go (validateAffinity, ValidateTolerations, validateTopologySpreadConstraints).
import { deepEqual } from "../../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, notSupported, path, required } from "../../../machinery/field.ts";
import { dnsLabelErrors, labelValueErrors, qualifiedNameErrors } from "../../../machinery/names.ts";
import { labelSelectorErrors } from "../../../machinery/selector.ts";
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from "../../generated/core.v1.ts";
import { complaints, each, type Errors, named, oneOf, within } from "../../checks.ts";

function validateRequirement({ key, operator, values = [] }: NodeSelectorRequirement, at: string): Errors {
  const errors: Errors = [];
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) {
      errors.push(required(path(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      errors.push(
        forbiddenField(path(at, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length !== 1) {
      errors.push(required(path(at, "values"), "must be specified single value when `operator` is 'Lt' or 'Gt'"));
    }
  } else errors.push(invalidValue(path(at, "operator"), operator, "not a valid selector operator"));
  return errors.concat(complaints(path(at, "key"), key, qualifiedNameErrors(key ?? "")));
}

function validateTerm(term: NodeSelectorTerm, at: string): Errors {
  return [
    ...each(path(at, "matchExpressions"), term.matchExpressions, (here, expression) =>
      validateRequirement(expression, here),
    ),
    ...each(path(at, "matchFields"), term.matchFields, (here, { key, operator, values = [] }) => {
      const errors: Errors = [];
      if (operator !== "In" && operator !== "NotIn") {
        errors.push(invalidValue(path(here, "operator"), operator, "not a valid selector operator"));
      } else if (values.length !== 1) {
        errors.push(
          required(
            path(here, "values"),
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
          ),
        );
      }
      if (key !== "metadata.name") errors.push(invalidValue(path(here, "key"), key, "not a valid field selector key"));
      return errors;
    }),
  ];
}

/** A node selector of an affinity or of a volume; it needs at least one term. */
export function validateNodeSelector(selector: NodeSelector, at: string): Errors {
  const terms = path(at, "nodeSelectorTerms");
  if (!selector.nodeSelectorTerms?.length) return [required(terms, "must have at least one node selector term")];
  return each(terms, selector.nodeSelectorTerms, (here, term) => validateTerm(term, here));
}

function validatePodTerm(term: PodAffinityTerm, at: string): Errors {
  const errors = [
    ...labelSelectorErrors(term.labelSelector, path(at, "labelSelector")),
    ...labelSelectorErrors(term.namespaceSelector, path(at, "namespaceSelector")),
    ...each(path(at, "namespaces"), term.namespaces, (here, name) => complaints(here, name, dnsLabelErrors(name))),
    ...validateLabelKeys(path(at, "matchLabelKeys"), term.matchLabelKeys, term.labelSelector !== undefined),
    ...validateLabelKeys(path(at, "mismatchLabelKeys"), term.mismatchLabelKeys, term.labelSelector !== undefined),
  ];
  if (!term.topologyKey) errors.push(required(path(at, "topologyKey"), "can not be empty"));
  else errors.push(...complaints(path(at, "topologyKey"), term.topologyKey, qualifiedNameErrors(term.topologyKey)));
  return errors;
}

function validateLabelKeys(at: string, keys: readonly string[] | undefined, hasSelector: boolean): Errors {
  if (!keys?.length) return [];
  if (!hasSelector) return [forbiddenField(at, "must not be specified when labelSelector is not set")];
  return each(at, keys, (here, key) => complaints(here, key, qualifiedNameErrors(key)));
}

const weight = (at: string, value: number): Errors => within(path(at, "weight"), value ?? 0, 1, 100);

/** The affinity of a pod spec. */
export function validateAffinity(affinity: Affinity | undefined, at: string): Errors {
  if (!affinity) return [];
  const errors: Errors = [];
  const required_ = "requiredDuringSchedulingIgnoredDuringExecution";
  const preferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const node = affinity.nodeAffinity;
  const nodeAt = path(at, "nodeAffinity");
  if (node?.[required_]) errors.push(...validateNodeSelector(node[required_], path(nodeAt, required_)));
  errors.push(
    ...each(path(nodeAt, preferred), node?.[preferred], (here, term) => [
      ...weight(here, term.weight),
      ...validateTerm(term.preference ?? {}, path(here, "preference")),
    ]),
  );
  for (const name of ["podAffinity", "podAntiAffinity"] as const) {
    const rule = affinity[name];
    errors.push(
      ...each(path(at, name, required_), rule?.[required_], (here, term) => validatePodTerm(term, here)),
      ...each(path(at, name, preferred), rule?.[preferred], (here, term) => [
        ...weight(here, term.weight),
        ...validatePodTerm(term.podAffinityTerm ?? {}, path(here, "podAffinityTerm")),
      ]),
    );
  }
  return errors;
}

const effects = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

/** The tolerations of a pod spec. */
export function validateTolerations(tolerations: readonly Toleration[] | undefined, at: string): Errors {
  return each(at, tolerations, (here, { key, operator, value, effect, tolerationSeconds }) => {
    const errors: Errors = key ? complaints(path(here, "key"), key, qualifiedNameErrors(key)) : [];
    if (!key && operator !== "Exists") {
      const text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.push(invalidValue(path(here, "operator"), operator ?? "", text));
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.push(
        invalidValue(path(here, "effect"), effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (!operator || operator === "Equal")
      errors.push(...complaints(path(here, "operator"), value ?? "", labelValueErrors(value ?? "")));
    else if (operator === "Exists") {
      if (value)
        errors.push(invalidValue(path(here, "operator"), value, "value must be empty when `operator` is 'Exists'"));
    } else errors.push(notSupported(path(here, "operator"), operator, ["Equal", "Exists"]));
    if (effect && !effects.includes(effect)) errors.push(notSupported(path(here, "effect"), effect, effects));
    return errors;
  });
}

/** How pods spread over topology domains. */
export function validateSpread(constraints: readonly TopologySpreadConstraint[] | undefined, at: string): Errors {
  return each(at, constraints, (here, constraint, index) => {
    const errors = [
      ...(constraint.maxSkew > 0
        ? []
        : [invalidValue(path(here, "maxSkew"), constraint.maxSkew ?? 0, "must be greater than zero")]),
      ...named(path(here, "topologyKey"), constraint.topologyKey, qualifiedNameErrors),
      ...oneOf(path(here, "whenUnsatisfiable"), constraint.whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]),
      ...labelSelectorErrors(constraint.labelSelector, path(here, "labelSelector")),
      ...validateLabelKeys(
        path(here, "matchLabelKeys"),
        constraint.matchLabelKeys,
        constraint.labelSelector !== undefined,
      ),
    ];
    for (const name of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const) {
      const policy = constraint[name];
      if (policy !== undefined) errors.push(...oneOf(path(here, name), policy, ["Honor", "Ignore"]));
    }
    if (constraint.minDomains !== undefined) {
      if (constraint.minDomains <= 0)
        errors.push(invalidValue(path(here, "minDomains"), constraint.minDomains, "must be greater than zero"));
      if (constraint.whenUnsatisfiable !== "DoNotSchedule") {
        const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${constraint.whenUnsatisfiable}`;
        errors.push(invalidValue(path(here, "minDomains"), constraint.minDomains, text));
      }
    }
    const same = ({ topologyKey, whenUnsatisfiable }: TopologySpreadConstraint) => [topologyKey, whenUnsatisfiable];
    if (constraints!.slice(0, index).some((other) => deepEqual(same(other), same(constraint)))) {
      errors.push(duplicate(path(here, "{topologyKey, whenUnsatisfiable}"), `{${same(constraint).join(", ")}}`));
    }
    return errors;
  });
}
