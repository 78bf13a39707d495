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

/** The parts of a path between slashes, one after the other; a slash at the end ends the last one. */
class Segments {
  readonly #path: string;
  readonly #end: number;
  #at: number;

  constructor(path: string) {
    this.#path = path;
    this.#end = path.endsWith("/") ? path.length - 1 : path.length;
    this.#at = path.indexOf("/") + 1;
  }

  /** Undefined when there is none left. */
  next(): string | undefined {
    if (this.#at > this.#end) return undefined;
    const slash = this.#path.indexOf("/", this.#at);
    const end = slash < 0 ? this.#end : slash;
    const segment = this.#path.slice(this.#at, end);
    this.#at = end + 1;
    return segment;
  }

  /** What is left, with the slashes before and behind it. */
  get rest(): string {
    return this.#path.slice(this.#at - 1);
  }
}

/** Throws BadRequest for broken percent-encoding. `path` has no query. */
export function parseRequest(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = new Segments(path);
  const root = segments.next();
  const isResource = root === "api" || root === "apis";
  const group = root === "apis" ? segments.next() : "";
  const version = isResource ? segments.next() : undefined;
  let resource = isResource ? segments.next() : undefined;
  const legacy = resource === "watch" || resource === "proxy" ? resource : undefined;
  if (legacy) resource = segments.next();
  if (group === undefined || version === undefined || resource === undefined) {
    return { type: "nonResource", verb: method.toLowerCase(), path };
  }
  let name = segments.next() ?? "";
  let subresource = segments.next();
  let namespace = "";
  if (resource === "namespaces" && name !== "") {
    namespace = decode(name);
    if (subresource !== undefined && !namespaceSubresources.has(subresource)) {
      resource = subresource;
      name = segments.next() ?? "";
      subresource = segments.next();
    }
  }
  name = decode(name);
  const verb = legacy === "watch" ? "watch" : (verbs[method] ?? method.toLowerCase());
  return {
    type: "resource",
    verb: name === "" ? refineVerb(verb, query) : verb,
    group: decode(group),
    version: decode(version),
    namespace: resource === "namespaces" ? name : namespace,
    resource: decode(resource),
    name,
    subresource: decode(subresource ?? ""),
    rest: subresource ? segments.rest : "",
  };
}

/** Without a name a get is a list or a watch, and a delete is a deletecollection. */
function refineVerb(verb: string, query: URLSearchParams): string {
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
