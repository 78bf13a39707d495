// Ingress: routes HTTP from outside to Services.
// Follows kubernetes v1.36 pkg/apis/networking/validation/validation.go (Ingress).
import type * as networking from "../generated/networking.v1.ts";
import type { HTTPIngressPath, IngressBackend } from "../generated/networking.v1.ts";
import { invalidValue, path, required } from "../../machinery/field.ts";
import {
  dnsLabelErrors,
  dnsSubdomainErrors,
  ipErrors,
  isIPv4,
  isIPv6,
  portNameErrors,
  portNumberErrors,
  wildcardSubdomainErrors,
} from "../../machinery/names.ts";
import { all, complaints, each, type Errors, fields, may, named, oneOf, optionallyNamed } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

const classAnnotation = "kubernetes.io/ingress.class";
const badSequences = ["//", "/./", "/../", "%2f", "%2F"];
const badEndings = ["/..", "/."];

const hostErrors = (host: string): string[] =>
  host.includes("*") ? wildcardSubdomainErrors(host) : dnsSubdomainErrors(host);

function ruleHostErrors(host: string | undefined, at: string): Errors {
  if (!host) return [];
  const errors = complaints(at, host, hostErrors(host));
  if (isIPv4(host) || isIPv6(host)) errors.unshift(invalidValue(at, host, "must be a DNS name, not an IP address"));
  return errors;
}

function pathErrors({ path: urlPath, pathType, backend }: HTTPIngressPath, at: string): Errors {
  const field = path(at, "path");
  const typeAt = path(at, "pathType");
  const text = urlPath ?? "";
  const exact = pathType === "Exact" || pathType === "Prefix";
  const bad = badSequences.filter((part) => text.includes(part)).map((part) => `must not contain '${part}'`);
  const end = badEndings.filter((part) => text.endsWith(part)).map((part) => `cannot end with '${part}'`);
  return all(
    pathType
      ? oneOf(typeAt, pathType, ["Exact", "ImplementationSpecific", "Prefix"])
      : required(typeAt, "pathType must be specified"),
    (exact || text) && !text.startsWith("/") && invalidValue(field, text, "must be an absolute path"),
    exact && complaints(field, text, [...bad, ...end]),
    backendErrors(backend, path(at, "backend")),
  );
}

function backendErrors(backend: IngressBackend | undefined, at: string): Errors {
  const { service, resource } = backend ?? {};
  if (service && resource) return [invalidValue(at, "", "cannot set both resource and service backends")];
  if (!service && !resource) return [invalidValue(at, "", "resource or service backend is required")];
  if (resource) {
    return [
      ...(resource.kind ? [] : [required(path(at, "resource", "kind"))]),
      ...(resource.name ? [] : [required(path(at, "resource", "name"))]),
    ];
  }
  const here = path(at, "service");
  const errors = named(path(here, "name"), service!.name, dnsLabelErrors);
  const { name, number } = service!.port ?? {};
  if (name && number) return [...errors, invalidValue(at, "", "cannot set both port name & port number")];
  if (name) return [...errors, ...complaints(path(here, "port", "name"), name, portNameErrors(name))];
  if (number) return [...errors, ...complaints(path(here, "port", "number"), number, portNumberErrors(number))];
  return [...errors, required(at, "port name or number is required")];
}

/** An ingress, new or changed. */
function validateIngress({ metadata, spec }: Ingress): Errors {
  const { defaultBackend, rules = [], tls, ingressClassName } = spec ?? {};
  const none = "either `defaultBackend` or `rules` must be specified";
  const annotated = metadata.annotations?.[classAnnotation];
  const twice = annotated !== undefined && ingressClassName !== undefined && !metadata.resourceVersion;
  const annotationAt = `annotations[${classAnnotation}]`;
  return all(
    !defaultBackend && rules.length === 0 && invalidValue("spec", rules, none),
    defaultBackend && backendErrors(defaultBackend, "spec.defaultBackend"),
    twice && invalidValue(annotationAt, annotated, "can not be set when the class field is also set"),
    each("spec.tls", tls, (at, { hosts }) =>
      each(path(at, "hosts"), hosts, (field, host) => complaints(field, host, hostErrors(host))),
    ),
    each("spec.rules", rules, (at, { host, http }) =>
      all(
        ruleHostErrors(host, path(at, "host")),
        http && !http.paths?.length && required(path(at, "http", "paths")),
        each(path(at, "http", "paths"), http?.paths, (here, row) => pathErrors(row, here)),
      ),
    ),
    optionallyNamed("spec.ingressClassName", ingressClassName, dnsSubdomainErrors),
  );
}

const validateIngressStatusUpdate = ({ status }: Ingress): Errors =>
  each("status.loadBalancer.ingress", status?.loadBalancer?.ingress, (at, row) =>
    fields(at, row, {
      ip: may(ipErrors),
      hostname: (field, name = "") =>
        all(
          optionallyNamed(field, name, dnsSubdomainErrors),
          (isIPv4(name) || isIPv6(name)) && invalidValue(field, name, "must be a DNS name, not an IP address"),
        ),
    }),
  );

export type Ingress = networking.Ingress;

const shownHosts = 3;

function hostsText({ spec }: Ingress): string {
  const hosts = [...new Set((spec?.rules ?? []).map(({ host }) => host).filter(Boolean))];
  if (hosts.length === 0) return "*";
  const shown = hosts.slice(0, shownHosts).join(",");
  return hosts.length > shownHosts ? `${shown} + ${hosts.length - shownHosts} more...` : shown;
}

export const Ingress = defineKind<Ingress>("networking.k8s.io/v1", "Ingress", {
  shortNames: ["ing"],
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Class", ({ spec }) => spec?.ingressClassName ?? "<none>"),
    column("Hosts", hostsText),
    column("Address", ({ status }) =>
      [...new Set((status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname))].join(","),
    ),
    column("Ports", ({ spec }) => (spec?.tls?.length ? "80, 443" : "80")),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({ loadBalancer: {} }),
  validate: validateIngress,
  validateStatusUpdate: validateIngressStatusUpdate,
});
