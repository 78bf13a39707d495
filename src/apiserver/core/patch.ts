// Patch: JSON patch, merge patch, strategic merge patch and server-side apply on the latest version, again when it changed meanwhile.
// Follows kubernetes v1.36 apiserver/pkg/endpoints/handlers/patch.go.
import type { PatchType } from "../../client/client.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { patchSchemaOf } from "../../kinds/patch-schema.ts";
import { badRequest, methodNotSupported, unsupportedMediaType } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { applyJsonPatch } from "../../machinery/patch/json-patch.ts";
import { applyMergePatch } from "../../machinery/patch/merge-patch.ts";
import { applyStrategicPatch } from "../../machinery/patch/strategic.ts";
import type { ObjectTarget, RequestContext, WriteParameters } from "../types.ts";
import { apply } from "./apply.ts";
import { authorize } from "./authorize.ts";
import { attempt, resourceOf } from "./core.ts";
import type { Core } from "./core.ts";
import { latestEntry } from "./create.ts";
import { checkIdentity, decode, isBuiltin } from "./decode.ts";
import { cloneJson, draftOf, viewOf } from "./entries.ts";
import { replace } from "./update.ts";
import type { Written } from "./update.ts";

/** PATCH of an object or its status. Apply creates what is not there. Throws StatusError. */
export async function patch(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  type: PatchType,
  value: unknown,
  parameters: WriteParameters,
): Promise<Written> {
  const subresource = parameters.subresource ?? "";
  if (!kind.verbs.includes("patch")) throw methodNotSupported(resourceOf(kind), "patch");
  authorize(core.authorizer, context, kind, "patch", target, subresource);
  if (type === "apply") return apply(core, context, kind, target, value, parameters);
  if (parameters.force !== undefined) throw badRequest("force may not be specified for non-apply patch");
  return attempt(core, kind, target.name, true, async () => {
    const current = latestEntry(core, kind, target.namespace, target.name);
    const old = viewOf(kind, current).object;
    const draft = patched(kind, old, type, value, context, parameters);
    checkIdentity(kind, draft, target.namespace, target.name);
    return { entry: await replace(core, context, kind, current, draft, parameters), created: false };
  });
}

/** The object with the patch in it, decoded: a private copy. */
export function patched(
  kind: AnyKind,
  old: KubeObject,
  type: PatchType,
  value: unknown,
  context: RequestContext,
  parameters: WriteParameters,
): KubeObject {
  const next = patchValue(kind, old, type, value) as KubeObject;
  if (!kind.manyAlike) return decode(kind, cloneJson(next), context, parameters);
  return draftOf(decode(kind, next, context, parameters, kind.schema, old), old);
}

function patchValue(kind: AnyKind, old: KubeObject, type: PatchType, value: unknown): unknown {
  if (type === "json") return applyJsonPatch(old, value);
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw badRequest("the patch is no object");
  if (type === "merge") return applyMergePatch(old, value);
  if (!isBuiltin(kind)) {
    throw unsupportedMediaType(
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    );
  }
  return applyStrategicPatch(old, value as Record<string, unknown>, patchSchemaOf(kind.schema)!);
}
