// POST pods/eviction: a deletion that PodDisruptionBudgets may refuse.
// Follows kubernetes v1.36 pkg/registry/core/pod/storage/eviction.go.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import type { Eviction, PodDisruptionBudget } from "../../kinds/generated/policy.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import { badRequest, forbidden, internalError, StatusError, tooManyRequests } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import type { Entry, Write } from "../../store/store.ts";
import { attempt, resourceOf } from "../core/core.ts";
import type { Core } from "../core/core.ts";
import { latestEntry } from "../core/create.ts";
import { removeAuthorized } from "../core/delete.ts";
import type { DeleteParameters } from "../types.ts";
import { admitted } from "./admitted.ts";
import { success } from "./answers.ts";
import type { SpecialHandler } from "./index.ts";

const budgets = "policy/poddisruptionbudgets";
const maxDisruptedPods = 2000;
const retrySeconds = 10;

const evictionType = { group: "policy", version: "v1", kind: "Eviction", schema: "policy.v1.Eviction" } as const;

export const evict: SpecialHandler = async (core, request) => {
  const { context, kind, target, parameters } = request;
  const asked = (request.body ?? {}) as Eviction;
  const name = asked.metadata?.name;
  if (name && name !== target.name) throw badRequest("name in URL does not match name in Eviction object");
  const body = { operation: "CREATE", object: asked, type: evictionType } as const;
  const eviction = (await admitted(core, request, body)) as Eviction;
  const options = deleteParameters(eviction, parameters.dryRun ?? false);
  const pod = latestEntry(core, kind, target.namespace, target.name).object as Pod;
  if (!needsNoBudget(pod)) {
    await attempt(core, kind, target.name, true, async () => {
      const budget = budgetOf(core, pod);
      if (
        !budget ||
        ((budget.object as PodDisruptionBudget).spec?.unhealthyPodEvictionPolicy === "AlwaysAllow" && !isReady(pod))
      )
        return;
      const next = spend(budget, pod, formatTime(core.clock.now()));
      if (next && !options.dryRun) await core.store.write([next]);
    });
  }
  await removeAuthorized(core, context, kind, target, options, true);
  return success(resourceOf(kind), target.name);
};

function deleteParameters({ deleteOptions }: Eviction, dryRun: boolean): DeleteParameters {
  const preconditions = deleteOptions?.preconditions;
  return {
    dryRun: dryRun || (deleteOptions?.dryRun?.includes("All") ?? false),
    ...(deleteOptions?.gracePeriodSeconds === undefined
      ? {}
      : { gracePeriodSeconds: deleteOptions.gracePeriodSeconds }),
    ...(preconditions ? { preconditions } : {}),
  };
}

/** Pods that run nothing that counts, or go already. */
function needsNoBudget({ metadata, status }: Pod): boolean {
  const phase = status?.phase;
  return Boolean(metadata?.deletionTimestamp) || phase === "Succeeded" || phase === "Failed" || phase === "Pending";
}

const isReady = ({ status }: Pod) =>
  status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;

function budgetOf(core: Core, pod: Pod): Entry | undefined {
  const found = core.store
    .list(budgets, pod.metadata!.namespace)
    .entries.filter((entry) =>
      matchesLabels((entry.object as PodDisruptionBudget).spec?.selector, pod.metadata!.labels),
    );
  if (found.length > 1) {
    throw internalError(
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  }
  // Based on the newest version: two evictions at once must not both spend the last disruption.
  return found[0] && core.store.latest(found[0].key);
}

/** The budget after this eviction; undefined when the pod does not count. Throws TooManyRequests. */
function spend(entry: Entry, pod: Pod, now: string): Write | undefined {
  const budget = entry.object as PodDisruptionBudget;
  const { spec, status, metadata } = budget;
  const healthyEnough =
    (status?.currentHealthy ?? 0) >= (status?.desiredHealthy ?? 0) && (status?.desiredHealthy ?? 0) > 0;
  if (!isReady(pod) && spec?.unhealthyPodEvictionPolicy !== "AlwaysAllow" && healthyEnough) return undefined;
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
    throw refused(metadata!.name!, retrySeconds, "The disruption budget is still being processed by the server.");
  }
  const allowed = status?.disruptionsAllowed ?? 0;
  if (allowed < 0)
    throw forbidden(
      { group: "policy", resource: "poddisruptionbudgets" },
      metadata!.name!,
      "pdb disruptions allowed is negative",
    );
  if (Object.keys(status?.disruptedPods ?? {}).length > maxDisruptedPods) {
    throw forbidden(
      { group: "policy", resource: "poddisruptionbudgets" },
      metadata!.name!,
      "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
    );
  }
  if (allowed === 0) {
    const text = `The disruption budget ${metadata!.name} needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`;
    throw refused(metadata!.name!, 0, text);
  }
  const next = {
    ...budget,
    status: {
      ...status!,
      disruptionsAllowed: allowed - 1,
      disruptedPods: { ...status?.disruptedPods, [pod.metadata!.name!]: now },
    },
  };
  return { type: "update", key: entry.key, expectedRevision: entry.revision, object: next as KubeObject };
}

function refused(name: string, seconds: number, message: string): StatusError {
  const text = `Cannot evict pod as it would violate the pod's disruption budget.`;
  const { status } = tooManyRequests(text, seconds);
  const details = {
    ...(seconds ? { retryAfterSeconds: seconds } : {}),
    causes: [{ reason: "DisruptionBudget", message }],
  };
  return new StatusError({ ...status, details: { ...details, name } });
}
