// One look of a HorizontalPodAutoscaler at its target: the new size and status.
// Follows kubernetes v1.36 pkg/controller/podautoscaler/horizontal.go (reconcileAutoscaler, computeReplicasForMetrics).
import type { HorizontalPodAutoscalerStatus, MetricStatus } from "../../kinds/generated/autoscaling.v2.ts";
import type { Scale } from "../../kinds/kind.ts";
import type { HorizontalPodAutoscaler, Pod } from "../../kinds/index.ts";
import { formatTime } from "../../machinery/clock.ts";
import { quantityToNumber } from "../../machinery/quantity.ts";
import { withCondition } from "../common/status.ts";
import { remember, sizeFor, type Memory } from "./behavior.ts";
import { propose, type Usage } from "./metrics.ts";

export interface Observed {
  readonly autoscaler: HorizontalPodAutoscaler;
  readonly scale: Scale;
  readonly pods: readonly Pod[];
  readonly usage: Usage;
  readonly memory: Memory;
}

export interface Decision {
  /** Absent when the size stays. */
  readonly replicas?: number;
  readonly status: HorizontalPodAutoscalerStatus;
  readonly memory: Memory;
  readonly events: readonly { type: "Normal" | "Warning"; reason: string; message: string }[];
}

type Verdict = { readonly status: "True" | "False"; readonly reason: string; readonly message: string };
type Verdicts = Partial<Record<"AbleToScale" | "ScalingActive" | "ScalingLimited", Verdict>>;

const usualTolerance = 0.1;

/** The status with these conditions and counts. */
export function statusWith(
  { metadata, status }: HorizontalPodAutoscaler,
  verdicts: Verdicts,
  facts: Partial<HorizontalPodAutoscalerStatus>,
  now: number,
): HorizontalPodAutoscalerStatus {
  let conditions = status?.conditions ?? [];
  for (const [type, verdict] of Object.entries(verdicts)) {
    conditions = withCondition(conditions, { type, ...verdict }, { now, compareMessage: true });
  }
  const { generation } = metadata;
  const known = { desiredReplicas: 0, ...status, ...facts, conditions };
  return generation === undefined ? known : { ...known, observedGeneration: generation };
}

export function decideSize(observed: Observed, now: number): Decision {
  const { autoscaler, scale, memory } = observed;
  const current = scale.specReplicas;
  const { minReplicas = 1, maxReplicas } = autoscaler.spec;
  if (current === 0 && minReplicas !== 0) {
    const message = "scaling is disabled since the replica count of the target is zero";
    const verdicts: Verdicts = { ScalingActive: { status: "False", reason: "ScalingDisabled", message } };
    const facts = { currentReplicas: scale.statusReplicas, desiredReplicas: 0 };
    return { status: statusWith(autoscaler, verdicts, facts, now), memory, events: [] };
  }
  if (current > maxReplicas)
    return resized(observed, maxReplicas, "Current number of replicas above Spec.MaxReplicas", {}, now);
  if (current < minReplicas)
    return resized(observed, minReplicas, "Current number of replicas below Spec.MinReplicas", {}, now);
  return byMetrics(observed, now);
}

function byMetrics(observed: Observed, now: number): Decision {
  const { autoscaler, scale, pods, usage } = observed;
  const current = scale.specReplicas;
  const { metrics = [], behavior } = autoscaler.spec;
  const tolerance = {
    up: quantityToNumber(behavior?.scaleUp?.tolerance ?? usualTolerance),
    down: quantityToNumber(behavior?.scaleDown?.tolerance ?? usualTolerance),
  };
  const input = { pods, usage, currentReplicas: scale.statusReplicas, now, tolerance };
  const proposals = metrics.map((metric) => propose(metric, input));
  const valid = proposals.filter((proposal) => "replicas" in proposal);
  const failed = proposals.find((proposal) => "reason" in proposal);
  const best = valid.reduce<(typeof valid)[number] | undefined>(
    (most, proposal) => (!most || proposal.replicas > most.replicas ? proposal : most),
    undefined,
  );
  const currentMetrics: MetricStatus[] = valid.map(({ status }) => status);
  // A metric that fails might have asked for more: never shrink without it.
  if (!best || (failed && best.replicas < current)) {
    const { reason = "InvalidMetric", message = "no metrics" } = failed ?? {};
    const text = `the HPA was unable to compute the replica count: ${message}`;
    const facts = { currentReplicas: scale.statusReplicas, currentMetrics };
    const verdicts: Verdicts = {
      AbleToScale: succeededGetScale,
      ScalingActive: { status: "False", reason, message: text },
    };
    const events = [
      { type: "Warning" as const, reason, message },
      { type: "Warning" as const, reason: "FailedComputeMetricsReplicas", message: `invalid metrics: ${message}` },
    ];
    return { status: statusWith(autoscaler, verdicts, facts, now), memory: observed.memory, events };
  }
  const memory = remember(observed.memory, "proposals", { at: now, replicas: best.replicas });
  const { replicas, able, limit } = sizeFor(autoscaler, current, best.replicas, memory, now);
  const message = `the HPA was able to successfully calculate a replica count from ${best.metric}`;
  const verdicts: Verdicts = {
    AbleToScale: { status: "True", ...able },
    ScalingActive: { status: "True", reason: "ValidMetricFound", message },
    ScalingLimited: { status: limit.limited ? "True" : "False", reason: limit.reason, message: limit.message },
  };
  const direction = replicas > current ? "above" : "below";
  const why =
    replicas > current || best.replicas < current ? `${best.metric} ${direction} target` : "All metrics below target";
  return resized({ ...observed, memory }, replicas, why, verdicts, now, currentMetrics);
}

const succeededGetScale: Verdict = {
  status: "True",
  reason: "SucceededGetScale",
  message: "the HPA controller was able to get the target's current scale",
};

function resized(
  { autoscaler, scale, memory }: Observed,
  replicas: number,
  why: string,
  verdicts: Verdicts,
  now: number,
  currentMetrics?: MetricStatus[],
): Decision {
  const current = scale.specReplicas;
  const facts = {
    currentReplicas: scale.statusReplicas,
    desiredReplicas: replicas,
    ...(currentMetrics ? { currentMetrics } : {}),
  };
  if (replicas === current) return { status: statusWith(autoscaler, verdicts, facts, now), memory, events: [] };
  const message = `the HPA controller was able to update the target scale to ${replicas}`;
  const able: Verdict = { status: "True", reason: "SucceededRescale", message };
  const rescaled = { ...facts, lastScaleTime: formatTime(now) };
  return {
    replicas,
    status: statusWith(autoscaler, { ...verdicts, AbleToScale: able }, rescaled, now),
    memory: remember(memory, "changes", { at: now, replicas: replicas - current }),
    events: [{ type: "Normal", reason: "SuccessfulRescale", message: `New size: ${replicas}; reason: ${why}` }],
  };
}
