// Pod Security: a namespace's labels say which pods it lets in, and of which it only warns or tells the audit log.
// Follows kubernetes v1.36 staging/src/k8s.io/pod-security-admission/admission. Nobody is exempt.
import type { Pod, PodSpec, PodTemplateSpec } from "../../../kinds/generated/core.v1.ts";
import { deepEqual } from "../../../machinery/equal.ts";
import { forbidden, invalid } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { violations, type Violation } from "./checks.ts";
import { compareLevels, policyOf, type Standard } from "./policy.ts";

const auditPrefix = "pod-security.kubernetes.io";
const maxPodsToCheck = 3000;

type Template = { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
type WithTemplate = KubeObject & { spec?: Template; template?: PodTemplateSpec };
type PodLike = Pick<PodTemplateSpec, "metadata" | "spec">;

const templated = [
  "/podtemplates",
  "/replicationcontrollers",
  "apps/daemonsets",
  "apps/deployments",
  "apps/replicasets",
  "apps/statefulsets",
  "batch/cronjobs",
  "batch/jobs",
];

export const podSecurity: AdmissionPlugin = {
  name: "PodSecurity",
  operations: ["CREATE", "UPDATE"],
  resources: ["/pods", "/namespaces", ...templated],
  subresources: ["ephemeralcontainers", "resize"],
  validate(request, world) {
    if (request.resource === "/namespaces") checkNamespace(request, world);
    else checkPods(request, world);
  },
};

function checkPods(request: AdmissionRequest, { store }: AdmissionWorld): void {
  const namespace = store.latest({ collection: "/namespaces", namespace: "", name: request.namespace });
  const found = policyOf(namespace?.object.metadata.labels);
  if (!found) return;
  const { policy, errors } = found;
  const isPod = request.resource === "/pods";
  const pod = podOf(request.object, isPod);
  if (!pod?.spec || (isPod && request.old && deepEqual(images(pod.spec), images((request.old as Pod).spec!)))) return;
  if (errors.length > 0) {
    const text = errors.map(({ field, message }) => `${field}: ${message}`).join(", ");
    request.auditAnnotations?.set(`${auditPrefix}/error`, `Failed to parse policy: ${text}`);
  }
  const complaint = (standard: Standard) => {
    const faults = faultsOf(standard, pod);
    const text = faults.map(({ reason, detail }) => `${reason} (${detail})`).join(", ");
    return faults.length ? `PodSecurity ${JSON.stringify(standard.text)}: ${text}` : undefined;
  };
  const audited = complaint(policy.audit);
  if (audited) request.auditAnnotations?.set(`${auditPrefix}/audit-violations`, `would violate ${audited}`);
  if (isPod) request.auditAnnotations?.set(`${auditPrefix}/enforce-policy`, policy.enforce.text);
  const enforced = isPod ? complaint(policy.enforce) : undefined;
  if (enforced) throw forbidden({ group: "", resource: "pods" }, request.name, `violates ${enforced}`);
  const warned = complaint(policy.warn);
  if (warned) request.warnings.push(`would violate ${warned}`);
}

const faultsOf = ({ level, minor }: Standard, { spec, metadata }: PodLike): Violation[] =>
  violations(level, minor, spec!, metadata?.annotations);

function podOf(object: KubeObject, isPod: boolean): PodLike | undefined {
  if (isPod) return object as Pod;
  const { spec, template } = object as WithTemplate;
  return template ?? spec?.template ?? spec?.jobTemplate?.spec?.template;
}

/** All that a pod's update can change of what the standards look at. */
const images = ({ containers, initContainers = [], ephemeralContainers = [] }: PodSpec) =>
  [containers, initContainers, ephemeralContainers].map((list) => list.map(({ name, image }) => [name, image]));

/** Labels must be valid when they change; a stricter level warns of the pods that are there already. */
function checkNamespace(request: AdmissionRequest, { store }: AdmissionWorld): void {
  if (request.subresource !== "") return;
  const next = policyOf(request.object.metadata.labels);
  const old = policyOf(request.old?.metadata.labels);
  if (!next) return;
  if (next.errors.length > 0 && !deepEqual(next.errors, old?.errors)) {
    throw invalid({ group: "", kind: "Namespace" }, request.name, next.errors);
  }
  const { enforce } = next.policy;
  const before = old?.policy.enforce ?? { level: "privileged", minor: Infinity, text: "privileged:latest" };
  if (request.operation === "CREATE" || enforce.text === before.text || enforce.level === "privileged") return;
  if (enforce.minor === before.minor && compareLevels(enforce.level, before.level) <= 0) return;
  const pods = store.list("/pods", request.name).entries.map(({ object }) => object as Pod);
  request.warnings.push(...existingViolations(request.name, pods, enforce));
}

/** One line for all pods that violate the standard in the same way, with the first of their names. */
function existingViolations(namespace: string, pods: readonly Pod[], enforce: Standard): string[] {
  const byReasons = new Map<string, string[]>();
  for (const pod of pods.slice(0, maxPodsToCheck)) {
    const reasons = faultsOf(enforce, pod).map(({ reason }) => reason);
    if (reasons.length === 0) continue;
    const names = byReasons.get(reasons.join(", "));
    if (names) names.push(pod.metadata.name);
    else byReasons.set(reasons.join(", "), [pod.metadata.name]);
  }
  const lines = [...byReasons].map(([reasons, [first, ...others]]) => {
    const more = others.length === 0 ? "" : ` (and ${others.length} other pod${others.length === 1 ? "" : "s"})`;
    return `${first}${more}: ${reasons}`;
  });
  const title = `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(enforce.text)}`;
  const checked = `new PodSecurity enforce level only checked against the first ${maxPodsToCheck} of ${pods.length} existing pods`;
  return [
    ...(pods.length > maxPodsToCheck ? [checked] : []),
    ...(lines.length > 0 ? [title, ...lines.toSorted()] : []),
  ];
}
