// Which resource requirements are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (validateContainerResourceRequirements, validatePodResourceRequirements).
import {
  duplicate,
  forbiddenField,
  invalidValue,
  notFoundValue,
  notSupported,
  path,
  required,
} from "../../../machinery/field.ts";
import { qualifiedNameErrors } from "../../../machinery/names.ts";
import { compareQuantities, parseQuantity } from "../../../machinery/quantity.ts";
import type { ResourceRequirements } from "../../generated/core.v1.ts";
import { complaints, each, eachEntry, type Errors, quantityNotNegative } from "../../checks.ts";
import { isPodLevelResource } from "./resources.ts";

const standard = new Set(["cpu", "ephemeral-storage", "memory"]);
const isHugePages = (name: string) => name.startsWith("hugepages-");
/** Only these may be promised to more than one. */
const mayOvercommit = (name: string) => standard.has(name) || name.startsWith("kubernetes.io/");

function resourceName(at: string, name: string): Errors {
  const errors = complaints(at, name, qualifiedNameErrors(name));
  if (!name.includes("/") && !standard.has(name) && !isHugePages(name)) {
    errors.push(invalidValue(at, name, "must be a standard resource for containers"));
  } else if (name.startsWith("requests.")) {
    errors.push(invalidValue(at, name, "must not have the prefix requests."));
  }
  return errors;
}

function amounts(at: string, list: Readonly<Record<string, string>> | undefined): Errors {
  return eachEntry(at, list, (here, quantity, name) => {
    const errors = [...resourceName(here, name), ...quantityNotNegative(here, quantity)];
    if (!mayOvercommit(name) && parseQuantity(quantity).nanos % 1_000_000_000n !== 0n) {
      errors.push(invalidValue(here, quantity, "must be an integer"));
    }
    return errors;
  });
}

function requestErrors(at: string, { requests, limits }: ResourceRequirements): Errors {
  const field = path(at, "requests");
  return eachEntry(field, requests, (_, quantity, name) => {
    const limit = limits?.[name];
    if (limit === undefined) {
      return mayOvercommit(name)
        ? []
        : [required(path(at, "limits"), "Limit must be set for non overcommitable resources")];
    }
    const order = compareQuantities(quantity, limit);
    if (!mayOvercommit(name) && order !== 0)
      return [invalidValue(field, quantity, `must be equal to ${name} limit of ${limit}`)];
    return order > 0 ? [invalidValue(field, quantity, `must be less than or equal to ${name} limit of ${limit}`)] : [];
  });
}

function claimErrors(at: string, resources: ResourceRequirements, podClaims: ReadonlySet<string>): Errors {
  const seen = new Set<string>();
  return each(path(at, "claims"), resources.claims, (here, { name, request }) => {
    const errors: Errors = [];
    if (!name) errors.push(required(path(here, "name")));
    else if (!podClaims.has(name)) errors.push(notFoundValue(path(here, "name"), name));
    const key = `${name}/${request ?? ""}`;
    if (seen.has(key)) errors.push(duplicate(here, name));
    seen.add(key);
    return errors;
  });
}

/** Requests and limits of a container; `podClaims` are the names of the pod's resource claims. */
export function validateResources(
  resources: ResourceRequirements | undefined,
  at: string,
  podClaims: ReadonlySet<string> = new Set(),
): Errors {
  if (!resources) return [];
  const errors = [
    ...amounts(path(at, "limits"), resources.limits),
    ...amounts(path(at, "requests"), resources.requests),
    ...requestErrors(at, resources),
    ...claimErrors(at, resources, podClaims),
  ];
  const names = [...Object.keys(resources.limits ?? {}), ...Object.keys(resources.requests ?? {})];
  if (names.some(isHugePages) && !names.includes("cpu") && !names.includes("memory")) {
    errors.push(forbiddenField(at, "HugePages require cpu or memory"));
  }
  return errors;
}

/** Requests and limits of a pod as a whole. */
export function validatePodLevelResources(resources: ResourceRequirements | undefined, at: string): Errors {
  if (!resources) return [];
  const known = (field: "limits" | "requests") =>
    eachEntry(path(at, field), resources[field], (here, _, name) =>
      isPodLevelResource(name) ? [] : [notSupported(here, name, ["cpu", "hugepages-", "memory"])],
    );
  return [
    ...known("limits"),
    ...known("requests"),
    ...validateResources(resources, at),
    ...(resources.claims?.length
      ? [forbiddenField(path(at, "claims"), "claims may not be set for Resources at pod-level")]
      : []),
  ];
}
