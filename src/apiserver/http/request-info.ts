// What a URL asks for: the one path parser. Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/endpoints/request
// (RequestInfo: prefixes, verbs, namespace subresources).
import { badRequest } from "../../machinery/errors.ts";

/** A request on API objects. `group` "" is the core group; empty strings stand for absent parts. */
export interface ResourceRequest {
  readonly type: "resource";
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource (proxying), percent-encoded, with its leading slash, or "". */
  readonly rest: string;
}

export interface NonResourceRequest {
  readonly type: "nonResource";
  /** Lower-case HTTP method. */
  readonly verb: string;
  readonly path: string;
}

export type RequestInfo = ResourceRequest | NonResourceRequest;

const verbs: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};
const namespaceSubresources = new Set(["status", "finalize"]);

/** Throws BadRequest for broken percent-encoding. `path` has no query. */
export function parseRequest(method: string, path: string, query: URLSearchParams): RequestInfo {
  const nonResource: NonResourceRequest = { type: "nonResource", verb: method.toLowerCase(), path };
  const raw = path.split("/").slice(1);
  if (raw.at(-1) === "") raw.pop();
  const grouped = raw[0] === "apis";
  if ((!grouped && raw[0] !== "api") || raw.length < (grouped ? 4 : 3)) return nonResource;
  const group = grouped ? decode(raw[1]!) : "";
  const version = decode(raw[grouped ? 2 : 1]!);
  let at = grouped ? 3 : 2;
  const verb = verbs[method] ?? method.toLowerCase();
  const legacy = raw[at] === "watch" || raw[at] === "proxy" ? raw[at] : undefined;
  if (legacy) at++;
  if (at >= raw.length) return nonResource;
  let namespace = "";
  if (raw[at] === "namespaces") {
    const name = raw[at + 1];
    const next = raw[at + 2];
    if (name !== undefined && name !== "") {
      namespace = decode(name);
      if (next !== undefined && !namespaceSubresources.has(next)) at += 2;
    }
  }
  const resource = decode(raw[at] ?? "");
  const name = decode(raw[at + 1] ?? "");
  const subresource = decode(raw[at + 2] ?? "");
  const rest = raw.length > at + 3 ? `/${raw.slice(at + 3).join("/")}` : "";
  return {
    type: "resource",
    verb: refineVerb(legacy === "watch" ? "watch" : verb, name, query),
    group,
    version,
    namespace: resource === "namespaces" ? name : namespace,
    resource,
    name,
    subresource,
    rest: rest && path.endsWith("/") ? `${rest}/` : subresource && path.endsWith("/") && !rest ? "/" : rest,
  };
}

/** Without a name a get is a list or a watch, and a delete is a deletecollection. */
function refineVerb(verb: string, name: string, query: URLSearchParams): string {
  if (name !== "") return verb;
  if (verb === "get") return isTrue(query.get("watch")) ? "watch" : "list";
  return verb === "delete" ? "deletecollection" : verb;
}

/** How Kubernetes reads a boolean query parameter: present and neither `false` nor `0` is true. */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== "false" && value !== "0";
}

function decode(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path segment ${JSON.stringify(segment)} is not valid percent-encoding`);
  }
}
