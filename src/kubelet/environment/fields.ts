// The downward API: values of a pod's own fields and resources. Follows kubernetes v1.36 pkg/fieldpath and
// pkg/api/v1/resource/helpers.go (ExtractContainerResourceValue).
import type { Pod, ResourceFieldSelector } from "../../kinds/generated/core.v1.ts";
import { parseQuantity } from "../../machinery/quantity.ts";
import { allContainers, type AnyContainer, specOf } from "../pod/model.ts";

/** Addresses that are known to the kubelet before they are in the pod's status. */
export interface PodAddresses {
  readonly podIPs: readonly string[];
  readonly hostIP: string;
}

/** What limits default to where a container has none. */
export type Allocatable = Readonly<Record<string, string>>;

/** The value of a field path as text; undefined for a path that the downward API does not have. */
export function fieldValue(pod: Pod, path: string, { podIPs, hostIP }: PodAddresses): string | undefined {
  const { metadata } = pod;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (entry) return metadata[entry[1] as "labels" | "annotations"]?.[entry[2]!] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid;
    case "metadata.labels":
      return formatMap(metadata.labels);
    case "metadata.annotations":
      return formatMap(metadata.annotations);
    case "spec.nodeName":
      return specOf(pod).nodeName ?? "";
    case "spec.serviceAccountName":
      return specOf(pod).serviceAccountName ?? "";
    case "status.hostIP":
    case "status.hostIPs":
      return hostIP;
    case "status.podIP":
      return podIPs[0] ?? "";
    case "status.podIPs":
      return podIPs.join(",");
    default:
      return undefined;
  }
}

const formatMap = (map: Readonly<Record<string, string>> = {}): string =>
  Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join("\n");

/** Throws an Error with a message for the user when the reference does not fit. */
export function resourceValue(
  pod: Pod,
  own: AnyContainer | undefined,
  selector: ResourceFieldSelector,
  allocatable: Allocatable,
): string {
  const name = selector.containerName;
  const container = name ? [...allContainers(specOf(pod))].find((candidate) => candidate.name === name) : own;
  if (!container) throw new Error(`container ${name ?? ""} not found`);
  const [list, ...rest] = selector.resource.split(".");
  const resource = rest.join(".");
  if (list !== "limits" && list !== "requests") throw new Error(`unsupported container resource: ${selector.resource}`);
  const given = container.resources?.[list]?.[resource];
  const fallback = list === "limits" || resource !== "cpu" ? container.resources?.limits?.[resource] : undefined;
  const text = given ?? (list === "limits" ? allocatable[resource] : (fallback ?? "0")) ?? "0";
  return divided(text, selector.divisor && selector.divisor !== "0" ? selector.divisor : "1");
}

/** How many times `divisor` is in `quantity`, rounded up. */
function divided(quantity: string, divisor: string): string {
  const value = parseQuantity(quantity).nanos;
  const by = parseQuantity(divisor).nanos;
  return String((value + by - 1n) / by);
}
