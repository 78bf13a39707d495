// The shell of the HorizontalPodAutoscalers: every 15 seconds each asks the nodes what its pods use and resizes its target.
import { createEventRecorder } from "../../client/events.ts";
import type { ContainerUsage, NodeUsage } from "../../client/node-connection.ts";
import { WorkQueue } from "../../client/work-queue.ts";
import { HorizontalPodAutoscaler, Pod } from "../../kinds/index.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { deepEqual, semanticEqual } from "../../machinery/equal.ts";
import { StatusError } from "../../machinery/errors.ts";
import { keyOf, type KubeObject } from "../../machinery/object.ts";
import { parseSelector, selectorMatches } from "../../machinery/selector.ts";
import type { Environment } from "../framework/run.ts";
import { emptyMemory, type Memory } from "./behavior.ts";
import { decideSize, statusWith, type Decision } from "./decide.ts";
import type { Usage } from "./metrics.ts";

export interface AutoscalingOptions extends Environment {
  readonly kinds: KindRegistry;
  /** What runs on a node uses; undefined when the node is not connected. */
  readonly nodeUsage: (nodeName: string) => Promise<NodeUsage> | undefined;
}

const intervalMs = 15_000;

interface Target {
  readonly kind: AnyKind;
  readonly object: KubeObject;
}

/** Runs until the signal aborts; does nothing while there is no autoscaler. */
export async function runAutoscaling(options: AutoscalingOptions): Promise<WorkQueue> {
  const { client, clock, log, signal, kinds } = options;
  const autoscalers = client.cache(HorizontalPodAutoscaler);
  const pods = client.cache(Pod);
  const events = createEventRecorder(client, "horizontal-pod-autoscaler", clock);
  const memories = new Map<string, Memory>();

  async function targetOf({ metadata, spec }: HorizontalPodAutoscaler): Promise<Target | string> {
    const { apiVersion = "v1", kind: name, name: target } = spec.scaleTargetRef;
    const kind = kinds.byApiVersion(apiVersion, name);
    if (!kind?.subresources?.scale) return `no matches for kind "${name}" in group "${apiVersion.split("/")[0]}"`;
    try {
      return { kind, object: await client.get(kind, target, metadata.namespace) };
    } catch (error) {
      if (error instanceof StatusError) return error.message;
      throw error;
    }
  }

  async function look(key: string): Promise<number | undefined> {
    const autoscaler = autoscalers.get(key);
    if (!autoscaler) return void memories.delete(key);
    const target = await targetOf(autoscaler);
    if (typeof target === "string") {
      const message = `the HPA controller was unable to get the target's current scale: ${target}`;
      events.event(autoscaler, "Warning", "FailedGetScale", target);
      const verdict = { status: "False" as const, reason: "FailedGetScale", message };
      await writeStatus(autoscaler, statusWith(autoscaler, { AbleToScale: verdict }, {}, clock.now()));
      return intervalMs;
    }
    const scale = target.kind.subresources!.scale!.get(target.object);
    const selector = parseSelector(scale.selector);
    const own = pods
      .list(autoscaler.metadata.namespace)
      .filter(({ metadata }) => selector.length > 0 && selectorMatches(selector, metadata.labels ?? {}));
    const usage = await usageOf(own, options);
    const memory = memories.get(key) ?? emptyMemory;
    await act(key, autoscaler, target, decideSize({ autoscaler, scale, pods: own, usage, memory }, clock.now()));
    return intervalMs;
  }

  async function act(
    key: string,
    autoscaler: HorizontalPodAutoscaler,
    { kind, object }: Target,
    { replicas, status, memory, events: told }: Decision,
  ): Promise<void> {
    if (replicas !== undefined) {
      const draft = structuredClone(object);
      kind.subresources!.scale!.set(draft, replicas);
      await client.update(kind, draft);
    }
    memories.set(key, memory);
    for (const { type, reason, message } of told) events.event(autoscaler, type, reason, message);
    await writeStatus(autoscaler, status);
  }

  async function writeStatus(
    autoscaler: HorizontalPodAutoscaler,
    status: HorizontalPodAutoscaler["status"],
  ): Promise<void> {
    if (!status || semanticEqual(autoscaler.status, status)) return;
    await client.updateStatus(HorizontalPodAutoscaler, { ...autoscaler, status });
  }

  const queue = new WorkQueue({
    clock,
    log: log.child({ controller: "horizontal-pod-autoscaler" }),
    signal,
    work: look,
  });
  await Promise.all([autoscalers.synced, pods.synced]);
  const stop = autoscalers.onChange(({ type, object, old }) => {
    // Its own status is no reason to look again.
    if (type !== "MODIFIED" || !deepEqual(old?.spec, object.spec)) queue.add(keyOf(object));
  });
  signal.addEventListener("abort", stop, { once: true });
  return queue;
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
