// IPAddress and ServiceCIDR: an address in use by a Service, and the ranges that addresses come from.
// Follows kubernetes v1.36 pkg/apis/networking/validation/validation.go (IPAddress, ServiceCIDR).
import type * as networking from "../generated/networking.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import {
  cidrErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  ipErrors,
  parseCidr,
  pathSegmentErrors,
} from "../../machinery/names.ts";
import { all, complaints, each, type Errors, fields, may, must, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { canonicalAddress } from "./cidr.ts";

export type IPAddress = networking.IPAddress;

function parentText({ spec }: IPAddress): string {
  const parent = spec?.parentRef;
  if (!parent) return "<none>";
  const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
  return [resource, parent.namespace, parent.name].filter(Boolean).join("/");
}

function addressErrors({ metadata: { name }, spec }: IPAddress): Errors {
  const errors = complaints("metadata.name", name, ipErrors(name));
  if (errors.length === 0 && canonicalAddress(name) !== name) {
    const text = `must be in canonical form (${JSON.stringify(canonicalAddress(name))})`;
    errors.push(invalidValue("metadata.name", name, text));
  }
  if (!spec?.parentRef) return [...errors, required("spec.parentRef")];
  return errors.concat(
    fields("spec.parentRef", spec.parentRef, {
      group: may(dnsSubdomainErrors),
      resource: must(pathSegmentErrors),
      name: must(pathSegmentErrors),
      namespace: may(dnsLabelErrors),
    }),
  );
}

export const IPAddress = defineKind<IPAddress>("networking.k8s.io/v1", "IPAddress", {
  namespaced: false,
  nameRule: "pathSegment",
  shortNames: ["ip"],
  hasGeneration: true,
  columns: [nameColumn, column("ParentRef", parentText), ageColumn],
  validate: addressErrors,
  validateUpdate: (next, old) => unchanged("spec.parentRef", next.spec?.parentRef, old.spec?.parentRef),
});

export type ServiceCIDR = networking.ServiceCIDR;

function cidrsErrors({ spec }: ServiceCIDR): Errors {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) return [required("spec.cidrs", "at least one CIDR required")];
  const families = new Set(cidrs.map((cidr) => parseCidr(cidr)?.family));
  const text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
  return all(
    each("spec.cidrs", cidrs, (at, cidr) => complaints(at, cidr, cidrErrors(cidr))),
    cidrs.length > 2 && invalidValue("spec", spec, "may only hold up to 2 values"),
    cidrs.length === 2 && families.size === 1 && invalidValue("spec", spec, text),
  );
}

export const ServiceCIDR = defineKind<ServiceCIDR>("networking.k8s.io/v1", "ServiceCIDR", {
  namespaced: false,
  hasGeneration: true,
  subresources: { status: true },
  columns: [nameColumn, column("CIDRs", ({ spec }) => (spec?.cidrs ?? []).join(",")), ageColumn],
  prepareForCreate: statusAtFirst({}),
  validate: cidrsErrors,
  validateUpdate: (next, old) => unchanged("spec.cidrs", next.spec?.cidrs, old.spec?.cidrs),
});
