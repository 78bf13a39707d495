// Where the API has a kind, an object or a subresource, and what goes into the query.
import type { ListOptions, WriteOptions } from "./client.ts";
import type { Kind } from "../kinds/kind.ts";

export interface Target {
  readonly name?: string;
  readonly namespace?: string | undefined;
  readonly subresource?: string | undefined;
}

/** `/apis/apps/v1/namespaces/default/deployments/web/status` and the like; without a name the collection. */
export function apiPath(
  kind: Pick<Kind, "group" | "version" | "plural" | "namespaced">,
  { name, namespace, subresource }: Target,
): string {
  const parts = kind.group ? ["/apis", kind.group, kind.version] : ["/api", kind.version];
  if (kind.namespaced && namespace) parts.push("namespaces", encodeURIComponent(namespace));
  parts.push(kind.plural);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  return parts.join("/");
}

/** `?a=b&c=d`, or nothing; undefined values are left out. */
export function query(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text ? `?${text}` : "";
}

export const listQuery = (options: ListOptions): Record<string, string | number | undefined> => ({
  labelSelector: options.labelSelector || undefined,
  fieldSelector: options.fieldSelector || undefined,
  limit: options.limit,
  continue: options.continue,
  resourceVersion: options.resourceVersion,
});

export const writeQuery = (options: WriteOptions = {}): Record<string, string | undefined> => ({
  dryRun: options.dryRun ? "All" : undefined,
  fieldManager: options.fieldManager,
  fieldValidation: options.fieldValidation,
});
