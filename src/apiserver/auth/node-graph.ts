// Which nodes have to do with which objects: an index that follows pods, volumes, attachments and slices in the store.
// Follows kubernetes v1.36 plugin/pkg/auth/authorizer/node (graph.go, graph_populator.go).
import type { PersistentVolume, Pod } from "../../kinds/generated/core.v1.ts";
import { podReferences, podResourceClaims } from "../../kinds/core/pod/references.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Store } from "../../store/store.ts";

/** Kinds of objects as RBAC names them, with the group where it is not the core group. */
export type RelatedResource =
  | "pods"
  | "secrets"
  | "configmaps"
  | "serviceaccounts"
  | "persistentvolumeclaims"
  | "persistentvolumes"
  | "resourceclaims"
  | "resourceslices"
  | "volumeattachments";

export interface NodeGraph {
  /** Whether something on the node (a pod, an attachment …) needs this object. */
  isRelated(resource: RelatedResource, namespace: string, name: string, nodeName: string): boolean;
}

const idOf = (resource: RelatedResource, namespace: string, name: string) => `${resource}/${namespace}/${name}`;
const nodeId = (name: string) => `/${name}`;

/** `from` is needed by `to`: a node, a claim (needs its volume) or a volume (needs its secrets). */
type Edge = readonly [from: string, to: string];

const mirrorAnnotation = "kubernetes.io/config.mirror";

function podEdges(pod: Pod): Edge[] {
  const { metadata, spec } = pod;
  if (!spec?.nodeName) return [];
  const namespace = metadata.namespace!;
  const node = nodeId(spec.nodeName);
  const edges: Edge[] = [[idOf("pods", namespace, metadata.name), node]];
  // Whoever may make mirror pods (the node) must not get at objects by naming them.
  if (metadata.annotations?.[mirrorAnnotation] !== undefined) return edges;
  const needs = (resource: RelatedResource, name: string) => edges.push([idOf(resource, namespace, name), node]);
  if (spec.serviceAccountName) needs("serviceaccounts", spec.serviceAccountName);
  for (const reference of podReferences(pod)) {
    const slash = reference.indexOf("/");
    needs(resourceOfReference[reference.slice(0, slash)]!, reference.slice(slash + 1));
  }
  for (const name of podResourceClaims(pod)) needs("resourceclaims", name);
  return edges;
}

const resourceOfReference: Readonly<Record<string, RelatedResource>> = {
  configMap: "configmaps",
  secret: "secrets",
  claim: "persistentvolumeclaims",
};

function volumeEdges({ metadata, spec }: PersistentVolume): Edge[] {
  const claim = spec?.claimRef;
  if (!claim) return [];
  const volume = idOf("persistentvolumes", "", metadata.name);
  const { azureFile, csi, cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos } = spec;
  const secrets = [
    azureFile && { name: azureFile.secretName, namespace: azureFile.secretNamespace },
    ...[cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos].map((source) => source?.secretRef),
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
  ];
  return [
    [volume, idOf("persistentvolumeclaims", claim.namespace ?? "", claim.name ?? "")],
    ...secrets.flatMap((secret): Edge[] =>
      secret?.name ? [[idOf("secrets", secret.namespace ?? claim.namespace ?? "", secret.name), volume]] : [],
    ),
  ];
}

const onNode = (resource: RelatedResource) => (object: KubeObject) => {
  const { nodeName } = (object as KubeObject & { spec?: { nodeName?: string } }).spec ?? {};
  return nodeName ? [[idOf(resource, "", object.metadata.name), nodeId(nodeName)] as const] : [];
};

/** What each collection contributes. */
const sources: Readonly<Record<string, (object: KubeObject) => readonly Edge[]>> = {
  "/pods": (object) => podEdges(object as unknown as Pod),
  "/persistentvolumes": (object) => volumeEdges(object as unknown as PersistentVolume),
  "storage.k8s.io/volumeattachments": onNode("volumeattachments"),
  "resource.k8s.io/resourceslices": onNode("resourceslices"),
};

/** Reads the store once and follows it from then on. */
export function openNodeGraph(store: Store): NodeGraph {
  /** Object → who needs it → by how many. */
  const needed = new Map<string, Map<string, number>>();
  const count = ([from, to]: Edge, by: 1 | -1) => {
    let users = needed.get(from);
    if (!users) needed.set(from, (users = new Map()));
    const sum = (users.get(to) ?? 0) + by;
    if (sum > 0) users.set(to, sum);
    else users.delete(to);
    if (users.size === 0) needed.delete(from);
  };
  for (const [collection, edgesOf] of Object.entries(sources)) {
    const { entries, revision } = store.list(collection);
    for (const { object } of entries) for (const edge of edgesOf(object)) count(edge, 1);
    store.watch({ collection, after: revision }, (events) => {
      for (const { type, entry, previous } of events) {
        if (previous && type === "MODIFIED" && isUnchanged(previous.object, entry.object)) continue;
        // First the new, so that what stays does not go in between.
        if (type !== "DELETED") for (const edge of edgesOf(entry.object)) count(edge, 1);
        if (previous) for (const edge of edgesOf(previous.object)) count(edge, -1);
      }
    });
  }
  const reaches = (from: string, node: string): boolean => {
    const users = needed.get(from);
    if (!users) return false;
    if (users.has(node)) return true;
    for (const user of users.keys()) if (!user.startsWith("/") && reaches(user, node)) return true;
    return false;
  };
  return {
    isRelated: (resource, namespace, name, nodeName) => reaches(idOf(resource, namespace, name), nodeId(nodeName)),
  };
}

type Shaped = KubeObject & {
  readonly spec?: object;
  readonly status?: { readonly resourceClaimStatuses?: object; readonly extendedResourceClaimStatus?: object };
};

/** Most updates of pods are of their status; the store keeps the rest as the same values. */
function isUnchanged(before: Shaped, now: Shaped): boolean {
  return (
    before.spec === now.spec &&
    before.metadata.annotations === now.metadata.annotations &&
    before.status?.resourceClaimStatuses === now.status?.resourceClaimStatuses &&
    before.status?.extendedResourceClaimStatus === now.status?.extendedResourceClaimStatus
  );
}
