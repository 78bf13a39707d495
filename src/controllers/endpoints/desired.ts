// Which pods stand behind a Service, on which ports.
// Follows kubernetes v1.36 staging/src/k8s.io/endpointslice (podToEndpoint, getEndpointPorts, FindPort, ShouldSetHostname).
import type { ContainerPort, ServicePort } from "../../kinds/generated/core.v1.ts";
import type { Endpoint, EndpointPort } from "../../kinds/generated/discovery.v1.ts";
import type { Pod, Service } from "../../kinds/index.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isReady, isTerminating } from "../common/pods.ts";

/** Endpoints that share their ports. */
export interface EndpointGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

export const isHeadless = (service: Service): boolean => service.spec?.clusterIP === "None";

function ipv4Of(pod: Pod): string | undefined {
  const all = [...(pod.status?.podIPs ?? []).map(({ ip }) => ip), pod.status?.podIP];
  return all.find((ip) => ip !== undefined && !ip.includes(":"));
}

function numberOf(pod: Pod, { targetPort, port, protocol = "TCP" }: ServicePort): number | undefined {
  if (typeof targetPort !== "string") return targetPort || port;
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const ports: ContainerPort[] = [...(pod.spec?.containers ?? []), ...sidecars].flatMap(
    (container) => container.ports ?? [],
  );
  return ports.find((candidate) => candidate.name === targetPort && (candidate.protocol ?? "TCP") === protocol)
    ?.containerPort;
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = numberOf(pod, servicePort);
    if (port === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = servicePort;
    return [{ name, port, protocol, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

/** `zones` gives the zone of a node by its name. */
export function endpointOf(service: Service, pod: Pod, zones: ReadonlyMap<string, string>): Endpoint | undefined {
  const address = ipv4Of(pod);
  if (address === undefined || isFinished(pod)) return undefined;
  const { name, namespace, uid } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const zone = zones.get(nodeName ?? "");
  return {
    addresses: [address],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    targetRef: { kind: "Pod", namespace: namespace!, name, uid },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
  };
}

/** The endpoints of the pods, grouped by the ports that they serve; in stable order. */
export function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  zones: ReadonlyMap<string, string>,
): EndpointGroup[] {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Endpoint[] }>();
  const ordered = [...pods].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const pod of ordered) {
    const endpoint = endpointOf(service, pod, zones);
    if (!endpoint) continue;
    const ports = portsOf(service, pod);
    // Without ports only a headless service has something to say: its names resolve.
    if (ports.length === 0 && !isHeadless(service)) continue;
    const key = portsKey(ports);
    const group = groups.get(key);
    if (group) group.endpoints.push(endpoint);
    else groups.set(key, { ports, endpoints: [endpoint] });
  }
  return [...groups.values()];
}

/** Equal for equal sets of ports. */
export const portsKey = (ports: readonly EndpointPort[] | undefined): string =>
  (ports ?? [])
    .map(({ name = "", port, protocol = "TCP", appProtocol = "" }) => `${name}/${port}/${protocol}/${appProtocol}`)
    .sort()
    .join(",");
