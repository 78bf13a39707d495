// DaemonSet: one pod on every node that fits.
// Follows kubernetes v1.36 pkg/controller/daemon/{daemon_controller,update}.go (podsShouldBeOnNode, rollingUpdate, status).
import type { DaemonSetStatus } from "../../kinds/generated/apps.v1.ts";
import { ControllerRevision, DaemonSet, Node, Pod } from "../../kinds/index.ts";
import { keyOf } from "../../machinery/object.ts";
import { resolveIntOrPercent } from "../common/int-or-percent.ts";
import { claim, controlledBy, ownershipIndexes, ownsSelected, type Claim } from "../common/ownership.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isAvailable, isReady, isTerminating, nextAvailability } from "../common/pods.ts";
import { findRevision, revisionLabel, truncateHistory } from "../common/revisions.ts";
import { statusUpdate } from "../common/status.ts";
import { defineController, event, maps, owns, type Action, type Plan } from "../framework/controller.ts";
import { daemonPod, nodeOf, placement } from "./pods.ts";

export interface DaemonSetObserved {
  readonly set: DaemonSet;
  readonly claim: Claim<Pod>;
  readonly revisions: readonly ControllerRevision[];
  readonly nodes: readonly Node[];
}

/** Creations or deletions in one round. */
const burst = 250;

/** What a node has and should have. */
interface Place {
  readonly node: string;
  readonly run: boolean;
  readonly stay: boolean;
  readonly pods: readonly Pod[];
}

interface View {
  readonly set: DaemonSet;
  readonly hash: string;
  readonly places: readonly Place[];
  readonly now: number;
}

function decideDaemonSet(observed: DaemonSetObserved, now: number): Plan {
  const { set, claim: pods, revisions, nodes } = observed;
  if (pods.changes.length > 0) return { actions: pods.changes };
  const found = findRevision({
    owner: set,
    template: set.spec!.template,
    revisions,
    collisionCount: set.status?.collisionCount,
    countCollision: (collisionCount) => statusUpdate(DaemonSet, set, { ...countsOf(set), collisionCount }),
  });
  if (!found.revision || found.changes.length > 0) return { actions: found.changes };
  const hash = hashOf(found.revision);
  const view: View = { set, hash, places: placesOf(set, nodes, pods.owned), now };
  const steps = isTerminating(set) ? [] : [...manage(view), ...strayPods(pods.owned, nodes)].slice(0, burst);
  const renewing = steps.length > 0 || isTerminating(set) ? [] : renew(view);
  const used = new Set([hash, ...pods.owned.map((pod) => pod.metadata.labels?.[revisionLabel])]);
  const history = truncateHistory(
    revisions,
    (revision) => used.has(hashOf(revision)),
    set.spec?.revisionHistoryLimit ?? 10,
  );
  return {
    actions: [...steps, ...renewing, ...statusUpdate(DaemonSet, set, nextStatus(view)), ...history],
    requeueAfterMs: nextAvailability(pods.owned, set.spec?.minReadySeconds ?? 0, now),
  };
}

const hashOf = ({ metadata }: ControllerRevision): string => metadata.labels?.[revisionLabel] ?? "";
const isNew = ({ hash }: View, pod: Pod): boolean => pod.metadata.labels?.[revisionLabel] === hash;
const isUp = ({ set, now }: View, pod: Pod): boolean => isAvailable(pod, set.spec?.minReadySeconds ?? 0, now);

function countsOf({ status }: DaemonSet): DaemonSetStatus {
  const {
    currentNumberScheduled = 0,
    desiredNumberScheduled = 0,
    numberMisscheduled = 0,
    numberReady = 0,
  } = status ?? {};
  return { ...status, currentNumberScheduled, desiredNumberScheduled, numberMisscheduled, numberReady };
}

function placesOf(set: DaemonSet, nodes: readonly Node[], pods: readonly Pod[]): Place[] {
  const byNode = Map.groupBy(pods, nodeOf);
  return nodes.map((node) => {
    const found = byNode.get(node.metadata.name) ?? [];
    const oldestFirst = found.toSorted(
      (a, b) =>
        Number(!a.spec?.nodeName) - Number(!b.spec?.nodeName) ||
        a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp),
    );
    return { node: node.metadata.name, ...placement(set, node), pods: oldestFirst };
  });
}

/** Pods that wait for a node that is gone will wait for ever. (Those that ran there are the pod collector's.) */
function strayPods(pods: readonly Pod[], nodes: readonly Node[]): Action[] {
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  return pods
    .filter((pod) => !pod.spec?.nodeName && !isTerminating(pod) && !known.has(nodeOf(pod) ?? ""))
    .map((object) => ({ type: "delete", kind: Pod, object }));
}

const remove = ({ set }: View, object: Pod): Action => ({ type: "delete", kind: Pod, object, announce: set });

const create = ({ set, hash }: View, node: string): Action => ({
  type: "create",
  kind: Pod,
  object: daemonPod(set, node, hash),
  announce: set,
});

