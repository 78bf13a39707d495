// Requests for devices, as ResourceClaims and their templates hold them: defaults and checks.
// Follows kubernetes v1.36 pkg/apis/resource/v1/defaults.go and pkg/apis/resource/validation/validation.go.
import type {
  DeviceClaim,
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
import {
  all,
  among,
  complaints,
  each,
  eachUnique,
  type Errors,
  fields,
  type Found,
  must,
  named,
  oneOf,
  optionallyNamed,
  optionallyOneOf,
  present,
  repeats,
} from "../checks.ts";

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
function limited<T>(field: string, list: readonly T[] | undefined, judge: (at: string, row: T) => Found): Errors {
  const count = list?.length ?? 0;
  return count > maxRows ? [tooMany(field, count, maxRows)] : each(field, list, judge);
}

export const selectorsErrors = (selectors: readonly DeviceSelector[] | undefined, at: string): Errors =>
  limited(at, selectors, (here, { cel }) => {
    if (!cel) return [required(path(here, "cel"))];
    return cel.expression?.trim() ? [] : [required(path(here, "cel", "expression"))];
  });

export const opaqueErrors = (opaque: OpaqueDeviceConfiguration | undefined, at: string): Errors =>
  opaque
    ? fields(path(at, "opaque"), opaque, { driver: driverErrors, parameters: present })
    : [required(at, "exactly one sub-configuration has to be specified")];

export const driverErrors = (at: string, driver = ""): Errors =>
  all(
    named(at, driver, dnsSubdomainErrors),
    driver.length > maxDriverLength && invalidValue(at, driver, `must be no more than ${maxDriverLength} bytes`),
  );

const tolerationErrors = (at: string, { key, operator, effect, value }: DeviceToleration): Errors =>
  all(
    optionallyNamed(path(at, "key"), key, qualifiedNameErrors),
    oneOf(path(at, "operator"), operator, ["Equal", "Exists"]),
    optionallyOneOf(path(at, "effect"), effect, ["NoExecute", "NoSchedule"]),
    operator === "Exists" && value && invalidValue(path(at, "value"), value, "must be empty for operator `Exists`"),
    !key && operator !== "Exists" && required(path(at, "key"), "operator `Exists` is required for an empty key"),
  );

const requestErrors = (at: string, request: AnyRequest): Errors =>
  fields(at, request, {
    deviceClassName: must(dnsSubdomainErrors),
    allocationMode: among(["All", "ExactCount"]),
    selectors: (field, selectors) => selectorsErrors(selectors, field),
    tolerations: (field, tolerations) => limited(field, tolerations, tolerationErrors),
    count: (field, count = 0) => {
      if (request.allocationMode === "All" && count) {
        return invalidValue(field, count, "must not be specified when allocationMode is 'All'");
      }
      return (
        request.allocationMode === "ExactCount" && count <= 0 && invalidValue(field, count, "must be greater than zero")
      );
    },
  });

function deviceRequestErrors(at: string, { name, exactly, firstAvailable }: DeviceRequest): Errors {
  const text = "exactly one of `exactly` or `firstAvailable` is required";
  const field = path(at, "firstAvailable");
  const count = firstAvailable?.length ?? 0;
  const found = () => {
    if (exactly && count > 0) return invalidValue(at, name, text);
    if (exactly) return requestErrors(path(at, "exactly"), exactly);
    if (count === 0) return required(at, text);
    if (count > maxSubRequests) return tooMany(field, count, maxSubRequests);
    return eachUnique(field, firstAvailable, "name", (here, row) => [
      ...named(path(here, "name"), row.name, dnsLabelErrors),
      ...requestErrors(here, row),
    ]);
  };
  return all(named(path(at, "name"), name, dnsLabelErrors), found());
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

function constraintErrors(at: string, constraint: DeviceConstraint, names: ReadonlySet<string>): Errors {
  const { matchAttribute: match, distinctAttribute: distinct, requests } = constraint;
  const field = path(at, "distinctAttribute");
  const none = "exactly one constraint field must be specified: matchAttribute or distinctAttribute";
  return all(
    requestNameErrors(requests, path(at, "requests"), names),
    match === undefined && distinct === undefined && required(at, none),
    match !== undefined && attributeErrors(match, path(at, "matchAttribute")),
    match !== undefined &&
      distinct !== undefined &&
      forbiddenField(field, "only one constraint field may be specified"),
    distinct !== undefined && attributeErrors(distinct, field),
  );
}

const unknownRequest =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

const requestNameErrors = (requests: readonly string[] | undefined, at: string, names: ReadonlySet<string>): Errors =>
  limited(at, requests, (here, name) => !names.has(name) && invalidValue(here, name, unknownRequest));

function devicesErrors(devices: DeviceClaim, at: string): Errors {
  const names = new Set(
    (devices.requests ?? []).flatMap(({ name, firstAvailable }) => [
      name,
      ...(firstAvailable ?? []).map((row) => `${name}/${row.name}`),
    ]),
  );
  const again = repeats();
  return fields(at, devices, {
    requests: (field, requests) =>
      limited(field, requests, (here, request) =>
        all(again(request.name) && duplicate(path(here, "name"), request.name), deviceRequestErrors(here, request)),
      ),
    constraints: (field, rows) => limited(field, rows, (here, row) => constraintErrors(here, row, names)),
    config: (field, rows) =>
      limited(field, rows, (here, { requests, opaque }) => [
        ...requestNameErrors(requests, path(here, "requests"), names),
        ...opaqueErrors(opaque, here),
      ]),
  });
}

export const claimSpecErrors = (spec: ResourceClaimSpec | undefined, at: string): Errors =>
  spec?.devices ? devicesErrors(spec.devices, path(at, "devices")) : [];
