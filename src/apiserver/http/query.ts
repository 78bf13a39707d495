// Query parameters of the generic verbs, checked. Follows kubernetes v1.36
// staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation (allowed values, message forms).
import { badRequest, invalid, textOf, type FieldError } from "../../machinery/errors.ts";
import type { DeleteOptions } from "../../kinds/generated/meta.v1.ts";
import { decodeObject } from "../../kinds/schema.ts";
import { forbiddenField, invalidValue, notSupported } from "../../machinery/field.ts";
import type { DeleteParameters, ListParameters, WatchParameters, WriteParameters } from "../types.ts";
import { isTrue } from "./request-info.ts";

const validations = ["Ignore", "Warn", "Strict"] as const;
const policies = ["Foreground", "Background", "Orphan"] as const;

type OptionsKind = "CreateOptions" | "UpdateOptions" | "PatchOptions";

/** Parameters of create, update and patch. Throws Invalid naming each bad value. */
export function writeParameters(
  query: URLSearchParams,
  kind: OptionsKind,
  options: { readonly subresource?: string; readonly isApply?: boolean } = {},
): WriteParameters {
  const errors: FieldError[] = [...dryRunErrors(query.getAll("dryRun"))];
  const fieldManager = query.get("fieldManager") ?? "";
  if (fieldManager.length > 128) {
    errors.push({
      type: "FieldValueTooLong",
      field: "fieldManager",
      message: "Too long: may not be more than 128 bytes",
    });
  }
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(fieldManager)) {
    errors.push(invalidValue("fieldManager", fieldManager, "should only contain printable characters"));
  }
  const fieldValidation = query.get("fieldValidation") || undefined;
  if (fieldValidation && !isOneOf(validations, fieldValidation)) {
    errors.push(notSupported("fieldValidation", fieldValidation, ["", ...validations]));
  }
  const force = query.get("force");
  if (force !== null && !options.isApply) {
    errors.push({
      type: "FieldValueForbidden",
      field: "force",
      message: "Forbidden: may not be specified for non-apply patch",
    });
  }
  if (options.isApply && !fieldManager) {
    errors.push({
      type: "FieldValueRequired",
      field: "fieldManager",
      message: "Required value: is required for apply patch",
    });
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind }, "", errors);
  return {
    ...(query.getAll("dryRun").length > 0 ? { dryRun: true } : {}),
    ...(fieldManager ? { fieldManager } : {}),
    ...(fieldValidation ? { fieldValidation: fieldValidation as (typeof validations)[number] } : {}),
    ...(options.subresource ? { subresource: options.subresource } : {}),
    ...(options.isApply ? { isApply: true } : {}),
    ...(options.isApply && isTrue(force) ? { force: true } : {}),
  };
}

/** Delete options of the body win over those of the query; both are checked alike. */
export function deleteParameters(query: URLSearchParams, body: unknown): DeleteParameters {
  const fromBody = deleteOptionsOf(body ?? {});
  const usesBody = Object.keys(body ?? {}).some((key) => key !== "kind" && key !== "apiVersion");
  const orphans = query.get("orphanDependents");
  const options: Partial<DeleteOptions> = usesBody
    ? fromBody
    : {
        dryRun: query.getAll("dryRun"),
        gracePeriodSeconds: integer(query, "gracePeriodSeconds"),
        propagationPolicy: query.get("propagationPolicy") ?? "",
        orphanDependents: orphans === null ? undefined : isTrue(orphans),
      };
  const { dryRun = [], gracePeriodSeconds: grace, propagationPolicy: policy, orphanDependents: orphan } = options;
  const errors: FieldError[] = [...dryRunErrors(dryRun)];
  if (grace !== undefined && grace < 0) {
    errors.push(invalidValue("gracePeriodSeconds", grace, "must be greater than or equal to 0"));
  }
  if (policy && !isOneOf(policies, policy)) {
    errors.push(notSupported("propagationPolicy", policy, [...policies, "nil"]));
  }
  if (policy && orphan !== undefined) {
    errors.push(
      invalidValue("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"),
    );
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  const { preconditions } = options;
  return {
    ...(dryRun.length > 0 ? { dryRun: true } : {}),
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(policy ? { propagationPolicy: policy as (typeof policies)[number] } : {}),
    ...(orphan === undefined ? {} : { orphanDependents: orphan }),
    ...(preconditions ? { preconditions } : {}),
  };
}

function deleteOptionsOf(body: object): Partial<DeleteOptions> {
  const { object, errors } = decodeObject(body, "meta.v1.DeleteOptions", { unknown: "ignore" });
  const kind = textOf((body as { kind?: unknown }).kind ?? "DeleteOptions");
  if (kind === "DeleteOptions" && errors.length === 0) return object as Partial<DeleteOptions>;
  const why = errors.length > 0 ? errors.join(", ") : `kind ${kind}`;
  throw badRequest(`the object provided is unrecognized (must be of type DeleteOptions): ${why}`);
}

/** Parameters of list and deletecollection. `name`, if given, restricts to that one object. */
export function listParameters(query: URLSearchParams, namespace: string, name = ""): ListParameters {
  const text = (key: string) => query.get(key) || undefined;
  const limit = integer(query, "limit");
  const continueToken = text("continue");
  const resourceVersion = text("resourceVersion");
  const match = text("resourceVersionMatch");
  const byName = name ? `metadata.name=${name}` : undefined;
  const fieldSelector = [text("fieldSelector"), byName].filter(Boolean).join(",") || undefined;
  const labelSelector = text("labelSelector");
  return {
    namespace,
    ...(labelSelector ? { labelSelector } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
    ...(limit ? { limit } : {}),
    ...(continueToken ? { continue: continueToken } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(match ? { resourceVersionMatch: match } : {}),
  };
}

export function watchParameters(query: URLSearchParams, namespace: string, name = ""): WatchParameters {
  const sendInitialEvents = query.get("sendInitialEvents");
  const list = listParameters(query, namespace, name);
  const field = "resourceVersionMatch";
  const match = list.resourceVersionMatch;
  const refuse = (detail: string) => {
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [forbiddenField(field, detail)]);
  };
  if (sendInitialEvents === null && match !== undefined)
    refuse(`${field} is forbidden for watch unless sendInitialEvents is provided`);
  if (sendInitialEvents !== null && match !== "NotOlderThan")
    refuse(`sendInitialEvents requires setting ${field} to NotOlderThan`);
  return {
    ...list,
    ...(isTrue(query.get("allowWatchBookmarks")) ? { allowBookmarks: true } : {}),
    ...(sendInitialEvents !== null ? { sendInitialEvents: isTrue(sendInitialEvents) } : {}),
  };
}

/** An integer parameter, undefined when absent or empty. Throws BadRequest. */
export function integer(query: URLSearchParams, key: string): number | undefined {
  const text = query.get(key);
  if (text === null || text === "") return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw badRequest(`unable to parse "${text}" of query parameter ${key} as an integer`);
  return Number(text);
}

const isOneOf = <T extends string>(allowed: readonly T[], value: unknown): value is T =>
  (allowed as readonly unknown[]).includes(value);

const dryRunErrors = (values: readonly string[]): FieldError[] =>
  values.filter((value) => value !== "All").map((value) => notSupported("dryRun", [value], ["All"]));
