// What a node writes is about itself and its pods. Follows kubernetes v1.36 plugin/pkg/admission/noderestriction.
import type { Lease } from "../../kinds/generated/coordination.v1.ts";
import type { TokenRequest } from "../../kinds/generated/authentication.v1.ts";
import type { CertificateSigningRequest } from "../../kinds/generated/certificates.v1.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from "../../kinds/generated/core.v1.ts";
import type { ResourceSlice } from "../../kinds/generated/resource.v1.ts";
import type { CSIDriver } from "../../kinds/generated/storage.v1.ts";
import { podReferences } from "../../kinds/core/pod/references.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbidden, notFound } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { readCertificateRequest } from "../auth/certificate-request.ts";
import { nodeNameOf } from "../auth/node-authorizer.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

const mirrorAnnotation = "kubernetes.io/config.mirror";
const leaseNamespace = "kube-node-lease";

interface Question {
  readonly request: AdmissionRequest;
  readonly world: AdmissionWorld;
  readonly nodeName: string;
}

/** The complaint; undefined when the node may. Throws NotFound when what it depends on is not there. */
type Check = (question: Question) => string | undefined | Promise<string | undefined>;

const quoted = (text: string) => JSON.stringify(text);

export const nodeRestriction: AdmissionPlugin = {
  name: "NodeRestriction",
  operations: ["CREATE", "UPDATE", "DELETE"],
  resources: [
    "/pods",
    "/nodes",
    "/persistentvolumeclaims",
    "/serviceaccounts",
    "coordination.k8s.io/leases",
    "storage.k8s.io/csinodes",
    "resource.k8s.io/resourceslices",
    "certificates.k8s.io/certificatesigningrequests",
  ],
  subresources: ["status", "eviction", "token"],
  validate(request, world) {
    if (request.trusted) return undefined;
    const nodeName = nodeNameOf(request.user);
    if (nodeName === undefined) return undefined;
    const refuse = (why: string | undefined) => {
      const { kind, name } = request;
      if (why !== undefined) throw forbidden({ group: kind.group, resource: kind.plural }, name, why);
    };
    if (nodeName === "") return refuse(`could not determine node from user ${quoted(request.user.name)}`);
    const complaint = checks[request.resource]!({ request, world, nodeName });
    return complaint instanceof Promise ? complaint.then(refuse) : refuse(complaint);
  },
};

const storedPod = ({ request, world }: Question, name: string): Pod => {
  const found = world.store.latest({ collection: "/pods", namespace: request.namespace, name });
  if (!found) throw notFound({ group: "", resource: "pods" }, name);
  return found.object as unknown as Pod;
};

const checkPod: Check = (question) => {
  const { request, nodeName } = question;
  const { operation, subresource } = request;
  const node = quoted(nodeName);
  if (subresource === "status") return checkPodStatus(question);
  if (subresource === "eviction") {
    if (storedPod(question, request.name).spec?.nodeName === nodeName) return undefined;
    return `node ${nodeName} can only evict pods with spec.nodeName set to itself`;
  }
  if (operation === "CREATE") return checkNewPod(question);
  if (operation !== "DELETE") {
    return `unexpected operation ${quoted(operation)}, node ${node} can only create and delete mirror pods`;
  }
  if ((request.object as unknown as Pod).spec?.nodeName === nodeName) return undefined;
  return `node ${node} can only delete pods with spec.nodeName set to itself`;
};

/** Mirror pods name nothing but their node: otherwise the node could give itself access by naming things. */
const checkNewPod: Check = ({ request, world, nodeName }) => {
  const pod = request.object as unknown as Pod;
  const node = quoted(nodeName);
  if (pod.metadata.annotations?.[mirrorAnnotation] === undefined) {
    return `pod does not have ${quoted(mirrorAnnotation)} annotation, node ${node} can only create mirror pods`;
  }
  if (pod.spec?.nodeName !== nodeName) return `node ${node} can only create pods with spec.nodeName set to itself`;
  const [owner, ...others] = pod.metadata.ownerReferences ?? [];
  if (others.length > 0) return `node ${node} can only create pods with a single owner reference set to itself`;
  if (!owner || owner.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== nodeName) {
    return `node ${node} can only create pods with an owner reference set to itself`;
  }
  if (!owner.controller) return `node ${node} can only create pods with a controller owner reference set to itself`;
  if (owner.blockOwnerDeletion) return `node ${node} must not set blockOwnerDeletion on an owner reference`;
  const own = world.store.latest({ collection: "/nodes", namespace: "", name: nodeName })?.object.metadata;
  if (!own) throw notFound({ group: "", resource: "nodes" }, nodeName);
  if (owner.uid !== own.uid) return `node ${nodeName} UID mismatch: expected ${owner.uid} got ${own.uid}`;
  const cannot = (what: string) => `node ${node} can not create pods that reference ${what}`;
  if (pod.spec.serviceAccountName) return cannot("a service account");
  const named = [...podReferences(pod)].map((reference) => reference.slice(0, reference.indexOf("/")));
  if (named.includes("secret")) return cannot("secrets");
  if (named.includes("configMap")) return cannot("configmaps");
  if (named.includes("claim")) return cannot("persistentvolumeclaims");
  if (pod.spec.resourceClaims?.length) return cannot("resourceclaims");
  const sources = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (sources.some(({ serviceAccountToken }) => serviceAccountToken)) return cannot("a service account");
  return sources.some(({ clusterTrustBundle }) => clusterTrustBundle) ? cannot("clustertrustbundles") : undefined;
};

