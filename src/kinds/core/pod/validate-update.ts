// Which changes of a pod are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidatePodUpdate,
// ValidatePodEphemeralContainersUpdate, ValidatePodResize, ValidatePodStatusUpdate).
import { deepEqual } from "../../../machinery/equal.ts";
import { forbiddenField, invalidValue, path } from "../../../machinery/field.ts";
import { dnsSubdomainErrors, ipErrors } from "../../../machinery/names.ts";
import type { ContainerStatus, Pod, PodSpec, ResourceRequirements } from "../../generated/core.v1.ts";
import { complaints, each, type Errors, optionallyNamed } from "../../checks.ts";
import { qosClassOf } from "./qos.ts";

const onlyThese =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

type Part = Readonly<Record<string, unknown>>;

/** Equal but for the fields of these names; the part before a change is mostly the very same. */
function sameBut(next: object | undefined, old: object | undefined, names: ReadonlySet<string>): boolean {
  if (next === old) return true;
  const [a, b] = [(next ?? {}) as Part, (old ?? {}) as Part];
  for (const key in a) if (!names.has(key) && !deepEqual(a[key], b[key])) return false;
  for (const key in b) if (!names.has(key) && a[key] === undefined && b[key] !== undefined) return false;
  return true;
}

const image = new Set(["image"]);
const nodeAffinity = new Set(["nodeAffinity"]);
const mutable = new Set([
  "containers",
  "initContainers",
  "activeDeadlineSeconds",
  "tolerations",
  "terminationGracePeriodSeconds",
  "schedulingGates",
]);
const mutableWhenGated = new Set([...mutable, "nodeSelector", "affinity"]);

/** Whether nothing differs but what may change; `gated` pods may still be told where to go. */
function onlyMutableDiffer(next: PodSpec, old: PodSpec, { gated }: { readonly gated: boolean }): boolean {
  const sameContainers = (["containers", "initContainers"] as const).every((field) =>
    (next[field] ?? []).every((container, i) => sameBut(container, old[field]?.[i], image)),
  );
  if (!sameContainers || !sameBut(next, old, gated ? mutableWhenGated : mutable)) return false;
  return !gated || sameBut(next.affinity, old.affinity, nodeAffinity);
}

function deadlineErrors(next: PodSpec, old: PodSpec): Errors {
  const at = "spec.activeDeadlineSeconds";
  const [now, before] = [next.activeDeadlineSeconds, old.activeDeadlineSeconds];
  if (before === undefined || now === before) return [];
  if (now === undefined) return [invalidValue(at, null, "must not update from a positive integer to nil value")];
  return now > before ? [invalidValue(at, now, `must be less than or equal to previous value ${before}`)] : [];
}

function tolerationErrors(next: PodSpec, old: PodSpec): Errors {
  const lost = (old.tolerations ?? []).filter((before) => {
    const now = (next.tolerations ?? []).filter((toleration) => {
      const { tolerationSeconds: _, ...rest } = toleration;
      const { tolerationSeconds: __, ...restBefore } = before;
      return deepEqual(rest, restBefore);
    });
    return now.length === 0;
  });
  return lost.length === 0
    ? []
    : [forbiddenField("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")];
}

function gateErrors(next: PodSpec, old: PodSpec): Errors {
  const before = new Set((old.schedulingGates ?? []).map(({ name }) => name));
  const added = (next.schedulingGates ?? []).filter(({ name }) => !before.has(name));
  return added.map(({ name }) =>
    forbiddenField("spec.schedulingGates", `only deletion is allowed, but found new scheduling gate '${name}'`),
  );
}

/** Every requirement of a gated pod stays; new ones may narrow the choice of nodes. */
function narrowingErrors(next: PodSpec, old: PodSpec): Errors {
  const lost = Object.entries(old.nodeSelector ?? {}).some(([key, value]) => next.nodeSelector?.[key] !== value);
  return lost ? [invalidValue("spec.nodeSelector", next.nodeSelector ?? null, "only additions are allowed")] : [];
}

/** An update through the pod itself. */
export function validatePodUpdate(next: Pod, old: Pod): Errors {
  if (!next.spec || !old.spec || next.spec === old.spec) return [];
  const count = ["containers", "initContainers"] as const;
  const resized = count.filter((field) => (next.spec![field] ?? []).length !== (old.spec![field] ?? []).length);
  if (resized.length > 0)
    return resized.map((field) => forbiddenField(path("spec", field), "pod updates may not add or remove containers"));
  const gated = (old.spec.schedulingGates?.length ?? 0) > 0;
  const errors = [
    ...deadlineErrors(next.spec, old.spec),
    ...tolerationErrors(next.spec, old.spec),
    ...gateErrors(next.spec, old.spec),
    ...(gated ? narrowingErrors(next.spec, old.spec) : []),
  ];
  const [grace, graceBefore] = [next.spec.terminationGracePeriodSeconds, old.spec.terminationGracePeriodSeconds];
  const graceKept = grace === graceBefore || (grace === 1 && (graceBefore ?? 0) < 0);
  if (!graceKept || !onlyMutableDiffer(next.spec, old.spec, { gated })) {
    errors.push(forbiddenField("spec", onlyThese));
  }
  return errors;
}

