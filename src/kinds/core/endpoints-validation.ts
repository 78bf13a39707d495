// Which endpoints are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateEndpoints).
import { path, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import type { EndpointAddress, EndpointPort, Endpoints } from "../generated/core.v1.ts";
import { each, type Errors, oneOf, optionallyNamed, portNumber } from "../checks.ts";
import { protocols } from "./pod/validate-containers.ts";
import { unreachableErrors } from "./service-validation.ts";

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

export const validateEndpoints = ({ subsets }: Endpoints): Errors =>
  each("subsets", subsets, (at, { addresses = [], notReadyAddresses = [], ports = [] }) => [
    ...(addresses.length + notReadyAddresses.length === 0
      ? [required(at, "must specify `addresses` or `notReadyAddresses`")]
      : []),
    ...each(path(at, "addresses"), addresses, validateAddress),
    ...each(path(at, "notReadyAddresses"), notReadyAddresses, validateAddress),
    ...each(path(at, "ports"), ports, (here, port) => validatePort(here, port, ports.length > 1)),
  ]);
