// What `kubectl get pods` shows. Follows kubernetes v1.36 pkg/printers/internalversion/printers.go (printPod).
import { parseTime } from "../../../machinery/clock.ts";
import { formatAge } from "../../../machinery/duration.ts";
import type { ContainerState, ContainerStatus, Pod } from "../../generated/core.v1.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../../columns.ts";
import type { Column } from "../../kind.ts";
import { isSidecar } from "./resources.ts";

/** A pod in a few words, as the READY, STATUS and RESTARTS columns show it. */
export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  /** `Running`, `Init:0/2`, `CrashLoopBackOff`, `Terminating`, `Completed` … */
  readonly status: string;
  readonly restarts: number;
  /** When a container last ended before a restart, in epoch milliseconds; undefined when none has. */
  readonly lastRestart: number | undefined;
}

interface Restarts {
  count: number;
  last: number | undefined;
}

function countRestarts(restarts: Restarts, status: ContainerStatus): void {
  restarts.count += status.restartCount;
  const ended = parseTime(status.lastState?.terminated?.finishedAt);
  if (!Number.isNaN(ended) && ended > (restarts.last ?? Number.NEGATIVE_INFINITY)) restarts.last = ended;
}

/** Why a container is not running, in one word; undefined when it is, or when nothing is known. */
function stateWord(state: ContainerState | undefined): string | undefined {
  if (state?.waiting?.reason) return state.waiting.reason;
  const ended = state?.terminated;
  if (!ended) return undefined;
  if (ended.reason) return ended.reason;
  return ended.signal ? `Signal:${ended.signal}` : `ExitCode:${ended.exitCode}`;
}

const hasCondition = (pod: Pod, type: string) =>
  pod.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;

function startingStatus(pod: Pod): {
  word: string | undefined;
  readySidecars: number;
  all: Restarts;
  sidecars: Restarts;
} {
  const specs = pod.spec?.initContainers ?? [];
  const sidecarNames = new Set(specs.filter(isSidecar).map((container) => container.name));
  const all: Restarts = { count: 0, last: undefined };
  const sidecars: Restarts = { count: 0, last: undefined };
  let readySidecars = 0;
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    countRestarts(all, status);
    const sidecar = sidecarNames.has(status.name);
    if (sidecar) countRestarts(sidecars, status);
    if (status.state?.terminated?.exitCode === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) readySidecars++;
      continue;
    }
    const word = status.state?.waiting?.reason === "PodInitializing" ? undefined : stateWord(status.state);
    return { word: `Init:${word ?? `${index}/${specs.length}`}`, readySidecars, all, sidecars };
  }
  return { word: undefined, readySidecars, all, sidecars };
}

/** Works out the columns that look at all containers. */
function summarizePod(pod: Pod): PodSummary {
  const status = pod.status;
  let word = status?.reason || status?.phase || "";
  const gated = status?.conditions?.some(({ type, reason }) => type === "PodScheduled" && reason === "SchedulingGated");
  if (gated) word = "SchedulingGated";
  const starting = startingStatus(pod);
  word = starting.word ?? word;
  let ready = starting.readySidecars;
  let restarts = starting.all;
  if (starting.word === undefined || hasCondition(pod, "Initialized")) {
    restarts = starting.sidecars;
    let running = false;
    for (const container of (status?.containerStatuses ?? []).toReversed()) {
      countRestarts(restarts, container);
      const why = stateWord(container.state);
      if (why !== undefined) word = why;
      else if (container.ready && container.state?.running) {
        running = true;
        ready++;
      }
    }
    if (word === "Completed" && running) word = hasCondition(pod, "Ready") ? "Running" : "NotReady";
  }
  if (pod.metadata.deletionTimestamp) {
    if (status?.reason === "NodeLost") word = "Unknown";
    else if (status?.phase !== "Succeeded" && status?.phase !== "Failed") word = "Terminating";
  }
  const total = (pod.spec?.containers.length ?? 0) + (pod.spec?.initContainers?.filter(isSidecar).length ?? 0);
  return { ready, total, status: word, restarts: restarts.count, lastRestart: restarts.last };
}

/** `3 (5m ago)`. */
function restartsText({ restarts, lastRestart }: PodSummary, now: number): string {
  return restarts === 0 || lastRestart === undefined
    ? String(restarts)
    : `${restarts} (${formatAge(now - lastRestart)} ago)`;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  return `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  column("Ready", (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  column("Status", (pod) => summarizePod(pod).status),
  column("Restarts", (pod, now) => restartsText(summarizePod(pod), now)),
  ageColumn,
  wideColumn("IP", (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || "<none>"),
  wideColumn("Node", (pod) => pod.spec?.nodeName || "<none>"),
  wideColumn("Nominated Node", (pod) => pod.status?.nominatedNodeName || "<none>"),
  wideColumn("Readiness Gates", readinessGates),
];
