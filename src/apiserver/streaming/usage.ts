// metrics.k8s.io/v1beta1: CPU and memory in use now, asked of the nodes when somebody asks. Nothing is stored.
import type { Node, Pod } from "../../kinds/generated/core.v1.ts";
import type { ContainerUsage, NodeUsage } from "../../client/node-connection.ts";
import { formatTime } from "../../machinery/clock.ts";
import { notFound } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { selectionOf } from "../core/selection.ts";
import type { ResourceRow } from "../http/discovery.ts";
import { jsonResponse, type EdgeResponse } from "../http/exchange.ts";
import type { AuthorizedCall } from "../http/router.ts";

const group = "metrics.k8s.io";
const version = "v1beta1";
const row = (kind: string, plural: string, namespaced: boolean): ResourceRow => ({
  group,
  version,
  kind,
  plural,
  singular: "",
  namespaced,
  verbs: ["get", "list"],
  subresources: [],
});

export const usageResources: readonly ResourceRow[] = [
  row("NodeMetrics", "nodes", false),
  row("PodMetrics", "pods", true),
];

/** A node that answers later than this counts as silent. */
const answerMs = 5000;

const quantities = ({
  cpuNanoCores,
  memoryWorkingSetBytes,
}: {
  cpuNanoCores: number;
  memoryWorkingSetBytes: number;
}) => ({
  cpu: `${Math.round(cpuNanoCores)}n`,
  memory: `${Math.round(memoryWorkingSetBytes / 1024)}Ki`,
});

/** `object` is the node or pod that the usage belongs to. */
function metricsOf(kind: string, { metadata }: KubeObject, now: number): Record<string, unknown> {
  const { name, namespace, labels } = metadata;
  return {
    kind,
    apiVersion: `${group}/${version}`,
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      ...(labels ? { labels } : {}),
      creationTimestamp: formatTime(now),
    },
    timestamp: formatTime(now),
    window: "10s",
  };
}

const nodeMetrics = (node: Node, usage: NodeUsage, now: number): object => ({
  ...metricsOf("NodeMetrics", node, now),
  usage: quantities(usage),
});

const podMetrics = (pod: Pod, containers: readonly ContainerUsage[], now: number): object => ({
  ...metricsOf("PodMetrics", pod, now),
  containers: containers.map((usage) => ({ name: usage.container, usage: quantities(usage) })),
});

/** What a node uses; undefined when it is not connected or silent. */
async function usageOf({ services }: AuthorizedCall, nodeName: string): Promise<NodeUsage | undefined> {
  let cancel = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = services.clock.after(answerMs, () => resolve(undefined));
  });
  try {
    return await Promise.race([services.nodes(nodeName)?.usage(), late]);
  } catch (error) {
    services.log.debug({ error, nodeName }, "a node did not tell its usage");
    return undefined;
  } finally {
    cancel();
  }
}

/** The stored objects that the request means: one by name, or those that the selectors match. */
function selected<T extends KubeObject>(call: AuthorizedCall, plural: string): T[] {
  const { services, info, request } = call;
  const kind = services.kinds.byResource("", "v1", plural)!;
  if (info.name) {
    const entry = services.store.get({ collection: `/${plural}`, namespace: info.namespace, name: info.name });
    if (!entry) throw notFound({ group, resource: plural }, info.name);
    return [entry.object as T];
  }
  const text = (key: string) => request.query.get(key) ?? undefined;
  const selection = selectionOf(kind, text("labelSelector"), text("fieldSelector"));
  const { entries } = services.store.list(`/${plural}`, info.namespace || undefined);
  return entries.map(({ object }) => object as T).filter((object) => selection.matches(object));
}

/** One object, or a list of them. Throws NotFound when the one object has no metrics. */
function answer({ info }: AuthorizedCall, kind: string, items: readonly object[]): EdgeResponse {
  if (!info.name) return jsonResponse({ kind: `${kind}List`, apiVersion: `${group}/${version}`, metadata: {}, items });
  if (!items[0]) throw notFound({ group, resource: info.resource }, info.name);
  return jsonResponse(items[0]);
}

export async function nodeUsage(call: AuthorizedCall): Promise<EdgeResponse> {
  const now = call.services.clock.now();
  const metrics = selected<Node>(call, "nodes").map(async (node) => {
    const usage = await usageOf(call, node.metadata.name);
    return usage ? [nodeMetrics(node, usage, now)] : [];
  });
  return answer(call, "NodeMetrics", (await Promise.all(metrics)).flat());
}

export async function podUsage(call: AuthorizedCall): Promise<EdgeResponse> {
  const now = call.services.clock.now();
  const pods = selected<Pod>(call, "pods").filter(({ spec }) => spec?.nodeName);
  const nodeNames = [...new Set(pods.map(({ spec }) => spec!.nodeName!))];
  const usages = await Promise.all(nodeNames.map((name) => usageOf(call, name)));
  const containers = new Map<string, ContainerUsage[]>();
  for (const usage of usages.flatMap((node) => node?.containers ?? [])) {
    const key = `${usage.namespace}/${usage.pod}`;
    containers.set(key, [...(containers.get(key) ?? []), usage]);
  }
  const items = pods.flatMap((pod) => {
    const found = containers.get(`${pod.metadata.namespace}/${pod.metadata.name}`);
    return found ? [podMetrics(pod, found, now)] : [];
  });
  return answer(call, "PodMetrics", items);
}
