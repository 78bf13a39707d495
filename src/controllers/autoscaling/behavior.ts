// From a proposed size to the one that bounds, stabilization and rate policies allow.
// Follows kubernetes v1.36 pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicasWithBehaviors).
import type { HPAScalingRules } from "../../kinds/generated/autoscaling.v2.ts";
import type { HorizontalPodAutoscaler } from "../../kinds/index.ts";

/** A size at a moment (epoch milliseconds), or a change of size. */
export interface Moment {
  readonly at: number;
  readonly replicas: number;
}

/** What an autoscaler remembers between two looks; newest last. */
export interface Memory {
  readonly proposals: readonly Moment[];
  /** Changes of size: positive when it grew. */
  readonly changes: readonly Moment[];
}

export const emptyMemory: Memory = { proposals: [], changes: [] };

export interface Sized {
  readonly replicas: number;
  /** For the condition AbleToScale. */
  readonly able: { readonly reason: string; readonly message: string };
  /** For the condition ScalingLimited; `limited` is its status. */
  readonly limit: { readonly limited: boolean; readonly reason: string; readonly message: string };
}

const policy = (type: string, value: number, periodSeconds: number) => ({ type, value, periodSeconds });
const usualUp: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  policies: [policy("Pods", 4, 15), policy("Percent", 100, 15)],
};
const usualDown: HPAScalingRules = { policies: [policy("Percent", 100, 15)] };
const usualDownWindowSeconds = 300;
/** Longest window and period that the API allows. */
const rememberedMs = 3_600_000;

const rulesOf = ({ spec }: HorizontalPodAutoscaler) => ({
  up: { ...usualUp, ...spec.behavior?.scaleUp },
  down: { ...usualDown, ...spec.behavior?.scaleDown },
});

/** The memory with one more proposal, without what no rule can look at any more. */
export function remember(memory: Memory, kind: keyof Memory, moment: Moment): Memory {
  const recent = ({ at }: Moment) => at > moment.at - rememberedMs;
  return { ...memory, [kind]: [...memory[kind].filter(recent), moment] };
}

/** The size to go to; `memory` must hold the proposal already. */
export function sizeFor(
  autoscaler: HorizontalPodAutoscaler,
  current: number,
  proposed: number,
  memory: Memory,
  now: number,
): Sized {
  const { up, down } = rulesOf(autoscaler);
  const within =
    (seconds: number) =>
    ({ at }: Moment) =>
      at >= now - seconds * 1000;
  const sizes = (seconds: number) => memory.proposals.filter(within(seconds)).map(({ replicas }) => replicas);
  const highest = Math.max(proposed, ...sizes(down.stabilizationWindowSeconds ?? usualDownWindowSeconds));
  const lowest = Math.min(proposed, ...sizes(up.stabilizationWindowSeconds ?? 0));
  const stable = Math.min(Math.max(current, lowest), highest);
  const able =
    stable === proposed
      ? { reason: "ReadyForNewScale", message: "recommended size matches current size" }
      : stable > proposed
        ? {
            reason: "ScaleDownStabilized",
            message: "recent recommendations were higher than current one, applying the highest recent recommendation",
          }
        : {
            reason: "ScaleUpStabilized",
            message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
          };
  return { able, ...bounded(autoscaler, current, stable, memory, now) };
}

function bounded(
  { spec, ...autoscaler }: HorizontalPodAutoscaler,
  current: number,
  wanted: number,
  memory: Memory,
  now: number,
): Pick<Sized, "replicas" | "limit"> {
  const { up, down } = rulesOf({ spec, ...autoscaler });
  const min = spec.minReplicas ?? 1;
  const max = spec.maxReplicas;
  const limited = (replicas: number, reason: string, message: string) => ({
    replicas,
    limit: { limited: true, reason, message },
  });
  if (wanted > current) {
    const fastest = Math.max(current, growthLimit(current, up, memory.changes, now));
    if (wanted > Math.min(max, fastest)) {
      return fastest < max
        ? limited(fastest, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
        : limited(max, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
    }
  } else if (wanted < current) {
    const fastest = Math.min(current, shrinkLimit(current, down, memory.changes, now));
    if (wanted < Math.max(min, fastest)) {
      return fastest > min
        ? limited(
            fastest,
            "ScaleDownLimit",
            "the desired replica count is decreasing faster than the maximum scale rate",
          )
        : limited(min, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
    }
  }
  const message = "the desired count is within the acceptable range";
  return { replicas: wanted, limit: { limited: false, reason: "DesiredWithinRange", message } };
}

/** By how much the size changed in the period before now. */
const netChange = (changes: readonly Moment[], periodSeconds: number, now: number): number =>
  changes.filter(({ at }) => at > now - periodSeconds * 1000).reduce((sum, { replicas }) => sum + replicas, 0);

function growthLimit(current: number, rules: HPAScalingRules, changes: readonly Moment[], now: number): number {
  if (rules.selectPolicy === "Disabled") return current;
  const limits = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = current - netChange(changes, periodSeconds, now);
    return type === "Pods" ? start + value : Math.ceil(start * (1 + value / 100));
  });
  return rules.selectPolicy === "Min" ? Math.min(...limits) : Math.max(...limits);
}

function shrinkLimit(current: number, rules: HPAScalingRules, changes: readonly Moment[], now: number): number {
  if (rules.selectPolicy === "Disabled") return current;
  const limits = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const start = current - netChange(changes, periodSeconds, now);
    return type === "Pods" ? start - value : Math.trunc(start * (1 - value / 100));
  });
  return rules.selectPolicy === "Min" ? Math.max(...limits) : Math.min(...limits);
}
