// NetworkPolicy: which traffic pods may send and receive.
// Follows kubernetes v1.36 pkg/apis/networking/v1/defaults.go and validation/validation.go (NetworkPolicy).
import type * as networking from "../generated/networking.v1.ts";
import { forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { cidrErrors, portNameErrors, portNumberErrors } from "../../machinery/names.ts";
import { formatLabelSelector, labelSelectorErrors } from "../../machinery/selector.ts";
import { complaints, each, type Errors, named, oneOf } from "../checks.ts";
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

function portErrors({ protocol, port, endPort }: networking.NetworkPolicyPort, at: string): Errors {
  const errors = oneOf(path(at, "protocol"), protocol, ["SCTP", "TCP", "UDP"]);
  if (typeof port === "number") errors.push(...complaints(path(at, "port"), port, portNumberErrors(port)));
  if (typeof port === "string") errors.push(...complaints(path(at, "port"), port, portNameErrors(port)));
  if (endPort === undefined) return errors;
  const field = path(at, "endPort");
  if (port === undefined) errors.push(required(path(at, "port"), "must be specified when `endPort` is specified"));
  else if (typeof port === "string") {
    errors.push(invalidValue(field, endPort, "may not be specified when `port` is non-numeric"));
  } else {
    errors.push(...complaints(field, endPort, portNumberErrors(endPort)));
    if (endPort < port) errors.push(invalidValue(field, endPort, "must be greater than or equal to `port`"));
  }
  return errors;
}

function blockErrors({ cidr, except }: networking.IPBlock, at: string): Errors {
  const errors = named(path(at, "cidr"), cidr, cidrErrors);
  if (errors.length > 0) return errors;
  return each(path(at, "except"), except, (field, hole) => {
    const bad = complaints(field, hole, cidrErrors(hole));
    if (bad.length > 0 || containsStrictly(cidr, hole)) return bad;
    return [invalidValue(field, hole, "must be a strict subset of `cidr`")];
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

type Ports = readonly networking.NetworkPolicyPort[] | undefined;
type Peers = readonly networking.NetworkPolicyPeer[] | undefined;

function validate({ spec }: NetworkPolicy): Errors {
  if (!spec) return [];
  const rule = (at: string, ports: Ports, peers: Peers, name: string) => [
    ...each(path(at, "ports"), ports, (here, port) => portErrors(port, here)),
    ...each(path(at, name), peers, (here, peer) => peerErrors(peer, here)),
  ];
  const types = spec.policyTypes ?? [];
  return [
    ...labelSelectorErrors(spec.podSelector, "spec.podSelector"),
    ...each("spec.ingress", spec.ingress, (at, { ports, from }) => rule(at, ports, from, "from")),
    ...each("spec.egress", spec.egress, (at, { ports, to }) => rule(at, ports, to, "to")),
    ...(types.length > 2 ? [invalidValue("spec.policyTypes", types, "may not specify more than two policyTypes")] : []),
    ...each("spec.policyTypes", types, (at, type) => oneOf(at, type, ["Egress", "Ingress"])),
  ];
}

export const NetworkPolicy = defineKind<NetworkPolicy>("networking.k8s.io/v1", "NetworkPolicy", {
  shortNames: ["netpol"],
  hasGeneration: true,
  columns: [nameColumn, column("Pod-Selector", ({ spec }) => formatLabelSelector(spec?.podSelector)), ageColumn],
  defaults: setDefaults,
  validate,
});
