// EndpointSlice: a part of the endpoints of a Service.
// Follows kubernetes v1.36 pkg/apis/discovery/v1/defaults.go and pkg/apis/discovery/validation/validation.go.
import type * as discovery from "../generated/discovery.v1.ts";
import { duplicate, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, isIPv4, isIPv6 } from "../../machinery/names.ts";
import { complaints, each, type Errors, oneOf, optionallyNamed, portNumber, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { unreachableErrors } from "../core/service-validation.ts";
import { defineKind } from "../kind.ts";

export type EndpointSlice = discovery.EndpointSlice;

const maxEndpoints = 1000;
const maxAddresses = 100;
const maxPorts = 20_000;
const shown = 3;

function shortList(words: readonly string[], separator = ","): string {
  if (words.length === 0) return "<unset>";
  const text = words.slice(0, shown).join(separator);
  return words.length > shown ? `${text} + ${words.length - shown} more...` : text;
}

function addressErrors(address: string, type: string, at: string): Errors {
  if (type === "IPv4" && !isIPv4(address)) return [invalidValue(at, address, "must be an IPv4 address")];
  if (type === "IPv6" && !isIPv6(address)) return [invalidValue(at, address, "must be an IPv6 address")];
  if (type === "IPv4" || type === "IPv6") return unreachableErrors(at, address);
  return complaints(at, address, dnsSubdomainErrors(address));
}

function endpointErrors(endpoint: discovery.Endpoint, type: string, at: string): Errors {
  const field = path(at, "addresses");
  const count = endpoint.addresses?.length ?? 0;
  const seen = new Set<string>();
  return [
    ...(count === 0 ? [required(field, "must contain at least 1 address")] : []),
    ...(count > maxAddresses ? [tooMany(field, count, maxAddresses)] : []),
    ...each(field, endpoint.addresses, (here, address) => addressErrors(address, type, here)),
    ...optionallyNamed(path(at, "nodeName"), endpoint.nodeName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "hostname"), endpoint.hostname, dnsLabelErrors),
    ...each(path(at, "hints", "forZones"), endpoint.hints?.forZones, (here, { name }) => {
      if (seen.has(name)) return [duplicate(path(here, "name"), name)];
      seen.add(name);
      return name ? [] : [required(path(here, "name"))];
    }),
  ];
}

function portErrors(ports: readonly discovery.EndpointPort[] | undefined): Errors {
  const seen = new Set<string>();
  const count = ports?.length ?? 0;
  if (count > maxPorts) return [tooMany("ports", count, maxPorts)];
  return each("ports", ports, (at, { name = "", port, protocol }) => {
    const errors = name ? complaints(path(at, "name"), name, dnsLabelErrors(name)) : [];
    if (seen.has(name)) errors.push(duplicate(path(at, "name"), name));
    seen.add(name);
    if (port !== undefined) errors.push(...portNumber(path(at, "port"), port));
    return [...errors, ...oneOf(path(at, "protocol"), protocol, ["SCTP", "TCP", "UDP"])];
  });
}

function validate({ addressType, endpoints, ports }: EndpointSlice): Errors {
  const count = endpoints?.length ?? 0;
  return [
    ...oneOf("addressType", addressType, ["FQDN", "IPv4", "IPv6"]),
    ...(count > maxEndpoints
      ? [tooMany("endpoints", count, maxEndpoints)]
      : each("endpoints", endpoints, (at, endpoint) => endpointErrors(endpoint, addressType, at))),
    ...portErrors(ports),
  ];
}

export const EndpointSlice = defineKind<EndpointSlice>("discovery.k8s.io/v1", "EndpointSlice", {
  hasGeneration: true,
  columns: [
    nameColumn,
    column("AddressType", ({ addressType }) => addressType),
    column("Ports", ({ ports }) => shortList((ports ?? []).map(({ port }) => String(port ?? "*")))),
    column("Endpoints", ({ endpoints }) => shortList((endpoints ?? []).flatMap(({ addresses }) => addresses ?? []))),
    ageColumn,
  ],
  defaults: ({ ports }) => {
    for (const port of ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  validate,
  validateUpdate: (next, old) => unchanged("addressType", next.addressType, old.addressType),
});
