// Requests for devices, as ResourceClaims and their templates hold them: defaults and checks.
// Follows kubernetes v1.36 pkg/apis/resource/v1/defaults.go and pkg/apis/resource/validation/validation.go.
import type {
  DeviceClaim,
  DeviceClaimConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  OpaqueDeviceConfiguration,
  ResourceClaimSpec,
} from "../generated/resource.v1.ts";
import { duplicate, forbiddenField, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { cIdentifierErrors, dnsLabelErrors, dnsSubdomainErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, named, oneOf, optionallyNamed, optionallyOneOf } from "../checks.ts";

const maxRows = 32;
const maxSubRequests = 8;
const maxDriverLength = 63;

type AnyRequest = ExactDeviceRequest | DeviceSubRequest;

function defaultRequest(request: AnyRequest | undefined): void {
  if (!request) return;
  request.allocationMode ||= "ExactCount";
  if (request.allocationMode === "ExactCount") request.count ||= 1;
  for (const toleration of request.tolerations ?? []) toleration.operator ||= "Equal";
}

export function defaultClaimSpec(spec: ResourceClaimSpec | undefined): void {
  for (const request of spec?.devices?.requests ?? []) {
    defaultRequest(request.exactly);
    request.firstAvailable?.forEach(defaultRequest);
  }
}

/** A list that may not be too long, each row judged. */
function limited<T>(field: string, list: readonly T[] | undefined, judge: (at: string, row: T) => Errors): Errors {
  const count = list?.length ?? 0;
  return count > maxRows ? [tooMany(field, count, maxRows)] : each(field, list, judge);
}

export const selectorsErrors = (selectors: readonly DeviceSelector[] | undefined, at: string): Errors =>
  limited(at, selectors, (here, { cel }) => {
    if (!cel) return [required(path(here, "cel"))];
    return cel.expression?.trim() ? [] : [required(path(here, "cel", "expression"))];
  });

export function opaqueErrors(opaque: OpaqueDeviceConfiguration | undefined, at: string): Errors {
  if (!opaque) return [required(at, "exactly one sub-configuration has to be specified")];
  return [
    ...driverErrors(opaque.driver, path(at, "opaque", "driver")),
    ...(opaque.parameters === undefined || opaque.parameters === null
      ? [required(path(at, "opaque", "parameters"))]
      : []),
  ];
}

export const driverErrors = (driver: string | undefined, at: string): Errors => [
  ...named(at, driver, dnsSubdomainErrors),
  ...((driver?.length ?? 0) > maxDriverLength
    ? [invalidValue(at, driver, `must be no more than ${maxDriverLength} bytes`)]
    : []),
];

function tolerationErrors(toleration: DeviceToleration, at: string): Errors {
  const errors = [
    ...optionallyNamed(path(at, "key"), toleration.key, qualifiedNameErrors),
    ...oneOf(path(at, "operator"), toleration.operator, ["Equal", "Exists"]),
    ...optionallyOneOf(path(at, "effect"), toleration.effect, ["NoExecute", "NoSchedule"]),
  ];
  if (toleration.operator === "Exists" && toleration.value) {
    errors.push(invalidValue(path(at, "value"), toleration.value, "must be empty for operator `Exists`"));
  }
  if (!toleration.key && toleration.operator !== "Exists") {
    errors.push(required(path(at, "key"), "operator `Exists` is required for an empty key"));
  }
  return errors;
}

function requestErrors(request: AnyRequest, at: string): Errors {
  const { allocationMode, count } = request;
  const errors = [
    ...named(path(at, "deviceClassName"), request.deviceClassName, dnsSubdomainErrors),
    ...oneOf(path(at, "allocationMode"), allocationMode, ["All", "ExactCount"]),
    ...selectorsErrors(request.selectors, path(at, "selectors")),
    ...limited(path(at, "tolerations"), request.tolerations, (here, row) => tolerationErrors(row, here)),
  ];
  const field = path(at, "count");
  if (allocationMode === "All" && count) {
    errors.push(invalidValue(field, count, "must not be specified when allocationMode is 'All'"));
  }
  if (allocationMode === "ExactCount" && (count ?? 0) <= 0) {
    errors.push(invalidValue(field, count ?? 0, "must be greater than zero"));
  }
  return errors;
}

function deviceRequestErrors({ name, exactly, firstAvailable }: DeviceRequest, at: string): Errors {
  const errors = named(path(at, "name"), name, dnsLabelErrors);
  const several = firstAvailable !== undefined && firstAvailable.length > 0;
  if (exactly && several) {
    return [...errors, invalidValue(at, name, "exactly one of `exactly` or `firstAvailable` is required")];
  }
  if (exactly) return [...errors, ...requestErrors(exactly, path(at, "exactly"))];
  if (!several) return [...errors, required(at, "exactly one of `exactly` or `firstAvailable` is required")];
  const field = path(at, "firstAvailable");
  if (firstAvailable.length > maxSubRequests) return [...errors, tooMany(field, firstAvailable.length, maxSubRequests)];
  const seen = new Set<string>();
  return [
    ...errors,
    ...each(field, firstAvailable, (here, row) => {
      const again = seen.has(row.name) ? [duplicate(path(here, "name"), row.name)] : [];
      seen.add(row.name);
      return [...again, ...named(path(here, "name"), row.name, dnsLabelErrors), ...requestErrors(row, here)];
    }),
  ];
}

/** `domain/identifier`, as attributes of devices are called. */
function attributeErrors(name: string, at: string): Errors {
  const slash = name.indexOf("/");
  if (slash < 0) return [invalidValue(at, name, "must include a domain")];
  return [
    ...complaints(at, name, dnsSubdomainErrors(name.slice(0, slash))),
    ...complaints(at, name, cIdentifierErrors(name.slice(slash + 1))),
  ];
}

function constraintErrors(constraint: DeviceConstraint, at: string, names: ReadonlySet<string>): Errors {
  const { matchAttribute, distinctAttribute, requests } = constraint;
  const errors = requestNameErrors(requests, path(at, "requests"), names);
  if (matchAttribute === undefined && distinctAttribute === undefined) {
    return [
      ...errors,
      required(at, "exactly one constraint field must be specified: matchAttribute or distinctAttribute"),
    ];
  }
  if (matchAttribute !== undefined) errors.push(...attributeErrors(matchAttribute, path(at, "matchAttribute")));
  if (distinctAttribute !== undefined) {
    if (matchAttribute !== undefined) {
      errors.push(forbiddenField(path(at, "distinctAttribute"), "only one constraint field may be specified"));
    }
    errors.push(...attributeErrors(distinctAttribute, path(at, "distinctAttribute")));
  }
  return errors;
}

const requestNameErrors = (requests: readonly string[] | undefined, at: string, names: ReadonlySet<string>): Errors =>
  limited(at, requests, (here, name) =>
    names.has(name)
      ? []
      : [
          invalidValue(
            here,
            name,
            "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
          ),
        ],
  );

function configErrors(config: DeviceClaimConfiguration, at: string, names: ReadonlySet<string>): Errors {
  return [...requestNameErrors(config.requests, path(at, "requests"), names), ...opaqueErrors(config.opaque, at)];
}

function devicesErrors(devices: DeviceClaim, at: string): Errors {
  const seen = new Set<string>();
  const names = new Set(
    (devices.requests ?? []).flatMap(({ name, firstAvailable }) => [
      name,
      ...(firstAvailable ?? []).map((row) => `${name}/${row.name}`),
    ]),
  );
  return [
    ...limited(path(at, "requests"), devices.requests, (here, request) => {
      const again = seen.has(request.name) ? [duplicate(path(here, "name"), request.name)] : [];
      seen.add(request.name);
      return [...again, ...deviceRequestErrors(request, here)];
    }),
    ...limited(path(at, "constraints"), devices.constraints, (here, row) => constraintErrors(row, here, names)),
    ...limited(path(at, "config"), devices.config, (here, row) => configErrors(row, here, names)),
  ];
}

export const claimSpecErrors = (spec: ResourceClaimSpec | undefined, at: string): Errors =>
  spec?.devices ? devicesErrors(spec.devices, path(at, "devices")) : [];
