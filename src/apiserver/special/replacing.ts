// Subresources that read and write the object itself but let only some fields through.
// Follows kubernetes v1.36 pkg/registry/core/{namespace,pod} and certificates strategies.
import type { CertificateSigningRequest } from "../../kinds/generated/certificates.v1.ts";
import type { Container, Namespace, Pod } from "../../kinds/generated/core.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { badRequest, invalid } from "../../machinery/errors.ts";
import { forbiddenField } from "../../machinery/field.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { attempt } from "../core/core.ts";
import type { Core } from "../core/core.ts";
import { latestEntry } from "../core/create.ts";
import { checkIdentity, decode } from "../core/decode.ts";
import { cloneJson } from "../core/entries.ts";
import { get } from "../core/list.ts";
import { patched } from "../core/patch.ts";
import { replace } from "../core/update.ts";
import type { SpecialHandler, SpecialRequest } from "./index.ts";

/** `merge` gives the object to write: the old one with what the subresource may change taken from the new one. */
function replacing<T>(merge: (wanted: T, old: T, core: Core) => T): SpecialHandler {
  return async (core, request) => {
    const { context, kind, target, subresource, method, parameters } = request;
    if (method === "GET") return get(core, { ...context, trusted: true }, kind, target).object;
    return attempt(core, kind, target.name, true, async () => {
      const current = latestEntry(core, kind, target.namespace, target.name);
      const old = current.object;
      const wanted = wantedObject(request, old);
      checkIdentity(kind, wanted, target.namespace, target.name);
      const next = merge(wanted as T, old as T, core) as KubeObject;
      const { resourceVersion, uid, managedFields } = wanted.metadata;
      const metadata = { ...next.metadata, resourceVersion, uid, ...(managedFields ? { managedFields } : {}) };
      const draft = cloneJson({ ...next, metadata });
      return (await replace(core, context, kind, current, draft, { ...parameters, subresource })).object;
    });
  };
}

function wantedObject(
  { kind, method, body, patchType, context, parameters }: SpecialRequest,
  old: KubeObject,
): KubeObject {
  if (method === "PATCH") return patched(kind, old, patchType ?? "strategic", body, context, parameters);
  if (body === null || typeof body !== "object") throw badRequest("the body is no object");
  return decode(kind, cloneJson(body), context, parameters);
}

/** The namespace controller says that a namespace is empty by taking its finalizer away. */
export const finalize = replacing<Namespace>((wanted, old) => ({
  ...old,
  metadata: wanted.metadata!,
  spec: { ...old.spec, finalizers: wanted.spec?.finalizers ?? [] },
}));

export const updateEphemeralContainers = replacing<Pod>((wanted, old) => ({
  ...old,
  spec: { ...old.spec!, ephemeralContainers: wanted.spec?.ephemeralContainers ?? [] },
}));

const refusePod = (pod: Pod, field: string, why: string) =>
  invalid({ group: "", kind: "Pod" }, pod.metadata!.name!, [forbiddenField(field, why)]);

/** Only cpu and memory of containers change in place. */
export const resize = replacing<Pod>((wanted, old) => {
  const spec = old.spec!;
  const containers = resized(old, spec.containers, wanted.spec?.containers ?? [], "spec.containers");
  const initContainers =
    spec.initContainers && resized(old, spec.initContainers, wanted.spec?.initContainers ?? [], "spec.initContainers");
  return { ...old, spec: { ...spec, containers, ...(initContainers ? { initContainers } : {}) } };
});

function resized(pod: Pod, before: readonly Container[], after: readonly Container[], field: string): Container[] {
  return before.map((container, i) => {
    const wanted = after.find(({ name }) => name === container.name);
    if (!wanted) return container;
    const { resources, resizePolicy } = wanted;
    const rest = { ...wanted, resources: container.resources, resizePolicy: container.resizePolicy };
    if (!deepEqual(rest, container)) {
      throw refusePod(pod, `${field}[${i}]`, "only cpu and memory resources are mutable");
    }
    return { ...container, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) };
  });
}

/** Only conditions and metadata change, and each condition keeps the time of its last change. */
export const approve = replacing<CertificateSigningRequest>((wanted, old, core) => {
  const now = formatTime(core.clock.now());
  const before = old.status?.conditions ?? [];
  const conditions = (wanted.status?.conditions ?? []).map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    const lastTransitionTime =
      condition.lastTransitionTime ??
      (known?.status === condition.status ? known?.lastTransitionTime : undefined) ??
      now;
    return {
      ...condition,
      status: condition.status ?? "True",
      lastUpdateTime: condition.lastUpdateTime ?? now,
      lastTransitionTime,
    };
  });
  return { ...old, metadata: wanted.metadata!, status: { ...old.status, conditions } };
});
