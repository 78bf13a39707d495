// NetworkPolicy: which traffic pods may send and receive.
// Follows kubernetes v1.36 pkg/apis/networking/v1/defaults.go and validation/validation.go (NetworkPolicy).
import type * as networking from "../generated/networking.v1.ts";
import { forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { cidrErrors, portNameErrors, portNumberErrors } from "../../machinery/names.ts";
import { formatLabelSelector, labelSelectorErrors } from "../../machinery/selector.ts";
import { all, among, complaints, each, type Errors, fields, list, named } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { containsStrictly } from "./cidr.ts";

export type NetworkPolicy = networking.NetworkPolicy;

function setDefaults({ spec }: NetworkPolicy): void {
  if (!spec) return;
  spec.podSelector ??= {};
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const port of rule.ports ?? []) port.protocol ??= "TCP";
  }
  if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
}

const portErrors = (at: string, row: networking.NetworkPolicyPort): Errors =>
  fields(at, row, {
    protocol: among(["SCTP", "TCP", "UDP"]),
    port: (field, port) =>
      port !== undefined &&
      complaints(field, port, typeof port === "number" ? portNumberErrors(port) : portNameErrors(port)),
    endPort: (field, end) => {
      if (end === undefined) return [];
      if (row.port === undefined) return required(path(at, "port"), "must be specified when `endPort` is specified");
      if (typeof row.port === "string") {
        return invalidValue(field, end, "may not be specified when `port` is non-numeric");
      }
      const reversed = end < row.port && invalidValue(field, end, "must be greater than or equal to `port`");
      return all(complaints(field, end, portNumberErrors(end)), reversed);
    },
  });

function blockErrors({ cidr, except }: networking.IPBlock, at: string): Errors {
  const errors = named(path(at, "cidr"), cidr, cidrErrors);
  if (errors.length > 0) return errors;
  return each(path(at, "except"), except, (field, hole) => {
    const bad = complaints(field, hole, cidrErrors(hole));
    if (bad.length > 0 || containsStrictly(cidr, hole)) return bad;
    return invalidValue(field, hole, "must be a strict subset of `cidr`");
  });
}

function peerErrors(peer: networking.NetworkPolicyPeer, at: string): Errors {
  const selects = peer.podSelector !== undefined || peer.namespaceSelector !== undefined;
  if (!selects && !peer.ipBlock) return [required(at, "must specify a peer")];
  if (selects && peer.ipBlock) return [forbiddenField(at, "may not specify both ipBlock and another peer")];
  return [
    ...labelSelectorErrors(peer.podSelector, path(at, "podSelector")),
    ...labelSelectorErrors(peer.namespaceSelector, path(at, "namespaceSelector")),
    ...(peer.ipBlock ? blockErrors(peer.ipBlock, path(at, "ipBlock")) : []),
  ];
}

function validate({ spec }: NetworkPolicy): Errors {
  if (!spec) return [];
  const types = spec.policyTypes ?? [];
  const peers = list((at: string, peer: networking.NetworkPolicyPeer) => peerErrors(peer, at));
  return all(
    labelSelectorErrors(spec.podSelector, "spec.podSelector"),
    each("spec.ingress", spec.ingress, (at, rule) => fields(at, rule, { ports: list(portErrors), from: peers })),
    each("spec.egress", spec.egress, (at, rule) => fields(at, rule, { ports: list(portErrors), to: peers })),
    types.length > 2 && invalidValue("spec.policyTypes", types, "may not specify more than two policyTypes"),
    each("spec.policyTypes", types, among(["Egress", "Ingress"])),
  );
}

export const NetworkPolicy = defineKind<NetworkPolicy>("networking.k8s.io/v1", "NetworkPolicy", {
  shortNames: ["netpol"],
  hasGeneration: true,
  columns: [nameColumn, column("Pod-Selector", ({ spec }) => formatLabelSelector(spec?.podSelector)), ageColumn],
  defaults: setDefaults,
  validate,
});
