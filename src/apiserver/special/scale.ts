// The scale subresource of every kind that has replicas. Follows kubernetes v1.36 pkg/registry/apps/deployment/storage (ScaleREST).
import type { Scale as ScaleObject } from "../../kinds/generated/autoscaling.v1.ts";
import { defineKind } from "../../kinds/kind.ts";
import { badRequest, conflict, invalid, staleResourceVersion } from "../../machinery/errors.ts";
import { invalidValue } from "../../machinery/field.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { attempt, resourceOf } from "../core/core.ts";
import { latestEntry } from "../core/create.ts";
import { decode } from "../core/decode.ts";
import { cloneJson, viewOf } from "../core/entries.ts";
import { patched } from "../core/patch.ts";
import { replace } from "../core/update.ts";
import { admitted } from "./admitted.ts";
import type { SpecialHandler } from "./index.ts";

/** Not in the registry: only decoded and patched here. */
const Scale = defineKind<ScaleObject & KubeObject>("autoscaling/v1", "Scale");

/** The scale of an object as autoscaling/v1 shows it. */
function scaleOf(kind: AnyKind, object: KubeObject): ScaleObject & KubeObject {
  const { specReplicas, statusReplicas, selector } = kind.subresources!.scale!.get(object);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: { name, ...(namespace ? { namespace } : {}), uid, resourceVersion, creationTimestamp },
    spec: specReplicas ? { replicas: specReplicas } : {},
    status: { replicas: statusReplicas, ...(selector ? { selector } : {}) },
  } as ScaleObject & KubeObject;
}

export const scale: SpecialHandler = async (core, request) => {
  const { context, kind, target, method, body, patchType, parameters } = request;
  if (method === "GET") {
    const entry = core.store.get({ ...latestEntry(core, kind, target.namespace, target.name).key });
    return scaleOf(kind, viewOf(kind, entry ?? latestEntry(core, kind, target.namespace, target.name)).object);
  }
  return attempt(core, kind, target.name, true, async () => {
    const current = latestEntry(core, kind, target.namespace, target.name);
    const { object } = viewOf(kind, current);
    const before = scaleOf(kind, object);
    const asked =
      method === "PATCH"
        ? patched(Scale, before, patchType ?? "merge", body, context, parameters)
        : decode(Scale, cloneJson(body), context, parameters);
    const shown = { operation: "UPDATE", object: asked, old: before, type: Scale } as const;
    const wanted = (await admitted(core, request, shown)) as ScaleObject & KubeObject;
    if (wanted.metadata?.name && wanted.metadata.name !== target.name) {
      throw badRequest(
        `the name of the object (${wanted.metadata.name}) does not match the name on the URL (${target.name})`,
      );
    }
    const what = resourceOf(kind);
    const { uid, resourceVersion } = wanted.metadata ?? {};
    if (uid && uid !== object.metadata.uid) {
      throw conflict(
        what,
        target.name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`,
      );
    }
    if (resourceVersion && resourceVersion !== object.metadata.resourceVersion)
      throw staleResourceVersion(what, target.name);
    const replicas = wanted.spec?.replicas ?? 0;
    if (!Number.isInteger(replicas) || replicas < 0) {
      const error = invalidValue("spec.replicas", replicas, "must be greater than or equal to 0");
      throw invalid({ group: "autoscaling", kind: "Scale" }, target.name, [error]);
    }
    const draft = cloneJson(object);
    kind.subresources!.scale!.set(draft, replicas);
    const entry = await replace(core, context, kind, current, draft, {
      ...parameters,
      subresource: "scale",
      isAdmitted: true,
    });
    return scaleOf(kind, entry.object);
  });
};