/** An update through the ephemeralcontainers subresource: it may only add. */
export function validateEphemeralContainersUpdate(next: Pod, old: Pod): Errors {
  if (!next.spec || !old.spec) return [];
  const errors: Errors = [];
  for (const before of old.spec.ephemeralContainers ?? []) {
    const now = next.spec.ephemeralContainers?.find(({ name }) => name === before.name);
    const at = "spec.ephemeralContainers";
    if (!now) errors.push(forbiddenField(at, `existing ephemeral containers "${before.name}" may not be removed`));
    else if (!deepEqual(now, before))
      errors.push(forbiddenField(at, `existing ephemeral containers "${before.name}" may not be changed`));
  }
  return errors;
}

const resizable = new Set(["cpu", "memory"]);

function fixedResources(resources: ResourceRequirements | undefined): object {
  const others = (list: Readonly<Record<string, string>> | undefined) =>
    Object.fromEntries(Object.entries(list ?? {}).filter(([name]) => !resizable.has(name)));
  return { claims: resources?.claims, limits: others(resources?.limits), requests: others(resources?.requests) };
}

const unsized = (spec: PodSpec) => ({
  ...spec,
  resources: fixedResources(spec.resources),
  containers: (spec.containers ?? []).map((container) => ({
    ...container,
    resources: fixedResources(container.resources),
  })),
  initContainers: (spec.initContainers ?? []).map((container) => ({
    ...container,
    ...(container.restartPolicy === "Always" ? { resources: fixedResources(container.resources) } : {}),
  })),
});

/** An update through the resize subresource: CPU and memory of running containers, within the same quality of service. */
export function validateResize(next: Pod, old: Pod): Errors {
  if (!next.spec || !old.spec) return [];
  const errors: Errors = [];
  if (next.spec.containers?.length !== old.spec.containers?.length) {
    return [...errors, forbiddenField("spec.containers", "pod resize may not add or remove containers")];
  }
  if (qosClassOf(next.spec) !== qosClassOf(old.spec)) {
    errors.push(
      invalidValue("spec", old.status?.qosClass ?? "", "Pod QOS Class may not change as a result of resizing"),
    );
  }
  if (!deepEqual(unsized(next.spec), unsized(old.spec))) {
    errors.push(forbiddenField("spec", "only cpu and memory resources are mutable"));
  }
  return errors;
}

/** What ended for good stays ended. */
function revivalErrors(
  field: "containerStatuses" | "initContainerStatuses",
  next: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  neverRestarts: (name: string, exitCode: number) => boolean,
): Errors {
  return (old ?? []).flatMap((before) => {
    const ended = before.state?.terminated;
    if (!ended || !neverRestarts(before.name, ended.exitCode)) return [];
    const index = (next ?? []).findIndex(({ name }) => name === before.name);
    if (index < 0 || next![index]!.state?.terminated) return [];
    return [forbiddenField(path("status", field, index, "state"), "may not be transitioned to non-terminated state")];
  });
}

/** An update of the status. */
export function validatePodStatusUpdate(next: Pod, old: Pod): Errors {
  const policy = old.spec?.restartPolicy;
  const own = new Map(
    [...(old.spec?.containers ?? []), ...(old.spec?.initContainers ?? [])].map((container) => [
      container.name,
      container,
    ]),
  );
  const stays = (name: string, exitCode: number): boolean => {
    const container = own.get(name);
    if (container?.restartPolicyRules?.length) return false;
    const applies = container?.restartPolicy ?? policy;
    return applies === "Never" || (applies === "OnFailure" && exitCode === 0);
  };
  return [
    ...optionallyNamed("status.nominatedNodeName", next.status?.nominatedNodeName, dnsSubdomainErrors),
    ...each("status.podIPs", next.status?.podIPs, (at, { ip }) => complaints(at, ip, ipErrors(ip))),
    ...(policy === "Always"
      ? []
      : revivalErrors("containerStatuses", next.status?.containerStatuses, old.status?.containerStatuses, stays)),
  ];
}
