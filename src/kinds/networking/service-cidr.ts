// ServiceCIDR: address ranges of Services. Follows kubernetes v1.36 pkg/apis/networking/validation/validation.go (ServiceCIDR).
import type * as networking from "../generated/networking.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { cidrErrors, parseCidr } from "../../machinery/names.ts";
import { complaints, each, type Errors, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type ServiceCIDR = networking.ServiceCIDR;

function validate({ spec }: ServiceCIDR): Errors {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) return [required("spec.cidrs", "at least one CIDR required")];
  const errors = each("spec.cidrs", cidrs, (at, cidr) => complaints(at, cidr, cidrErrors(cidr)));
  if (cidrs.length > 2) {
    errors.push(invalidValue("spec", spec, "may only hold up to 2 values"));
  } else if (cidrs.length === 2 && parseCidr(cidrs[0]!)?.family === parseCidr(cidrs[1]!)?.family) {
    errors.push(
      invalidValue(
        "spec",
        spec,
        "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
      ),
    );
  }
  return errors;
}

export const ServiceCIDR = defineKind<ServiceCIDR>("networking.k8s.io/v1", "ServiceCIDR", {
  namespaced: false,
  hasGeneration: true,
  subresources: { status: true },
  columns: [nameColumn, column("CIDRs", ({ spec }) => (spec?.cidrs ?? []).join(",")), ageColumn],
  prepareForCreate: statusAtFirst({}),
  validate,
  validateUpdate: (next, old) => unchanged("spec.cidrs", next.spec?.cidrs, old.spec?.cidrs),
});
