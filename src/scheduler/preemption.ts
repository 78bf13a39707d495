// Which pods of lower priority have to go so that a pod fits. Pure; the shell evicts.
// Follows kubernetes v1.36 pkg/scheduler/framework/preemption and plugins/defaultpreemption (victims, choice, messages).
import type { Pod } from "../kinds/generated/core.v1.ts";
import type { PodDisruptionBudget } from "../kinds/generated/policy.v1.ts";
import { parseTime } from "../machinery/clock.ts";
import { matchesLabels } from "../machinery/selector.ts";
import { type ClusterView, type NodeState, withNode } from "./cluster-state.ts";
import { type Failure, fitsOn } from "./cycle.ts";
import { availability } from "./messages.ts";
import type { PodInfo } from "./pod-info.ts";
import type { AnyPlugin } from "./plugin.ts";

export interface Victims {
  readonly nodeName: string;
  /** Most important first. */
  readonly pods: readonly PodInfo[];
  readonly budgetViolations: number;
}

export type PreemptionPlan =
  | { readonly type: "evict"; readonly victims: Victims }
  /** `message` says why nobody is evicted; while victims of an earlier attempt still leave, its nomination stays. */
  | { readonly type: "none"; readonly message: string; readonly keepsNomination: boolean };

/** Nodes on which victims are looked for at most; the choice among more would hardly get better. */
const mostCandidates = 100;

const startedAt = ({ status, metadata }: Pod): number => parseTime(status?.startTime ?? metadata.creationTimestamp);

/** More important first: by priority, then by time of start. */
const byImportance = (a: PodInfo, b: PodInfo): number => b.priority - a.priority || startedAt(a.pod) - startedAt(b.pod);

export function planPreemption(
  info: PodInfo,
  cluster: ClusterView,
  failure: Failure,
  options: { readonly plugins: readonly AnyPlugin[]; readonly budgets: readonly PodDisruptionBudget[] },
): PreemptionPlan {
  const refused = notEligible(info, cluster);
  if (refused) return { type: "none", message: refused, keepsNomination: true };
  const reasons: string[] = [];
  const candidates: Victims[] = [];
  for (const node of cluster.nodes) {
    const rejection = failure.rejections.get(node.name);
    if (failure.everywhere !== undefined || !rejection || rejection.unresolvable) {
      reasons.push("Preemption is not helpful for scheduling");
      continue;
    }
    if (candidates.length >= mostCandidates) break;
    const victims = victimsOn(info, node, cluster, options);
    if (Array.isArray(victims)) reasons.push(...victims);
    else candidates.push(victims);
  }
  const [chosen] = candidates.sort(byHarm);
  if (chosen) return { type: "evict", victims: chosen };
  return { type: "none", message: availability(failure.nodeCount, reasons), keepsNomination: false };
}

function notEligible({ pod, priority }: PodInfo, cluster: ClusterView): string | undefined {
  if (pod.spec?.preemptionPolicy === "Never") return "not eligible due to preemptionPolicy=Never.";
  const nominated = pod.status?.nominatedNodeName ? cluster.node(pod.status.nominatedNodeName) : undefined;
  for (const other of nominated?.pods ?? []) {
    const leaving = other.pod.metadata.deletionTimestamp !== undefined && other.priority < priority;
    if (leaving && wasPreempted(other.pod)) return "not eligible due to a terminating pod on the nominated node.";
  }
  return undefined;
}

const wasPreempted = ({ status }: Pod): boolean =>
  (status?.conditions ?? []).some((c) => c.type === "DisruptionTarget" && c.reason === "PreemptionByScheduler");

/** The fewest pods whose leaving makes the pod fit on a node, or the reasons why none would. */
function victimsOn(
  info: PodInfo,
  node: NodeState,
  cluster: ClusterView,
  { plugins, budgets }: { readonly plugins: readonly AnyPlugin[]; readonly budgets: readonly PodDisruptionBudget[] },
): Victims | string[] {
  const lower = [...node.pods].filter(({ priority }) => priority < info.priority).sort(byImportance);
  if (lower.length === 0) return ["No preemption victims found for incoming pod"];
  const trial = node.copy();
  const fits = () => fitsOn(info, trial, withNode(cluster, trial), plugins);
  for (const { pod } of lower) trial.remove(pod.metadata.uid);
  const rejection = fits();
  if (rejection) return [...rejection.reasons];
  const { violating, others } = splitByBudgets(lower, budgets);
  // Whoever can stay is put back, those protected by a budget first, the most important first.
  const staysOut = (candidate: PodInfo): boolean => {
    trial.add(candidate);
    if (!fits()) return false;
    trial.remove(candidate.pod.metadata.uid);
    return true;
  };
  const violated = violating.filter(staysOut);
  const pods = [...violated, ...others.filter(staysOut)].sort(byImportance);
  return { nodeName: node.name, pods, budgetViolations: violated.length };
}

/** Pods whose eviction a PodDisruptionBudget does not allow, counted down in order, and the others. */
function splitByBudgets(
  pods: readonly PodInfo[],
  budgets: readonly PodDisruptionBudget[],
): { violating: PodInfo[]; others: PodInfo[] } {
  const allowed = new Map(budgets.map((budget) => [budget, budget.status?.disruptionsAllowed ?? 0]));
  const violating: PodInfo[] = [];
  const others: PodInfo[] = [];
  for (const info of pods) {
    const { namespace, labels, name } = info.pod.metadata;
    let violates = false;
    for (const budget of budgets) {
      if (budget.metadata.namespace !== namespace || !labels || !matchesLabels(budget.spec?.selector, labels)) continue;
      if (budget.status?.disruptedPods?.[name] !== undefined) continue;
      const left = allowed.get(budget)! - 1;
      allowed.set(budget, left);
      if (left < 0) violates = true;
    }
    (violates ? violating : others).push(info);
  }
  return { violating, others };
}

/** The least harm first. */
function byHarm(a: Victims, b: Victims): number {
  const highest = ({ pods }: Victims) => pods[0]?.priority ?? Number.NEGATIVE_INFINITY;
  // Priorities may be negative: shifted, so that more victims never weigh less.
  const weight = ({ pods }: Victims) => pods.reduce((sum, { priority }) => sum + priority + 2 ** 31, 0);
  const youngest = ({ pods }: Victims) =>
    Math.min(...pods.filter(({ priority }) => priority === pods[0]!.priority).map(({ pod }) => startedAt(pod)));
  return (
    a.budgetViolations - b.budgetViolations ||
    highest(a) - highest(b) ||
    weight(a) - weight(b) ||
    a.pods.length - b.pods.length ||
    youngest(b) - youngest(a)
  );
}
