// Pod Security: a namespace's labels say which pods it lets in and of which it only warns.
// Follows kubernetes v1.36 staging/src/k8s.io/pod-security-admission/admission. Versions other than latest count as latest.
import type { Pod, PodSpec, PodTemplateSpec } from "../../../kinds/generated/core.v1.ts";
import { deepEqual } from "../../../machinery/equal.ts";
import { forbidden } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { violations } from "./checks.ts";
import type { Level } from "./checks.ts";

const prefix = "pod-security.kubernetes.io";
const levels: readonly Level[] = ["privileged", "baseline", "restricted"];

type Template = { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
type WithTemplate = KubeObject & { spec?: Template; template?: PodTemplateSpec };

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
  resources: ["/pods", ...templated],
  subresources: ["ephemeralcontainers"],
  validate(request, world) {
    const labels = labelsOf(request.namespace, world);
    if (!labels) return;
    const isPod = request.resource === "/pods";
    const spec = specOf(request.object, isPod);
    if (!spec || (request.old && deepEqual(spec, specOf(request.old, isPod)))) return;
    const enforced = isPod ? complaint("enforce", labels, spec) : undefined;
    if (enforced) throw forbidden({ group: "", resource: "pods" }, request.name, `violates PodSecurity ${enforced}`);
    const warned = complaint("warn", labels, spec);
    if (warned) request.warnings.push(`would violate PodSecurity ${warned}`);
  },
};

/** The labels of the namespace if any of them is about pod security. */
function labelsOf(namespace: string, { store }: AdmissionWorld): Record<string, string> | undefined {
  const labels = store.latest({ collection: "/namespaces", namespace: "", name: namespace })?.object.metadata.labels;
  for (const name in labels) if (name.startsWith(prefix)) return labels;
  return undefined;
}

function specOf(object: AdmissionRequest["object"], isPod: boolean): PodSpec | undefined {
  if (isPod) return (object as Pod).spec;
  const { spec, template } = object as WithTemplate;
  return (template ?? spec?.template ?? spec?.jobTemplate?.spec?.template)?.spec;
}

/** `"baseline:latest": hostPath volumes (…), …`; an unknown level counts as the strictest. */
function complaint(mode: "enforce" | "warn", labels: Record<string, string>, spec: PodSpec): string | undefined {
  const value = labels[`${prefix}/${mode}`];
  if (value === undefined) return undefined;
  const level = levels.find((one) => one === value) ?? "restricted";
  const faults = violations(level, spec);
  const version = labels[`${prefix}/${mode}-version`] ?? "latest";
  return faults.length ? `${JSON.stringify(`${level}:${version}`)}: ${faults.join(", ")}` : undefined;
}
