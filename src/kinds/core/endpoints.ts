// Endpoints: the addresses behind a service, in the form before EndpointSlice.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateEndpoints).
import type * as core from "../generated/core.v1.ts";
import { path, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import type { EndpointAddress, EndpointPort } from "../generated/core.v1.ts";
import { each, type Errors, oneOf, optionallyNamed, portNumber } from "../checks.ts";
import { protocols } from "./pod/validate-containers.ts";
import { unreachableErrors } from "./service-validation.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

const validateAddress = (at: string, address: EndpointAddress): Errors => [
  ...unreachableErrors(path(at, "ip"), address.ip ?? ""),
  ...optionallyNamed(path(at, "hostname"), address.hostname, dnsLabelErrors),
  ...optionallyNamed(path(at, "nodeName"), address.nodeName, dnsSubdomainErrors),
];

function validatePort(at: string, port: EndpointPort, many: boolean): Errors {
  const name =
    port.name || !many ? optionallyNamed(path(at, "name"), port.name, dnsLabelErrors) : [required(path(at, "name"))];
  return [
    ...name,
    ...portNumber(path(at, "port"), port.port),
    ...oneOf(path(at, "protocol"), port.protocol, protocols),
    ...optionallyNamed(path(at, "appProtocol"), port.appProtocol, qualifiedNameErrors),
  ];
}

const validateEndpoints = ({ subsets }: Endpoints): Errors =>
  each("subsets", subsets, (at, { addresses = [], notReadyAddresses = [], ports = [] }) => [
    ...(addresses.length + notReadyAddresses.length === 0
      ? [required(at, "must specify `addresses` or `notReadyAddresses`")]
      : []),
    ...each(path(at, "addresses"), addresses, validateAddress),
    ...each(path(at, "notReadyAddresses"), notReadyAddresses, validateAddress),
    ...each(path(at, "ports"), ports, (here, port) => validatePort(here, port, ports.length > 1)),
  ]);

export type Endpoints = core.Endpoints;

const shown = 3;

/** The first few addresses, each with each port. */
function addresses({ subsets = [] }: core.Endpoints): string {
  if (subsets.length === 0) return "<none>";
  const all = subsets.flatMap(({ addresses: ready = [], ports = [] }) =>
    ports.length === 0
      ? ready.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => ready.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`))),
  );
  const first = all.slice(0, shown).join(",");
  return all.length > shown ? `${first} + ${all.length - shown} more...` : first;
}

export const Endpoints = defineKind<Endpoints>("v1", "Endpoints", {
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  columns: [nameColumn, column("Endpoints", addresses), ageColumn],
  defaults: (draft) => {
    for (const subset of draft.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= "TCP";
  },
  validate: validateEndpoints,
});
