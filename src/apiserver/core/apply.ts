// Server-side apply: creates what is not there, merges by field ownership otherwise.
// Follows kubernetes v1.36 apiserver/pkg/endpoints/handlers/patch.go (applyPatcher).
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { apply as applyConfiguration } from "../../machinery/apply/apply.ts";
import { formatTime } from "../../machinery/clock.ts";
import { badRequest, invalid, notFound } from "../../machinery/errors.ts";
import { required } from "../../machinery/field.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { StoreError } from "../../store/store.ts";
import type { ObjectTarget, RequestContext, WriteParameters } from "../types.ts";
import { authorize } from "./authorize.ts";
import { attempt, resourceOf, storeKey } from "./core.ts";
import type { Core } from "./core.ts";
import { createDecoded } from "./create.ts";
import { checkIdentity, decode } from "./decode.ts";
import { cloneJson, draftOf, viewOf } from "./entries.ts";
import { applySchemaOf, ignoredFields } from "./managers.ts";
import { checkPreconditions, replace } from "./update.ts";
import type { Written } from "./update.ts";

type Json = Record<string, unknown>;

/** PATCH of type apply, authorized as a patch already. Throws StatusError; conflicts name the other managers. */
export function apply(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  body: unknown,
  parameters: WriteParameters,
): Promise<Written> {
  const manager = parameters.fieldManager;
  if (!manager) {
    const error = required("fieldManager", "is required for apply patch");
    throw invalid({ group: "meta.k8s.io", kind: "PatchOptions" }, "", [error]);
  }
  if (body === null || typeof body !== "object" || Array.isArray(body))
    throw badRequest("the applied configuration is no object");
  const config = decode(kind, { ...body }, context, parameters);
  checkIdentity(kind, config, target.namespace, target.name);
  const subresource = parameters.subresource ?? "";
  const ignored = ignoredFields(kind, subresource);
  return attempt(core, kind, target.name, true, async () => {
    const current = core.store.latest(storeKey(kind, target));
    if (!current && subresource) throw notFound(resourceOf(kind), target.name);
    const live = current && viewOf(kind, current).object;
    if (live) checkPreconditions(kind, config.metadata, live.metadata);
    else authorize(core.authorizer, context, kind, "create", { namespace: target.namespace });
    const applied = applyConfiguration({
      live: live as unknown as Json | undefined,
      config: config as unknown as Json,
      manager,
      apiVersion: apiVersionOf(kind),
      subresource,
      schema: applySchemaOf(kind),
      force: parameters.force ?? false,
      time: formatTime(core.clock.now()),
      ...(ignored ? { ignored } : {}),
    });
    if (current && !applied.changed) return { entry: viewOf(kind, current), created: false };
    const object = applied.object as unknown as KubeObject;
    const draft = live && kind.manyAlike ? draftOf(object, live) : cloneJson(object);
    const tracked = { ...parameters, managedFields: applied.managedFields };
    if (current) return { entry: await replace(core, context, kind, current, draft, tracked), created: false };
    const entry = await createDecoded(core, context, kind, draft, tracked).catch((error: unknown) => {
      // Somebody created it meanwhile: merge into that.
      if ((error as { reason?: string }).reason === "AlreadyExists")
        throw new StoreError("conflict", "created meanwhile");
      throw error;
    });
    return { entry, created: true };
  });
}
