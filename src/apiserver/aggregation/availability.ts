// Whether the API behind an APIService can be reached: what stored objects tell, and the condition that says so.
// Follows kubernetes v1.36 kube-aggregator/pkg/controllers/status/remote (reasons, messages).
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import type { Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import type { Store } from "../../store/store.ts";
import { serviceTarget, type ProxyTarget } from "../streaming/proxy-target.ts";

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export interface Finding {
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

export const unavailable = (reason: string, message: string): Finding => ({ status: "False", reason, message });
export const passed: Finding = { status: "True", reason: "Passed", message: "all checks passed" };

interface Backend {
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
}

/** The stored Service and its EndpointSlices. */
export function backendOf(store: Pick<Store, "get" | "list">, { namespace, name }: ServiceReference): Backend {
  const service = store.get({ collection: "/services", namespace, name })?.object as Service | undefined;
  const slices = store
    .list("discovery.k8s.io/endpointslices", namespace)
    .entries.map(({ object }) => object as EndpointSlice)
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  return { service, slices };
}

/** What makes the API unreachable as far as objects tell; undefined when only asking it can tell. */
export function examine(reference: ServiceReference, { service, slices }: Backend): Finding | undefined {
  const { namespace, name, port } = reference;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  if (!service) return unavailable("ServiceNotFound", `${where} is not present`);
  if (service.spec?.type === "ExternalName") return undefined;
  const declared = service.spec?.ports?.find((one) => one.port === port);
  if (!declared) return unavailable("ServicePortError", `${where} is not listening on port ${port}`);
  if (slices.length === 0) return unavailable("EndpointsNotFound", `cannot find endpointslices for ${where}`);
  const portName = declared.name ?? "";
  const reachable = slices.some(
    ({ endpoints, ports }) =>
      (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) &&
      (ports ?? []).some((one) => (one.name ?? "") === portName && one.port != null),
  );
  if (reachable) return undefined;
  return unavailable(
    "MissingEndpoints",
    `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`,
  );
}

/** Where to send a request; `pick` in 0 ≤ x < 1 chooses among ready endpoints. Throws ServiceUnavailable. */
export function targetOf(reference: ServiceReference, { service, slices }: Backend, pick: number): ProxyTarget {
  const { port } = reference;
  if (service?.spec?.type === "ExternalName") return { scheme: "https", host: service.spec.externalName!, port };
  return serviceTarget(service!, slices, { scheme: "https", port: String(port), pick });
}

/** The status with the finding in it; the very same one when it says so already. */
export function withFinding({ status = {} }: APIService, finding: Finding, now: number): APIService["status"] {
  const conditions = status.conditions ?? [];
  const old = conditions.find(({ type }) => type === "Available");
  if (old && old.status === finding.status && old.reason === finding.reason && old.message === finding.message) {
    return status;
  }
  const lastTransitionTime = old?.status === finding.status ? old.lastTransitionTime : formatTime(now);
  const condition = { type: "Available", ...finding, ...(lastTransitionTime ? { lastTransitionTime } : {}) };
  return { ...status, conditions: [...conditions.filter((one) => one !== old), condition] };
}

export const isAvailable = ({ status }: APIService): boolean =>
  status?.conditions?.some((condition) => condition.type === "Available" && condition.status === "True") ?? false;