/** The right number of pods on each node, whatever their revision. */
function manage(view: View): Action[] {
  return view.places.flatMap((place): Action[] => {
    const staying = place.pods.filter((pod) => !isTerminating(pod));
    if (!place.run && !place.stay) return staying.map((pod) => remove(view, pod));
    const finished = staying.filter(isFinished);
    const running = staying.filter((pod) => !isFinished(pod));
    const replaced = finished.flatMap((pod) => [ended(view, pod), remove(view, pod)]);
    if (running.length > 1) return [...replaced, ...surplus(view, running).map((pod) => remove(view, pod))];
    const create1 = place.run && running.length === 0 && finished.length === 0 && !place.pods.some(isTerminating);
    return create1 ? [create(view, place.node)] : replaced;
  });
}

/** With surge an old pod stays beside its successor until that is available; otherwise the oldest pod stays. */
function surplus(view: View, running: readonly Pod[]): readonly Pod[] {
  if (surgeOf(view) === 0) return running.slice(1);
  const [successors, old] = [running.filter((pod) => isNew(view, pod)), running.filter((pod) => !isNew(view, pod))];
  const spare = [...successors.slice(1), ...old.slice(1)];
  const [successor, predecessor] = [successors[0], old[0]];
  const done = successor && predecessor && (isUp(view, successor) || !isReady(predecessor));
  return done ? [...spare, predecessor] : spare;
}

const ended = ({ set }: View, { metadata, spec, status }: Pod): Action => {
  const where = `pod ${metadata.namespace}/${metadata.name} on node ${spec?.nodeName}, will try to delete it`;
  return status?.phase === "Failed"
    ? event(set, "Warning", "FailedDaemonPod", `Found failed daemon ${where}`)
    : event(set, "Normal", "SucceededDaemonPod", `Found succeeded daemon ${where}`);
};

const desired = ({ places }: View): readonly Place[] => places.filter(({ run }) => run);

const surgeOf = (view: View): number =>
  resolveIntOrPercent(view.set.spec?.updateStrategy?.rollingUpdate?.maxSurge, desired(view).length, "up");

/** Replaces pods of old revisions, as many at a time as the strategy allows. */
function renew(view: View): Action[] {
  const { updateStrategy } = view.set.spec!;
  if (updateStrategy?.type === "OnDelete") return [];
  const places = desired(view);
  const surge = surgeOf(view);
  if (surge > 0) return renewBySurge(view, places, surge);
  const wanted = updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  const allowed = Math.max(1, resolveIntOrPercent(wanted, places.length, "up"));
  let unavailable = 0;
  const free: Pod[] = [];
  const candidates: Pod[] = [];
  for (const { pods } of places) {
    const pod = pods.find((candidate) => !isTerminating(candidate));
    if (!pod || !isUp(view, pod)) unavailable++;
    if (pod && !isNew(view, pod)) (isUp(view, pod) ? candidates : free).push(pod);
  }
  const left = Math.max(0, allowed - unavailable);
  return [...free, ...candidates.slice(0, left)].map((pod) => remove(view, pod));
}

function renewBySurge(view: View, places: readonly Place[], surge: number): Action[] {
  let surging = 0;
  const urgent: string[] = [];
  const candidates: string[] = [];
  for (const { node, pods } of places) {
    const staying = pods.filter((pod) => !isTerminating(pod));
    const successor = staying.some((pod) => isNew(view, pod));
    const old = staying.find((pod) => !isNew(view, pod));
    if (!old) continue;
    if (successor) surging++;
    else (isUp(view, old) ? candidates : urgent).push(node);
  }
  return [...urgent, ...candidates.slice(0, Math.max(0, surge - surging))].map((node) => create(view, node));
}

function nextStatus(view: View): DaemonSetStatus {
  const { set, places } = view;
  const ofDesired = desired(view).map(({ pods }) => pods);
  // The oldest pod counts for its node; during a surge, the newer one does as soon as it is available.
  const shown = ofDesired.map((pods) => pods.find((pod) => isNew(view, pod) && isUp(view, pod)) ?? pods[0]);
  const present = shown.filter((pod) => pod !== undefined);
  const available = present.filter((pod) => isUp(view, pod)).length;
  const { collisionCount, conditions } = set.status ?? {};
  return {
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    desiredNumberScheduled: ofDesired.length,
    currentNumberScheduled: present.length,
    numberMisscheduled: places.filter(({ run, pods }) => !run && pods.length > 0).length,
    numberReady: present.filter(isReady).length,
    numberAvailable: available,
    numberUnavailable: ofDesired.length - available,
    updatedNumberScheduled: present.filter((pod) => isNew(view, pod)).length,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions ? { conditions } : {}),
  };
}

export const daemonSet = defineController<DaemonSetObserved>({
  name: "daemonset-controller",
  primary: DaemonSet,
  watches: [
    ...ownsSelected(DaemonSet, Pod, ({ spec }) => spec?.selector),
    owns(ControllerRevision),
    maps(Node, (_node, caches) => caches.of(DaemonSet).list().map(keyOf)),
  ],
  indexes: [...ownershipIndexes(Pod), ...ownershipIndexes(ControllerRevision)],
  observe(key, caches) {
    const set = caches.of(DaemonSet).get(key);
    if (!set?.spec) return undefined;
    return {
      set,
      claim: claim(caches, { owner: set, ownerKind: DaemonSet, kind: Pod, selector: set.spec.selector }),
      revisions: controlledBy(caches, ControllerRevision, set.metadata.uid),
      nodes: caches.of(Node).list(),
    };
  },
  decide: decideDaemonSet,
});
