// HorizontalPodAutoscalers: every 15 seconds each asks the nodes what its pods use and resizes its target.
import type { Client } from "../../client/client.ts";
import type { ContainerUsage, NodeUsage } from "../../client/node-connection.ts";
import type { Scale } from "../../kinds/kind.ts";
import { HorizontalPodAutoscaler, Pod } from "../../kinds/index.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { StatusError } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { parseSelector, selectorMatches } from "../../machinery/selector.ts";
import { statusUpdate } from "../common/status.ts";
import { defineController, event, type Action, type Controller } from "../framework/controller.ts";
import { emptyMemory, type Memory } from "./behavior.ts";
import { decideSize, statusWith, type Observed } from "./decide.ts";
import type { Usage } from "./metrics.ts";

export interface AutoscalingOptions {
  readonly client: Client;
  readonly kinds: KindRegistry;
  readonly log: Logger;
  /** What runs on a node uses; undefined when the node is not connected. */
  readonly nodeUsage: (nodeName: string) => Promise<NodeUsage> | undefined;
}

const intervalMs = 15_000;

interface Target {
  readonly kind: AnyKind;
  readonly object: KubeObject;
}

interface Look extends Omit<Observed, "scale"> {
  readonly key: string;
  /** Or why it cannot be had. */
  readonly target: (Target & { readonly scale: Scale }) | string;
}

async function targetOf(
  { metadata, spec }: HorizontalPodAutoscaler,
  options: AutoscalingOptions,
): Promise<Look["target"]> {
  const { apiVersion = "v1", kind: name, name: target } = spec.scaleTargetRef;
  const kind = options.kinds.byApiVersion(apiVersion, name);
  const scale = kind?.subresources?.scale;
  if (!kind || !scale) return `no matches for kind "${name}" in group "${apiVersion.split("/")[0]}"`;
  try {
    const object = await options.client.get(kind, target, metadata.namespace);
    return { kind, object, scale: scale.get(object) };
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
}

/** Asks nobody while there is no autoscaler. */
export function horizontalPodAutoscaler(options: AutoscalingOptions): Controller {
  const memories = new Map<string, Memory>();
  return defineController<Look>({
    name: "horizontal-pod-autoscaler",
    primary: HorizontalPodAutoscaler,
    // Its own status is no reason to look again.
    wakes: ({ type, object, old }) => type !== "MODIFIED" || !deepEqual(old?.spec, object.spec),
    watches: [],
    reads: [Pod],
    async observe(key, caches) {
      const autoscaler = caches.of(HorizontalPodAutoscaler).get(key);
      if (!autoscaler) return void memories.delete(key);
      const target = await targetOf(autoscaler, options);
      const memory = memories.get(key) ?? emptyMemory;
      if (typeof target === "string") return { key, autoscaler, target, memory, pods: [], usage: new Map() };
      const selector = parseSelector(target.scale.selector);
      const pods = caches
        .of(Pod)
        .list(autoscaler.metadata.namespace)
        .filter(({ metadata }) => selector.length > 0 && selectorMatches(selector, metadata.labels ?? {}));
      return { key, autoscaler, target, memory, pods, usage: await usageOf(pods, options) };
    },
    decide(look, now) {
      const { key, autoscaler, target } = look;
      if (typeof target === "string")
        return { actions: withoutTarget(autoscaler, target, now), requeueAfterMs: intervalMs };
      const { replicas, status, memory, events } = decideSize({ ...look, scale: target.scale }, now);
      return {
        actions: [
          ...(replicas === undefined ? [] : [resize(target, replicas)]),
          { type: "effect", run: async () => void memories.set(key, memory) },
          ...events.map(({ type, reason, message }) => event(autoscaler, type, reason, message)),
          ...statusUpdate(HorizontalPodAutoscaler, autoscaler, status),
        ],
        requeueAfterMs: intervalMs,
      };
    },
  });
}

function withoutTarget(autoscaler: HorizontalPodAutoscaler, why: string, now: number): Action[] {
  const message = `the HPA controller was unable to get the target's current scale: ${why}`;
  const verdict = { status: "False" as const, reason: "FailedGetScale", message };
  return [
    event(autoscaler, "Warning", "FailedGetScale", why),
    ...statusUpdate(HorizontalPodAutoscaler, autoscaler, statusWith(autoscaler, { AbleToScale: verdict }, {}, now)),
  ];
}

function resize({ kind, object }: Target, replicas: number): Action {
  const draft = structuredClone(object);
  kind.subresources!.scale!.set(draft, replicas);
  return { type: "update", kind, object: draft };
}

/** What the pods use, asked of their nodes; nodes that cannot tell are left out. */
async function usageOf(pods: readonly Pod[], { nodeUsage, log }: AutoscalingOptions): Promise<Usage> {
  const nodeNames = [...new Set(pods.flatMap(({ spec }) => (spec?.nodeName ? [spec.nodeName] : [])))];
  const answers = await Promise.all(
    nodeNames.map(async (nodeName) => {
      try {
        return await nodeUsage(nodeName);
      } catch (error) {
        log.debug({ nodeName, error: String(error) }, "a node did not tell its usage");
        return undefined;
      }
    }),
  );
  const own = new Map(pods.map(({ metadata }) => [metadata.name, metadata.namespace]));
  const byPod = new Map<string, ContainerUsage[]>();
  for (const usage of answers.flatMap((answer) => answer?.containers ?? [])) {
    if (own.get(usage.pod) !== usage.namespace) continue;
    byPod.set(usage.pod, [...(byPod.get(usage.pod) ?? []), usage]);
  }
  return byPod;
}