const checkPodStatus: Check = ({ request, nodeName }) => {
  const [next, old] = [request.object as unknown as Pod, request.old as unknown as Pod];
  const node = quoted(nodeName);
  if (old.spec?.nodeName !== nodeName) {
    return `node ${node} can only update pod status for pods with spec.nodeName set to itself`;
  }
  if (!deepEqual(old.metadata.labels ?? {}, next.metadata.labels ?? {})) {
    return `node ${node} cannot update labels through pod status`;
  }
  const claims = ({ status }: Pod) => [status?.resourceClaimStatuses ?? [], status?.extendedResourceClaimStatus];
  return deepEqual(claims(old), claims(next)) ? undefined : `node ${node} cannot update resource claim statuses`;
};

const checkNode: Check = ({ request, nodeName }) => {
  const { operation, name } = request;
  const node = quoted(nodeName);
  if (name !== nodeName) return `node ${node} is not allowed to modify node ${quoted(name)}`;
  if (operation === "DELETE") return undefined;
  const [next, old] = [request.object as unknown as Node, request.old as unknown as Node | undefined];
  if (old && !deepEqual(next.metadata.ownerReferences ?? [], old.metadata.ownerReferences ?? [])) {
    return `node ${node} is not allowed to modify ownerReferences`;
  }
  if (old && !deepEqual(next.spec?.taints ?? [], old.spec?.taints ?? [])) {
    return `node ${node} is not allowed to modify taints`;
  }
  const labels = forbiddenLabels(next.metadata.labels ?? {}, old?.metadata.labels ?? {});
  if (labels.length === 0) return undefined;
  const verb = old ? "modify labels" : "set the following labels";
  return `node ${node} is not allowed to ${verb}: ${labels.join(", ")}`;
};

const ownLabels = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
]);

const within = (prefix: string, ...domains: string[]) =>
  domains.some((domain) => prefix === domain || prefix.endsWith(`.${domain}`));

function isForbidden(label: string): boolean {
  const slash = label.indexOf("/");
  const prefix = slash < 0 ? "" : label.slice(0, slash);
  if (within(prefix, "node-restriction.kubernetes.io")) return true;
  if (!within(prefix, "kubernetes.io", "k8s.io")) return false;
  return !ownLabels.has(label) && !within(prefix, "kubelet.kubernetes.io", "node.kubernetes.io");
}

/** Those among the labels that differ which a node may not set. */
function forbiddenLabels(next: Record<string, string>, old: Record<string, string>): string[] {
  const changed = [...new Set([...Object.keys(next), ...Object.keys(old)])].filter((key) => next[key] !== old[key]);
  return changed.filter(isForbidden).toSorted();
}

const checkClaim: Check = ({ request, nodeName }) => {
  if (request.subresource !== "status") return "may only update PVC status";
  // Of the status these belong to the node, which resizes file systems.
  const rest = (object: KubeObject | undefined) => {
    const { metadata, status, ...fields } = object as unknown as PersistentVolumeClaim;
    const { managedFields: _managers, ...others } = metadata;
    const {
      capacity: _c,
      conditions: _d,
      allocatedResources: _a,
      allocatedResourceStatuses: _s,
      ...kept
    } = status ?? {};
    return { ...fields, metadata: others, status: kept };
  };
  if (deepEqual(rest(request.object), rest(request.old))) return undefined;
  return `node ${quoted(nodeName)} is not allowed to update fields other than status.quantity and status.conditions`;
};

