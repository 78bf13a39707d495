// Asks the authorizer about one request and words the refusal as clients know it.
import type { AnyKind } from "../../kinds/registry.ts";
import { statusError } from "../../machinery/errors.ts";
import type { Attributes, Authorizer, RequestContext, UserInfo } from "../types.ts";
import type { Selection } from "./selection.ts";

/** "User "jane" cannot list resource "pods" in API group "" in the namespace "default"". */
export function denialOf(attributes: Attributes, reason: string): string {
  const { user, verb, group, resource, subresource, namespace } = attributes;
  const what = subresource ? `${resource}/${subresource}` : resource;
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : "at the cluster scope";
  const text = `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
  return reason ? `${text}: ${reason}` : text;
}

interface AccessTarget {
  readonly namespace: string;
  readonly name?: string | undefined;
}

/** What the authorizer is asked about a verb on a kind. */
export const attributesOf = (
  user: UserInfo,
  kind: AnyKind,
  verb: string,
  { namespace, name = "" }: AccessTarget,
  subresource: string,
  selection?: Selection,
): Attributes => ({
  user,
  verb,
  group: kind.group,
  version: kind.version,
  resource: kind.plural,
  subresource,
  namespace: kind.namespaced ? namespace : kind.isNamespace ? name : "",
  name,
  ...(selection && !selection.all ? { fieldSelector: selection.fields, labelSelector: selection.labels } : {}),
});

/** Throws Forbidden unless the request is trusted or the authorizer allows it. */
export function authorize(
  authorizer: Authorizer,
  context: RequestContext,
  kind: AnyKind,
  verb: string,
  target: AccessTarget,
  subresource = "",
  selection?: Selection,
): void {
  if (context.trusted) return;
  const attributes = attributesOf(context.user, kind, verb, target, subresource, selection);
  const { allowed, reason } = authorizer.authorize(attributes);
  if (allowed) return;
  const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural;
  const name = attributes.name ? ` ${JSON.stringify(attributes.name)}` : "";
  throw statusError("Forbidden", `${resource}${name} is forbidden: ${denialOf(attributes, reason)}`, {
    ...(attributes.name ? { name: attributes.name } : {}),
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.plural,
  });
}
