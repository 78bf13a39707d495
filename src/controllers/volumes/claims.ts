// Binds claims to volumes, and makes local volumes for claims that ask for them.
// Follows kubernetes v1.36 pkg/controller/volume/persistentvolume/pv_controller.go (syncClaim, bind, provisionClaim).
import { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../kinds/index.ts";
import { keyOf } from "../../machinery/object.ts";
import { compareQuantities } from "../../machinery/quantity.ts";
import { isReady } from "../nodes/health.ts";
import {
  defineController,
  event,
  maps,
  nothing,
  patchStatus,
  type Action,
  type Caches,
  type Controller,
  type Plan,
} from "../framework/controller.ts";
import { bestVolume, isClaimOf, isReservedFor, mismatch } from "./match.ts";
import { localProvisioner, localVolume, provisionedBy, refusal, volumeName } from "./provision.ts";

const bindCompleted = "pv.kubernetes.io/bind-completed";
export const boundByController = "pv.kubernetes.io/bound-by-controller";
const selectedNode = "volume.kubernetes.io/selected-node";
const provisionerAnnotations = [
  "volume.kubernetes.io/storage-provisioner",
  "volume.beta.kubernetes.io/storage-provisioner",
];
const noProvisioner = "kubernetes.io/no-provisioner";

export interface ClaimObserved {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass | undefined;
  /** The class that claims without one get; only of interest to those. */
  readonly defaultClass?: StorageClass | undefined;
  /** The volume that the claim names. */
  readonly named: PersistentVolume | undefined;
  readonly volumes: readonly PersistentVolume[];
  /** The node that the scheduler chose. */
  readonly node: Node | undefined;
  /** Nodes that could hold a new volume, for classes that do not wait for a pod. */
  readonly nodes: readonly Node[];
  readonly storageDir: string;
}

function decideClaim(observed: ClaimObserved): Plan {
  const { claim, named } = observed;
  if (claim.metadata.deletionTimestamp) return nothing;
  const bound = claim.metadata.annotations?.[bindCompleted] !== undefined;
  if (bound && (!named || !isReservedFor(named, claim))) {
    const message = "Bound claim has lost its PersistentVolume. Any data on the volume is lost!";
    return { actions: phase(claim, "Lost", "ClaimLost", message) };
  }
  if (bound) return { actions: [...bind(claim, named!), ...expand(observed, named!)] };
  if (!claim.spec?.volumeName) return { actions: unbound(observed) };
  if (!named || (named.spec?.claimRef && !isReservedFor(named, claim))) return { actions: pending(claim) };
  const problem = named.spec?.claimRef ? undefined : mismatch(named, claim);
  if (!problem) return { actions: bind(claim, named) };
  const message = `Cannot bind to requested volume "${named.metadata.name}": ${problem}`;
  return { actions: [...pending(claim), event(claim, "Warning", "VolumeMismatch", message)] };
}

function unbound(observed: ClaimObserved): Action[] {
  const { claim, storageClass, defaultClass, volumes, node } = observed;
  if (defaultClass) {
    const patch = { spec: { storageClassName: defaultClass.metadata.name } };
    return [{ type: "patch", kind: PersistentVolumeClaim, object: claim, patch }];
  }
  const waits = storageClass?.volumeBindingMode === "WaitForFirstConsumer";
  const reserved = volumes.some((volume) => isClaimOf(volume, claim));
  if (waits && !claim.metadata.annotations?.[selectedNode] && !reserved) {
    const message = "waiting for first consumer to be created before binding";
    return [...pending(claim), event(claim, "Normal", "WaitForFirstConsumer", message)];
  }
  const found = bestVolume(claim, volumes, node);
  if (found) return bind(claim, found);
  if (storageClass?.provisioner === localProvisioner) return provision(observed, storageClass);
  if (storageClass && storageClass.provisioner !== noProvisioner)
    return askProvisioner(claim, storageClass.provisioner);
  return [...pending(claim), nothingFits(claim, storageClass)];
}

function nothingFits(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): Action {
  const wanted = claim.spec?.storageClassName;
  if (!wanted) {
    const message = "no persistent volumes available for this claim and no storage class is set";
    return event(claim, "Normal", "FailedBinding", message);
  }
  if (!storageClass) {
    return event(claim, "Warning", "ProvisioningFailed", `storageclass.storage.k8s.io "${wanted}" not found`);
  }
  return event(claim, "Normal", "FailedBinding", `no persistent volume of the storage class "${wanted}" fits`);
}

/** An external provisioner finds its work by these annotations. */
function askProvisioner(claim: PersistentVolumeClaim, provisioner: string): Action[] {
  const known = claim.metadata.annotations ?? {};
  const message =
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system ` +
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.";
  if (provisionerAnnotations.every((key) => known[key] === provisioner)) return pending(claim);
  const annotations = Object.fromEntries(provisionerAnnotations.map((key) => [key, provisioner]));
  return [
    { type: "patch", kind: PersistentVolumeClaim, object: claim, patch: { metadata: { annotations } } },
    event(claim, "Normal", "ExternalProvisioning", message),
  ];
}

function provision(observed: ClaimObserved, storageClass: StorageClass): Action[] {
  const { claim, node, nodes, storageDir } = observed;
  const why = refusal(claim);
  const target = node ?? (claim.metadata.annotations?.[selectedNode] ? undefined : nodes[0]);
  if (why || !target) {
    const text = `Failed to provision volume with StorageClass "${storageClass.metadata.name}": ${why ?? "no node is ready"}`;
    return [...pending(claim), event(claim, "Warning", "ProvisioningFailed", text)];
  }
  const message = `Successfully provisioned volume ${volumeName(claim)}`;
  return [
    { type: "create", kind: PersistentVolume, object: localVolume(claim, storageClass, target, storageDir) },
    event(claim, "Normal", "ProvisioningSucceeded", message),
  ];
}

const pending = (claim: PersistentVolumeClaim): Action[] => phase(claim, "Pending");

function phase(claim: PersistentVolumeClaim, wanted: string, reason?: string, message?: string): Action[] {
  if (claim.status?.phase === wanted) return [];
  const write = patchStatus(PersistentVolumeClaim, claim, { phase: wanted });
  return reason ? [write, event(claim, "Warning", reason, message!)] : [write];
}

/** What is missing of the bond, in the order that survives an interruption: the volume's side first. */
function bind(claim: PersistentVolumeClaim, volume: PersistentVolume): Action[] {
  const actions: Action[] = [];
  const { name, namespace, uid, resourceVersion } = claim.metadata;
  if (volume.spec?.claimRef?.uid !== uid) {
    const claimRef = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid, resourceVersion };
    const reserved = volume.spec?.claimRef !== undefined;
    const annotations = reserved ? {} : { [boundByController]: "yes" };
    const metadata = { annotations, resourceVersion: volume.metadata.resourceVersion };
    actions.push({ type: "patch", kind: PersistentVolume, object: volume, patch: { metadata, spec: { claimRef } } });
  }
  const annotations = claim.metadata.annotations ?? {};
  if (claim.spec?.volumeName !== volume.metadata.name || annotations[bindCompleted] === undefined) {
    const chosen = claim.spec?.volumeName ? {} : { [boundByController]: "yes" };
    const metadata = { annotations: { ...chosen, [bindCompleted]: "yes" } };
    const patch = { metadata, spec: { volumeName: volume.metadata.name } };
    actions.push({ type: "patch", kind: PersistentVolumeClaim, object: claim, patch });
  }
  if (claim.status?.phase !== "Bound") {
    const status = { phase: "Bound", accessModes: volume.spec?.accessModes, capacity: volume.spec?.capacity };
    actions.push(patchStatus(PersistentVolumeClaim, claim, status));
  }
  return actions;
}

/** Local volumes have no size of their own: growing one is only a matter of writing it down. */
function expand({ claim, storageClass }: ClaimObserved, volume: PersistentVolume): Action[] {
  const request = claim.spec?.resources?.requests?.storage;
  const ours = volume.metadata.annotations?.[provisionedBy] === localProvisioner;
  if (!request || !ours || !storageClass?.allowVolumeExpansion || claim.status?.phase !== "Bound") return [];
  const actions: Action[] = [];
  const capacity = { storage: request };
  if (compareQuantities(volume.spec?.capacity?.storage ?? "0", request) < 0) {
    actions.push({ type: "patch", kind: PersistentVolume, object: volume, patch: { spec: { capacity } } });
  }
  if (compareQuantities(claim.status.capacity?.storage ?? "0", request) < 0) {
    actions.push(patchStatus(PersistentVolumeClaim, claim, { capacity }));
  }
  return actions;
}

/** An empty class means none, an absent one the default; claims made before there was a default get it later. */
const lacksClass = ({ spec, metadata }: PersistentVolumeClaim): boolean =>
  spec?.storageClassName === undefined &&
  metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] === undefined;

const newestDefault = (classes: readonly StorageClass[]): StorageClass | undefined =>
  classes
    .filter(({ metadata }) => metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true")
    .toSorted((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))[0];

type Test = (claim: PersistentVolumeClaim) => boolean;

const unboundClaims = (caches: Caches, isMeant: Test = () => true): string[] =>
  caches
    .of(PersistentVolumeClaim)
    .list()
    .filter((claim) => claim.status?.phase !== "Bound" && isMeant(claim))
    .map(keyOf);

export const persistentVolumeClaims = (storageDir: string): Controller =>
  defineController<ClaimObserved>({
    name: "persistentvolume-controller",
    primary: PersistentVolumeClaim,
    watches: [
      maps(PersistentVolume, ({ metadata, spec, status }, caches) => {
        if (spec?.claimRef) return [`${spec.claimRef.namespace}/${spec.claimRef.name}`];
        // A free volume may be what a claim waits for.
        if (status?.phase !== "Available" && !metadata.deletionTimestamp) return [];
        return unboundClaims(caches);
      }),
      maps(StorageClass, ({ metadata: { name } }, caches) =>
        unboundClaims(caches, ({ spec }) => (spec?.storageClassName ?? name) === name),
      ),
      maps(Node, (_node, caches) => unboundClaims(caches, ({ status }) => status?.phase === "Pending")),
    ],
    observe(key, caches) {
      const claim = caches.of(PersistentVolumeClaim).get(key);
      if (!claim) return undefined;
      const volumes = caches.of(PersistentVolume);
      const { storageClassName, volumeName: name } = claim.spec ?? {};
      const chosen = claim.metadata.annotations?.[selectedNode];
      return {
        claim,
        storageClass: storageClassName ? caches.of(StorageClass).get(storageClassName) : undefined,
        defaultClass: lacksClass(claim) ? newestDefault(caches.of(StorageClass).list()) : undefined,
        named: name ? volumes.get(name) : undefined,
        volumes: name ? [] : volumes.list(),
        node: chosen ? caches.of(Node).get(chosen) : undefined,
        nodes: caches
          .of(Node)
          .list()
          .filter((node) => isReady(node) && !node.spec?.unschedulable),
        storageDir,
      };
    },
    decide: decideClaim,
  });
