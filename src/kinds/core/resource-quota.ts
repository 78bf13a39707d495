// ResourceQuota: limits on what the objects of a namespace may use together.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateResourceQuota).
import type * as core from "../generated/core.v1.ts";
import { invalidValue, notSupported, path } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import type { ScopedResourceSelectorRequirement } from "../generated/core.v1.ts";
import { all, complaints, each, eachEntry, type Errors, oneOf, quantityNotNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

const scopes = [
  "BestEffort",
  "CrossNamespacePodAffinity",
  "NotBestEffort",
  "NotTerminating",
  "PriorityClass",
  "Terminating",
  "VolumeAttributesClass",
];

/** Resources without a domain that a quota can bound. */
const standardResources = new Set([
  "configmaps",
  "cpu",
  "ephemeral-storage",
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "memory",
  "persistentvolumeclaims",
  "pods",
  "replicationcontrollers",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
  "requests.storage",
  "resourcequotas",
  "secrets",
  "services",
  "services.loadbalancers",
  "services.nodeports",
]);

function resourceNameErrors(field: string, name: string): Errors {
  const errors = complaints(field, name, qualifiedNameErrors(name));
  const known = name.includes("/") || standardResources.has(name) || /^(requests\.)?hugepages-/.test(name);
  if (!known) errors.push(invalidValue(field, name, "must be a standard resource for quota"));
  return errors;
}

function scopeSelectorErrors(
  at: string,
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
): Errors {
  const field = path(at, "values");
  const lists = operator === "In" || operator === "NotIn";
  const few = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
  const many = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector";
  const plain =
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
  return all(
    oneOf(path(at, "scopeName"), scopeName, scopes),
    oneOf(path(at, "operator"), operator, ["DoesNotExist", "Exists", "In", "NotIn"]),
    lists && values.length === 0 && invalidValue(field, values, few),
    (operator === "Exists" || operator === "DoesNotExist") && values.length > 0 && invalidValue(field, values, many),
    onlyExists.includes(scopeName) && operator !== "Exists" && invalidValue(path(at, "operator"), operator, plain),
  );
}

const onlyExists = ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"];

function contradictions(at: string, chosen: readonly string[]): Errors {
  const both = (a: string, b: string) => chosen.includes(a) && chosen.includes(b);
  return both("BestEffort", "NotBestEffort") || both("Terminating", "NotTerminating")
    ? [invalidValue(at, chosen, "conflicting scopes")]
    : [];
}

function validateQuota({ spec }: ResourceQuota): Errors {
  const selected = spec?.scopeSelector?.matchExpressions ?? [];
  return [
    ...eachEntry("spec.hard", spec?.hard, (at, quantity, name) => [
      ...resourceNameErrors(at, name),
      ...quantityNotNegative(at, quantity),
    ]),
    ...each("spec.scopes", spec?.scopes, (_, scope) =>
      scopes.includes(scope) ? [] : [notSupported("spec.scopes", scope, scopes)],
    ),
    ...contradictions("spec.scopes", spec?.scopes ?? []),
    ...each("spec.scopeSelector.matchExpressions", selected, scopeSelectorErrors),
    ...contradictions(
      "spec.scopeSelector.matchExpressions",
      selected.map(({ scopeName }) => scopeName),
    ),
  ];
}

const validateQuotaUpdate = (next: ResourceQuota, old: ResourceQuota): Errors =>
  unchanged("spec.scopes", next.spec?.scopes?.toSorted(), old.spec?.scopes?.toSorted());

export type ResourceQuota = core.ResourceQuota;

/** `pods: 1/10, requests.cpu: 1/2`, of the resources that bound limits or of all others. */
function usage({ status }: core.ResourceQuota, limits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => name.startsWith("limits.") === limits)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? "0"}/${hard}`)
    .join(", ");
}

export const ResourceQuota = defineKind<ResourceQuota>("v1", "ResourceQuota", {
  shortNames: ["quota"],
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Request", (quota) => usage(quota, false)),
    column("Limit", (quota) => usage(quota, true)),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({}),
  validate: validateQuota,
  validateUpdate: validateQuotaUpdate,
});
