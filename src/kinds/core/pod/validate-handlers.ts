// Which probes and lifecycle handlers are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (validateProbe, validateLifecycle).
import { forbiddenField, invalidValue, path, required } from "../../../machinery/field.ts";
import { portNameErrors } from "../../../machinery/names.ts";
import type { Container, HTTPGetAction, Lifecycle, LifecycleHandler, Probe } from "../../generated/core.v1.ts";
import { complaints, each, type Errors, exactlyOne, notNegative, oneOf, portNumber, present } from "../../checks.ts";

const port = (at: string, value: number | string): Errors =>
  typeof value === "number" ? portNumber(at, value) : complaints(at, value, portNameErrors(value ?? ""));

const headerName = /^[-A-Za-z0-9]+$/;

function httpGet(action: HTTPGetAction, at: string): Errors {
  return [
    ...present(path(at, "path"), action.path),
    ...port(path(at, "port"), action.port),
    ...oneOf(path(at, "scheme"), action.scheme, ["HTTP", "HTTPS"]),
    ...each(path(at, "httpHeaders"), action.httpHeaders, (here, { name }) =>
      headerName.test(name ?? "")
        ? []
        : [
            invalidValue(
              path(here, "name"),
              name ?? "",
              "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
            ),
          ],
    ),
  ];
}

type Handler = Partial<LifecycleHandler> & Pick<Probe, "grpc">;
const handlerNames = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;

function handler(value: Handler, at: string, grace: number | undefined): Errors {
  const set = handlerNames.filter((name) => value[name] !== undefined);
  const errors = exactlyOne(at, set, {
    none: "must specify a handler type",
    many: "may not specify more than 1 handler type",
  });
  if (value.exec && !value.exec.command?.length) errors.push(required(path(at, "exec", "command")));
  if (value.httpGet) errors.push(...httpGet(value.httpGet, path(at, "httpGet")));
  if (value.tcpSocket) errors.push(...port(path(at, "tcpSocket", "port"), value.tcpSocket.port));
  if (value.grpc) errors.push(...portNumber(path(at, "grpc", "port"), value.grpc.port));
  const seconds = value.sleep?.seconds;
  if (seconds !== undefined && (seconds < 0 || (grace !== undefined && seconds > grace))) {
    const text = `must be non-negative and less than terminationGracePeriodSeconds (${grace ?? 0})`;
    errors.push(invalidValue(path(at, "sleep"), seconds, text));
  }
  return errors;
}

/** `grace` is the pod's terminationGracePeriodSeconds. */
export function validateLifecycle(lifecycle: Lifecycle | undefined, at: string, grace: number | undefined): Errors {
  return [
    ...(lifecycle?.postStart ? handler(lifecycle.postStart, path(at, "postStart"), grace) : []),
    ...(lifecycle?.preStop ? handler(lifecycle.preStop, path(at, "preStop"), grace) : []),
  ];
}

function probe(value: Probe | undefined, at: string): Errors {
  if (!value) return [];
  const seconds = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const;
  const errors = [
    ...handler(value, at, undefined),
    ...seconds.flatMap((field) => notNegative(path(at, field), value[field])),
  ];
  const grace = value.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalidValue(path(at, "terminationGracePeriodSeconds"), grace, "must be greater than 0"));
  }
  return errors;
}

/** The three probes of a container. */
export function validateProbes(container: Container, at: string): Errors {
  const errors: Errors = [];
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const value = container[name];
    const here = path(at, name);
    errors.push(...probe(value, here));
    if (!value) continue;
    if (name !== "readinessProbe" && value.successThreshold !== undefined && value.successThreshold !== 1) {
      errors.push(invalidValue(path(here, "successThreshold"), value.successThreshold, "must be 1"));
    }
    if (name === "readinessProbe" && value.terminationGracePeriodSeconds !== undefined) {
      errors.push(forbiddenField(path(here, "terminationGracePeriodSeconds"), "must not be set for readinessProbes"));
    }
  }
  return errors;
}
