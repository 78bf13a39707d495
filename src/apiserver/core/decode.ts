// From a client's JSON value to a draft of a kind: shapes and field names by the schema table, then identity checks.
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { decodeObject, schemaOf } from "../../kinds/schema.ts";
import { badRequest, textOf } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { RequestContext, WriteParameters } from "../types.ts";

/** True for kinds of the built-in schema table, false for those that CustomResourceDefinitions add. */
export const isBuiltin = (kind: AnyKind): boolean => schemaOf(kind.schema) !== undefined;

/** Refuses what an applied configuration names and its type does not have, whatever the field validation. */
function refuseUndeclared(kind: AnyKind, { metadata }: KubeObject, unknownFields: readonly string[]): void {
  if (unknownFields.length === 0) return;
  const texts = unknownFields.map((field) => `.${field}: field not declared in schema`);
  const what = `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}; ${apiVersionOf(kind)}, Kind=${kind.kind}`;
  const list = texts.length === 1 ? texts[0] : ["errors:", ...texts.map((text) => `  ${text}`)].join("\n");
  throw badRequest(`failed to create typed patch object (${what}): ${list}`);
}

/**
 * Checks types and, as `fieldValidation` asks, unknown fields. Trusted callers are not checked, nor are parts of `known`,
 * a decoded object.
 * Throws BadRequest with one sentence per fault.
 */
export function decode(
  kind: AnyKind,
  value: unknown,
  context: RequestContext,
  parameters: WriteParameters,
  schema: string = kind.schema,
  known?: KubeObject,
): KubeObject {
  if (context.trusted) return value as KubeObject;
  const policy = parameters.fieldValidation ?? "Warn";
  const { object, errors, unknownFields } = kind.custom
    ? kind.custom.decode(value)
    : decodeObject(value, schema, {
        unknown: policy === "Ignore" && !parameters.isApply ? "ignore" : "collect",
        known,
      });
  const version = apiVersionOf(kind);
  if (errors.length > 0) {
    throw badRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${errors.join(", ")}`,
    );
  }
  if (parameters.isApply) refuseUndeclared(kind, object as KubeObject, unknownFields);
  const complaints =
    policy === "Ignore"
      ? []
      : [
          ...unknownFields.map((field) => `unknown field ${JSON.stringify(field)}`),
          ...(parameters.duplicateFields ?? []),
        ];
  if (policy === "Strict" && complaints.length > 0) {
    throw badRequest(
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${complaints.join(", ")}`,
    );
  }
  context.warnings.push(...complaints);
  const draft = object as KubeObject;
  draft.apiVersion ??= version;
  draft.kind ??= kind.kind;
  return draft;
}

/** The API version of the kind; throws BadRequest when the object says that it is something else. */
export function checkType(kind: AnyKind, draft: { readonly apiVersion?: string; readonly kind?: string }): string {
  const version = apiVersionOf(kind);
  const [givenVersion, givenKind] = [textOf(draft.apiVersion || version), textOf(draft.kind || kind.kind)];
  if (givenKind !== kind.kind) {
    const given = givenVersion.slice(givenVersion.indexOf("/") + 1);
    throw badRequest(
      `${givenKind} in version ${JSON.stringify(given)} cannot be handled as a ${kind.kind}: converting (${given}.${givenKind}) to (${kind.version}.${kind.kind}): unknown conversion`,
    );
  }
  if (givenVersion === version) return version;
  throw badRequest(
    `the API version in the data (${givenVersion}) does not match the expected API version (${version})`,
  );
}

/** Makes the draft say what the request says; throws BadRequest where the two contradict each other. */
export function checkIdentity(kind: AnyKind, draft: KubeObject, namespace: string, name: string): void {
  if (draft === null || typeof draft !== "object" || Array.isArray(draft)) throw badRequest("the body is no object");
  const version = checkType(kind, draft);
  draft.apiVersion = version;
  draft.kind = kind.kind;
  draft.metadata = { ...draft.metadata };
  const { metadata } = draft;
  if (!kind.namespaced) delete metadata.namespace;
  else if (!metadata.namespace) metadata.namespace = namespace;
  else if (metadata.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (name === "") return;
  if (!metadata.name) metadata.name = name;
  else if (metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
}
