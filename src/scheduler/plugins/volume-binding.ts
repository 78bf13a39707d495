// Volumes: bound ones must be reachable from the node, unbound ones must be available or provisionable there.
// Follows kubernetes v1.36 pkg/scheduler/framework/plugins/volumebinding (reasons, selected-node, static matching).
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from "../../kinds/generated/core.v1.ts";
import type { StorageClass } from "../../kinds/generated/storage.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { quantityToNumber } from "../../machinery/quantity.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import { selectorMatchesNode } from "../../kinds/core/node-fit.ts";
import { podInfo } from "../pod-info.ts";
import { nodeGained, reject, type Rejection, rejectForGood, Unschedulable, type Plugin } from "../plugin.ts";

/** What is known of volumes; the shell backs it with caches. */
export interface VolumeView {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** Volumes of a class that nobody has, those not counted that a pod on its way was promised. */
  available(storageClass: string): readonly PersistentVolume[];
}

export const selectedNodeAnnotation = "volume.kubernetes.io/selected-node";
const noProvisioner = "kubernetes.io/no-provisioner";

interface State {
  readonly view: VolumeView;
  readonly bound: readonly PersistentVolume[];
  readonly lost: boolean;
  /** Claims that wait for the pod's node to be chosen. */
  readonly waiting: readonly PersistentVolumeClaim[];
}

export interface VolumeChoice {
  /** Existing volumes for claims. */
  readonly matched: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  /** Claims to be provisioned for the node. */
  readonly provisioned: readonly PersistentVolumeClaim[];
}

/** Names of the claims that a pod uses; generic ephemeral volumes have claims named after pod and volume. */
const claimNames = ({ spec, metadata }: Pod): string[] =>
  (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) =>
    persistentVolumeClaim ? [persistentVolumeClaim.claimName] : ephemeral ? [`${metadata.name}-${name}`] : [],
  );

const isEphemeral = ({ spec, metadata }: Pod, claimName: string): boolean =>
  (spec?.volumes ?? []).some(
    ({ ephemeral, name }) => ephemeral !== undefined && `${metadata.name}-${name}` === claimName,
  );

export const isBound = (claim: PersistentVolumeClaim): boolean =>
  Boolean(claim.spec?.volumeName) && claim.metadata.annotations?.["pv.kubernetes.io/bind-completed"] !== undefined;

