// Keeps metadata.managedFields: who last set which field, for every write.
import { applySchemaOf as builtinSchemaOf } from "../../kinds/apply-schema.ts";
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Fields } from "../../machinery/apply/fields-set.ts";
import { updateManagedFields } from "../../machinery/apply/managed-fields.ts";
import { deducedSchema } from "../../machinery/apply/typed.ts";
import type { TypedSchema } from "../../machinery/apply/typed.ts";
import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject, ManagedFieldsEntry } from "../../machinery/object.ts";
import type { RequestContext, WriteParameters } from "../types.ts";
import type { Core } from "./core.ts";

export interface TrackedParameters extends WriteParameters {
  /** Set when the ownership is worked out already (server-side apply). */
  readonly managedFields?: readonly ManagedFieldsEntry[];
  /** Set when admission has seen what the client sent already (a Scale). */
  readonly isAdmitted?: boolean;
}

const maxManagerLength = 128;

/** The name under which a write is recorded: as the client says, else the first part of its User-Agent. */
function managerOf(context: RequestContext, parameters: WriteParameters): string {
  if (parameters.fieldManager) return parameters.fieldManager;
  const name = context.userAgent.split("/")[0]!.slice(0, maxManagerLength);
  return name || "unknown";
}

/** The parts of an object that have owners, as server-side apply walks them. */
export const applySchemaOf = (kind: AnyKind): TypedSchema =>
  kind.custom?.applySchema ?? builtinSchemaOf(kind.schema) ?? deducedSchema;

const statusFields: Fields = { "f:status": {} };
const specFields: Fields = { "f:spec": {} };

/** What a write to the resource or subresource never changes, so nobody owns it through there. */
export function ignoredFields(kind: AnyKind, subresource: string): Fields | undefined {
  if (subresource === "status") return specFields;
  return kind.subresources?.status ? statusFields : undefined;
}

/**
 * Records the write of `draft` over `old` in the draft. Objects that in-process components create carry no records until
 * somebody else writes to them: most pods are such, and the records would be a third of their bytes.
 */
export function trackManagers(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  draft: KubeObject,
  old: KubeObject | undefined,
  parameters: TrackedParameters,
): void {
  if (context.trusted && !parameters.managedFields && !old?.metadata.managedFields) return;
  const subresource = parameters.subresource ?? "";
  const ignored = ignoredFields(kind, subresource);
  const managedFields =
    parameters.managedFields ??
    updateManagedFields({
      old: old as unknown as Record<string, unknown> | undefined,
      next: draft as unknown as Record<string, unknown>,
      manager: managerOf(context, parameters),
      apiVersion: apiVersionOf(kind),
      subresource,
      schema: applySchemaOf(kind),
      time: formatTime(core.clock.now()),
      ...(ignored ? { ignored } : {}),
    });
  if (managedFields) draft.metadata.managedFields = managedFields as ManagedFieldsEntry[];
  else delete draft.metadata.managedFields;
}
