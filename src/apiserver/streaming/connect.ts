// Admission of requests that connect: it sees their parameters as an object of options and may refuse or change them.
// Follows kubernetes v1.36 apiserver/pkg/endpoints/handlers/rest.go (ConnectResource).
import { deepEqual } from "../../machinery/equal.ts";
import type { Outcome } from "../http/exchange.ts";
import { isTrue } from "../http/request-info.ts";
import type { AuthorizedCall } from "../http/router.ts";

type Handler = (call: AuthorizedCall) => Outcome | Promise<Outcome>;

const flags = ["stdin", "stdout", "stderr", "tty"];
const lists = ["command", "ports"];

/** The parameters as an object, and back. */
function optionsOf(kind: string, { request, info }: AuthorizedCall) {
  const { query } = request;
  if (kind.endsWith("ProxyOptions")) return { kind, ...(info.rest ? { path: info.rest } : {}) };
  const options: Record<string, unknown> & { readonly kind: string } = { kind };
  for (const name of new Set(query.keys())) {
    if (flags.includes(name)) options[name] = isTrue(query.get(name));
    else if (lists.includes(name)) options[name] = name === "ports" ? portsOf(query.getAll(name)) : query.getAll(name);
    else if (name === "container") options[name] = query.get(name);
  }
  return options;
}

const portsOf = (texts: readonly string[]) => texts.flatMap((text) => text.split(",")).map(Number);

function replaceQuery(query: URLSearchParams, options: object): void {
  for (const name of new Set(query.keys())) query.delete(name);
  for (const [name, value] of Object.entries(options)) {
    if (name === "kind" || name === "apiVersion") continue;
    for (const one of [value].flat()) query.append(name, String(one));
  }
}

/** The handler, run when admission lets the request through. `kind` is the one of its options. */
export const connecting =
  (kind: string, handler: Handler): Handler =>
  async (call) => {
    const { services, request, info, user, record } = call;
    const resource = services.kinds.byResource(info.group, info.version, info.resource)!;
    const auditAnnotations = record?.annotations;
    const context = { user, userAgent: "", trusted: false, warnings: [], auditAnnotations };
    const options = optionsOf(kind, call);
    const admitted = await services.api.connect(context, resource, info, info.subresource, options);
    // Proxies pass on the path and query that they were sent.
    const isSame = kind.endsWith("ProxyOptions") || deepEqual({ ...options, apiVersion: "v1" }, admitted);
    if (!isSame) replaceQuery(request.query, admitted);
    return handler(call);
  };