function prepare(pod: Pod, view: VolumeView): State | undefined {
  const names = claimNames(pod);
  if (names.length === 0) return undefined;
  const bound: PersistentVolume[] = [];
  const waiting: PersistentVolumeClaim[] = [];
  let lost = false;
  for (const name of names) {
    const claim = view.claim(pod.metadata.namespace ?? "", name);
    if (!claim && isEphemeral(pod, name)) {
      throw new Unschedulable(`waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`);
    }
    if (!claim) throw new Unschedulable(`persistentvolumeclaim "${name}" not found`);
    if (claim.metadata.deletionTimestamp) throw new Unschedulable(`persistentvolumeclaim "${name}" is being deleted`);
    if (claim.status?.phase === "Lost") {
      throw new Unschedulable(
        `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
      );
    }
    if (isBound(claim)) {
      const volume = view.volume(claim.spec!.volumeName!);
      if (volume) bound.push(volume);
      else lost = true;
    } else if (waitsForConsumer(claim, view)) waiting.push(claim);
    else throw new Unschedulable("pod has unbound immediate PersistentVolumeClaims");
  }
  return { view, bound, lost, waiting };
}

function waitsForConsumer(claim: PersistentVolumeClaim, view: VolumeView): boolean {
  // A claim that names its volume binds by itself.
  if (claim.spec?.volumeName) return false;
  const storageClass = view.storageClass(claim.spec?.storageClassName ?? "");
  return storageClass?.volumeBindingMode === "WaitForFirstConsumer";
}

const reaches = (volume: PersistentVolume, node: Node): boolean => {
  const required = volume.spec?.nodeAffinity?.required;
  return !required || selectorMatchesNode(required.nodeSelectorTerms ?? [], node);
};

/** Where the waiting claims' storage would come from on a node; undefined when there is none for one of them. */
export function chooseVolumes(
  claims: readonly PersistentVolumeClaim[],
  node: Node,
  view: VolumeView,
): VolumeChoice | undefined {
  const matched: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const provisioned: PersistentVolumeClaim[] = [];
  const taken = new Set<string>();
  for (const claim of [...claims].sort((a, b) => sizeOf(a) - sizeOf(b))) {
    const selected = claim.metadata.annotations?.[selectedNodeAnnotation];
    if (selected !== undefined && selected !== node.metadata.name) return undefined;
    const name = claim.spec?.storageClassName ?? "";
    const volume = selected
      ? undefined
      : bestVolume(
          claim,
          node,
          view.available(name).filter((v) => !taken.has(v.metadata.name)),
        );
    if (volume) {
      taken.add(volume.metadata.name);
      matched.push({ claim, volume });
    } else if (canProvision(view.storageClass(name), node)) provisioned.push(claim);
    else return undefined;
  }
  return { matched, provisioned };
}

const sizeOf = (claim: PersistentVolumeClaim): number =>
  quantityToNumber(claim.spec?.resources?.requests?.storage ?? "0");

/** The smallest volume that a claim may have and a node can reach. */
function bestVolume(
  claim: PersistentVolumeClaim,
  node: Node,
  volumes: readonly PersistentVolume[],
): PersistentVolume | undefined {
  const capacity = (volume: PersistentVolume) => quantityToNumber(volume.spec?.capacity?.storage ?? "0");
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    const { accessModes = [], claimRef, volumeMode = "Filesystem" } = volume.spec ?? {};
    const reserved =
      claimRef && (claimRef.name !== claim.metadata.name || claimRef.namespace !== claim.metadata.namespace);
    const suits =
      !reserved &&
      !volume.metadata.deletionTimestamp &&
      volumeMode === (claim.spec?.volumeMode ?? "Filesystem") &&
      (claim.spec?.accessModes ?? []).every((mode) => accessModes.includes(mode)) &&
      (!claim.spec?.selector || matchesLabels(claim.spec.selector, volume.metadata.labels)) &&
      capacity(volume) >= sizeOf(claim) &&
      reaches(volume, node);
    if (suits && (!best || capacity(volume) < capacity(best))) best = volume;
  }
  return best;
}

function canProvision(storageClass: StorageClass | undefined, { metadata }: Node): boolean {
  if (!storageClass?.provisioner || storageClass.provisioner === noProvisioner) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  const allows = (term: (typeof topologies)[number]) =>
    (term.matchLabelExpressions ?? []).every(({ key, values }) => values.includes(metadata.labels?.[key] ?? ""));
  return topologies.length === 0 || topologies.some(allows);
}

/** Claims of the pod that still wait for its node. */
export const waitingClaims = (pod: Pod, view: VolumeView): readonly PersistentVolumeClaim[] =>
  prepare(pod, view)?.waiting ?? [];

function filterNode(node: Node, { bound, lost, waiting, view }: State): Rejection | undefined {
  if (lost) return rejectForGood("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
  if (!bound.every((volume) => reaches(volume, node))) {
    return rejectForGood("node(s) didn't match PersistentVolume's node affinity");
  }
  if (waiting.length > 0 && !chooseVolumes(waiting, node, view)) {
    return rejectForGood("node(s) didn't find available persistent volumes to bind");
  }
  return undefined;
}

export const volumeBinding = (view: VolumeView): Plugin<State | undefined> => ({
  name: "VolumeBinding",
  prepare: ({ pod }) => prepare(pod, view),
  filter: (_pod, { node }, state) => state && filterNode(node, state),
  wakes: (change) =>
    change.type === "volume" ||
    nodeGained(change, (old, node) => !deepEqual(old.metadata.labels, node.metadata.labels)),
});

/** A volume that one pod may use at a time. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/volumerestrictions. */
export const volumeRestrictions = (view: VolumeView): Plugin<ReadonlySet<string>> => ({
  name: "VolumeRestrictions",
  prepare({ pod }, cluster) {
    const namespace = pod.metadata.namespace ?? "";
    const exclusive = claimNames(pod).filter((name) =>
      view.claim(namespace, name)?.spec?.accessModes?.includes("ReadWriteOncePod"),
    );
    const inUse = new Set<string>();
    if (exclusive.length === 0) return inUse;
    for (const node of cluster.nodes) {
      for (const other of node.pods) {
        if (other.pod.metadata.namespace !== namespace) continue;
        if (claimNames(other.pod).some((name) => exclusive.includes(name))) inUse.add(node.name);
      }
    }
    return inUse;
  },
  filter(_pod, _node, inUse) {
    if (inUse.size === 0) return undefined;
    return reject("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode");
  },
  wakes: (change) => change.type === "pod" && !change.pod && claimNames(podInfo(change.old!).pod).length > 0,
});
