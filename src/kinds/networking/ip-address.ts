// IPAddress: an address in use by a Service. Follows kubernetes v1.36 pkg/apis/networking/validation/validation.go (IPAddress).
import type * as networking from "../generated/networking.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, ipErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { complaints, type Errors, named, optionallyNamed, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { canonicalAddress } from "./cidr.ts";

export type IPAddress = networking.IPAddress;

function parentText({ spec }: IPAddress): string {
  const parent = spec?.parentRef;
  if (!parent) return "<none>";
  const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
  return [resource, parent.namespace, parent.name].filter(Boolean).join("/");
}

function validate({ metadata: { name }, spec }: IPAddress): Errors {
  const errors = complaints("metadata.name", name, ipErrors(name));
  if (errors.length === 0 && canonicalAddress(name) !== name) {
    const text = `must be in canonical form (${JSON.stringify(canonicalAddress(name))})`;
    errors.push(invalidValue("metadata.name", name, text));
  }
  const parent = spec?.parentRef;
  if (!parent) return [...errors, required("spec.parentRef")];
  return [
    ...errors,
    ...optionallyNamed("spec.parentRef.group", parent.group, dnsSubdomainErrors),
    ...named("spec.parentRef.resource", parent.resource, pathSegmentErrors),
    ...named("spec.parentRef.name", parent.name, pathSegmentErrors),
    ...optionallyNamed("spec.parentRef.namespace", parent.namespace, dnsLabelErrors),
  ];
}

export const IPAddress = defineKind<IPAddress>("networking.k8s.io/v1", "IPAddress", {
  namespaced: false,
  nameRule: "pathSegment",
  shortNames: ["ip"],
  hasGeneration: true,
  columns: [nameColumn, column("ParentRef", parentText), ageColumn],
  validate,
  validateUpdate: (next, old) => unchanged("spec.parentRef", next.spec?.parentRef, old.spec?.parentRef),
});