/** The name in the object counts, as a create has none in its path. */
const ownName =
  (what: string): Check =>
  ({ request, nodeName }) =>
    (request.name || request.object.metadata.name) === nodeName
      ? undefined
      : `can only access ${what} with the same name as the requesting node`;

const checkLease: Check = (question) =>
  (question.request.object as unknown as Lease).metadata.namespace === leaseNamespace
    ? ownName("node lease")(question)
    : `can only access leases in the ${quoted(leaseNamespace)} system namespace`;

const checkSlice: Check = ({ request, nodeName }) => {
  if (request.operation !== "CREATE") return undefined;
  return (request.object as unknown as ResourceSlice).spec.nodeName === nodeName
    ? undefined
    : "can only create ResourceSlice with the same NodeName as the requesting node";
};

/** A token is for a pod that runs here, and for an audience that the pod wants. */
const checkToken: Check = (question) => {
  const { request, nodeName } = question;
  if (request.operation !== "CREATE" || request.subresource !== "token") return undefined;
  const { spec } = request.object as unknown as TokenRequest;
  const ref = spec?.boundObjectRef;
  if (!ref || ref.apiVersion !== "v1" || ref.kind !== "Pod" || !ref.name)
    return "node requested token not bound to a pod";
  if (!ref.uid) return "node requested token with a pod binding without a uid";
  const pod = storedPod(question, ref.name);
  const { uid } = pod.metadata;
  if (ref.uid !== uid) {
    return `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
  }
  if (pod.spec?.nodeName !== nodeName) return "node requested token bound to a pod scheduled on a different node";
  return checkAudience(question, pod, spec.audiences ?? []);
};

function checkAudience({ request, world }: Question, pod: Pod, [audience = "", ...others]: readonly string[]) {
  if (others.length > 0) return "node may only request 0 or 1 audiences";
  const wanted = (pod.spec?.volumes ?? []).flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) =>
      serviceAccountToken ? [serviceAccountToken.audience ?? ""] : [],
    ),
  );
  if (audience === "" || wanted.includes(audience) || driverAudiences(world, pod).includes(audience)) return undefined;
  const { allowed } = world.authorizer.authorize({
    user: request.user,
    verb: "request-serviceaccounts-token-audience",
    group: "",
    version: "*",
    resource: audience,
    subresource: "",
    namespace: request.namespace,
    name: request.name,
  });
  return allowed ? undefined : `audience ${quoted(audience)} not found in pod spec volume`;
}

/** Audiences that the CSI drivers of the pod's volumes ask tokens for. */
function driverAudiences({ store }: AdmissionWorld, pod: Pod): string[] {
  const namespace = pod.metadata.namespace!;
  const get = (collection: string, place: string, name: string) =>
    store.latest({ collection, namespace: place, name })?.object as unknown;
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const claimName = volume.ephemeral
      ? `${pod.metadata.name}-${volume.name}`
      : volume.persistentVolumeClaim?.claimName;
    const claim =
      claimName && (get("/persistentvolumeclaims", namespace, claimName) as PersistentVolumeClaim | undefined);
    const bound = claim && claim.spec?.volumeName;
    const found = bound && (get("/persistentvolumes", "", bound) as PersistentVolume | undefined);
    const driver = volume.csi?.driver ?? (found ? found.spec?.csi?.driver : undefined);
    const known = driver && (get("storage.k8s.io/csidrivers", "", driver) as CSIDriver | undefined);
    return known ? (known.spec.tokenRequests ?? []).map(({ audience }) => audience) : [];
  });
}

const nodeSigners = ["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"];

const checkCertificate: Check = async ({ request }) => {
  const { spec } = request.object as unknown as CertificateSigningRequest;
  if (request.operation !== "CREATE" || !nodeSigners.includes(spec.signerName)) return undefined;
  const { name } = request.user;
  try {
    const { commonName } = await readCertificateRequest(Buffer.from(spec.request, "base64").toString("utf8"));
    return commonName === name ? undefined : `can only create a node CSR with CN=${name}`;
  } catch (error) {
    return `unable to parse csr: ${(error as Error).message}`;
  }
};

const checks: Readonly<Record<string, Check>> = {
  "/pods": checkPod,
  "/nodes": checkNode,
  "/persistentvolumeclaims": checkClaim,
  "/serviceaccounts": checkToken,
  "coordination.k8s.io/leases": checkLease,
  "storage.k8s.io/csinodes": ownName("CSINode"),
  "resource.k8s.io/resourceslices": checkSlice,
  "certificates.k8s.io/certificatesigningrequests": checkCertificate,
};
