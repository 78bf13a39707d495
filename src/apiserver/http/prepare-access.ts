// What the verbs will ask the authorizer about a request, told beforehand: an authorizer that asks others has time for it.
import { attributesOf } from "../core/authorize.ts";
import { selectionOf, type Selection } from "../core/selection.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Attributes, Authorizer, UserInfo } from "../types.ts";
import { listParameters } from "./query.ts";
import type { RequestInfo, ResourceRequest } from "./request-info.ts";

/** `kind` is that of the resource, if it is one of ours. Never rejects. */
export async function prepareAccess(
  prepare: NonNullable<Authorizer["prepare"]>,
  info: RequestInfo,
  {
    user,
    kind,
    query,
  }: { readonly user: UserInfo; readonly kind: AnyKind | undefined; readonly query: URLSearchParams },
): Promise<void> {
  if (info.type === "nonResource") {
    const none = { group: "", version: "", resource: "", subresource: "", namespace: "", name: "" };
    return prepare({ ...none, user, verb: info.verb, path: info.path });
  }
  const { verb, group, version, resource, subresource, namespace, name } = info;
  const main: Attributes = { user, verb, group, version, resource, subresource, namespace, name };
  const selection = kind && selective.has(verb) ? selectionIn(kind, info, query) : undefined;
  if (kind && selection && !selection.all) {
    const target = { namespace, name: verb === "deletecollection" ? "" : selection.name };
    return prepare(attributesOf(user, kind, verb, target, "", selection));
  }
  const all = [main];
  // What may make the object and what opens a stream counts as something else, too.
  if (verb === "patch" && !subresource) all.push({ ...main, verb: "create", name: "" });
  if (verb === "get" && subresource && subresource !== "status") all.push({ ...main, verb: "create" });
  await Promise.all(all.map((attributes) => prepare(attributes)));
}

const selective: ReadonlySet<string> = new Set(["list", "watch", "deletecollection"]);

/** Undefined when the selectors are broken: the verb will say so. */
function selectionIn(kind: AnyKind, info: ResourceRequest, query: URLSearchParams): Selection | undefined {
  try {
    const name = info.verb === "watch" ? info.name : "";
    const { labelSelector, fieldSelector } = listParameters(query, info.namespace, name);
    return selectionOf(kind, labelSelector, fieldSelector);
  } catch {
    return undefined;
  }
}
