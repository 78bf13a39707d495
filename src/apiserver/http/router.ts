// From a request to its outcome: authenticate, impersonate, authorize what no verb authorizes itself, answer. Whatever
// goes wrong becomes a Status; nothing a client sends can throw past here.
import { authenticate, isOpenPath } from "../auth/authenticate.ts";
import { impersonate } from "../auth/impersonate.ts";
import type { Aggregation } from "../aggregation/aggregation.ts";
import type { Auditor, AuditRecord } from "../audit/auditor.ts";
import type { Remote } from "../aggregation/remotes.ts";
import { denialOf } from "../core/authorize.ts";
import { StatusError, statusError } from "../../machinery/errors.ts";
import type { Awaitable } from "../../machinery/turn.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Attributes, UserInfo } from "../types.ts";
import { compressed } from "./compress.ts";
import { EdgeContext } from "./context.ts";
import { createDiscovery, type Discovery, type ResourceRow } from "./discovery.ts";
import {
  errorResponse,
  textResponse,
  upgraded,
  type EdgeRequest,
  type EdgeResponse,
  type Outcome,
} from "./exchange.ts";
import { passGate, withHeaders } from "./gate.ts";
import { answerPath } from "./health.ts";
import type { RequestSeries } from "./metrics.ts";
import { prepareAccess } from "./prepare-access.ts";
import { answerProfile } from "./profiling.ts";
import { parseRequest, type RequestInfo, type ResourceRequest } from "./request-info.ts";
import { answerResource, bodyDecoder } from "./resources.ts";
import type { EdgeServices } from "./services.ts";
import { prefersYaml, yamlResponse } from "./yaml.ts";

/** A request that has a user and, mostly, the right to what it asks. */
export interface AuthorizedCall {
  readonly services: EdgeServices;
  readonly request: EdgeRequest;
  readonly info: ResourceRequest;
  readonly user: UserInfo;
  readonly record?: AuditRecord | undefined;
}

/** Answers below the generic verbs: streams, proxies, computed APIs. Keys are `group/resource` or `group/resource/subresource`. */
export type ExtraHandlers = Readonly<Record<string, (call: AuthorizedCall) => Outcome | Promise<Outcome>>>;

export interface RouterOptions {
  readonly services: EdgeServices;
  readonly extra: ExtraHandlers;
  /** Resources that the extra handlers answer on top of the kinds. */
  readonly computed: readonly ResourceRow[];
  /** Documents outside of /api and /apis, such as OpenAPI; undefined when the path is not theirs. */
  readonly documents: (request: EdgeRequest) => Promise<EdgeResponse | undefined> | undefined;
  /** Absent: no other server answers anything. */
  readonly aggregation?: Aggregation | undefined;
  /** Absent: nobody keeps a record. */
  readonly audit?: Auditor | undefined;
}

export type Router = (request: EdgeRequest) => Promise<Outcome>;

export function createRouter(options: RouterOptions): Router {
  const { services } = options;
  const discovery = createDiscovery(services.kinds, options.computed, options.aggregation);
  const extra = extraHandlers(options.extra);
  const seriesOf = requestSeries(services);
  return async (request) => {
    const started = performance.now();
    const mutating = request.method !== "GET" && request.method !== "HEAD";
    services.metrics.requestStarted(mutating);
    let info: RequestInfo | undefined;
    let outcome: Outcome;
    const warnings: string[] = [];
    const headers: Record<string, string> = {};
    let caller: UserInfo | undefined;
    let record: AuditRecord | undefined;
    const remote = options.aggregation?.find(request.path);
    try {
      info = parseRequest(request.method, request.path, request.query);
      const proven = authenticate(request, services.authentication);
      caller = proven instanceof Promise ? await proven : proven;
      record = options.audit?.begin(request, info, caller);
      const acting = impersonate(caller, request.headers, services.api.authorizer);
      const user = acting instanceof Promise ? await acting : acting;
      record?.actsAs(user);
      const { prepare } = services.api.authorizer;
      if (prepare) {
        const kind =
          info.type === "resource" ? services.kinds.byResource(info.group, info.version, info.resource) : undefined;
        await prepareAccess(prepare, info, { user, kind, query: request.query });
      }
      const asked = info;
      const answer = () =>
        remote
          ? answerRemote(options, { request, info: asked, user, record }, remote)
          : asked.type === "resource"
            ? answerObjects(extra, discovery, { services, request, info: asked, user, record }, warnings)
            : answerOther(options, discovery, request, asked.verb, user);
      const passed = passGate(
        services,
        { request, info, user, startedAt: started, streamsBody: remote !== undefined },
        headers,
        answer,
      );
      outcome = passed instanceof Promise ? await passed : passed;
      if (record) outcome = record.answered(outcome, { decode: remote ? undefined : bodyDecoder(services) });
      if (outcome !== upgraded && prefersYaml(request.headers.accept)) outcome = await yamlResponse(outcome);
      if (outcome !== upgraded) {
        const sent = compressed(request, withWarnings(outcome, warnings));
        outcome = sent instanceof Promise ? await sent : sent;
      }
    } catch (error) {
      if (!(error instanceof StatusError)) {
        services.log.error({ error, path: request.path, method: request.method }, "a request failed unexpectedly");
      }
      outcome = withWarnings(errorResponse(error, request.headers.accept), warnings);
      if (prefersYaml(request.headers.accept)) outcome = await yamlResponse(outcome);
      if (info && !caller) record = options.audit?.begin(request, info, undefined);
      record?.answered(outcome, { error });
    }
    if (record) headers["audit-id"] = record.id;
    outcome = withHeaders(outcome, headers);
    const code = outcome === upgraded ? 101 : outcome.status;
    const series = seriesOf(info, remote);
    services.metrics.requestDone(series, code, (performance.now() - started) / 1000, mutating);
    if (series.labels.verb === "WATCH" && code === 200 && !request.signal.aborted) {
      request.signal.addEventListener("abort", services.metrics.watchStarted(series), { once: true });
    }
    return outcome;
  };
}

/** Looks a handler up; most requests have none, which is told without putting a key together. */
function extraHandlers(handlers: ExtraHandlers): (info: ResourceRequest) => ExtraHandlers[string] | undefined {
  const names = new Set(Object.keys(handlers).map((key) => key.split("/").slice(2).join("/")));
  return ({ group, version, resource, subresource }) => {
    const name = subresource ? `${resource}/${subresource}` : resource;
    return names.has(name) ? handlers[`${group}/${version}/${name}`] : undefined;
  };
}

const countedVerbs: ReadonlySet<string> = new Set(
  "get list watch create update patch delete deletecollection".split(" "),
);

/** Finds the series that a request counts in. What is not served shares one, so that clients cannot make up new ones. */
function requestSeries({ kinds, metrics }: EdgeServices) {
  const other = metrics.series({ verb: "OTHER", group: "", version: "", resource: "", subresource: "" });
  const known = new WeakMap<AnyKind, Map<string, RequestSeries>>();
  const make = ({ verb, group, version, resource, subresource }: ResourceRequest): RequestSeries =>
    metrics.series({ verb: verb.toUpperCase(), group, version, resource, subresource });
  return (info: RequestInfo | undefined, remote: Remote | undefined): RequestSeries => {
    if (info?.type !== "resource") return other;
    const { verb, subresource } = info;
    if (remote) {
      const name = subresource ? `${info.resource}/${subresource}` : info.resource;
      return countedVerbs.has(verb) && remote.resources.some((row) => row.name === name) ? make(info) : other;
    }
    const kind = kinds.byResource(info.group, info.version, info.resource);
    if (!kind) return other;
    let series = known.get(kind);
    if (!series) known.set(kind, (series = new Map()));
    const key = subresource ? `${verb}/${subresource}` : verb;
    const found = series.get(key);
    if (found) return found;
    if (!countedVerbs.has(verb) || !hasSubresource(kind, subresource)) return other;
    const made = make(info);
    series.set(key, made);
    return made;
  };
}

function hasSubresource({ subresources }: AnyKind, name: string): boolean {
  const { status, scale, special } = subresources ?? {};
  return (
    name === "" ||
    (name === "status" && status === true) ||
    (name === "scale" && scale !== undefined) ||
    (special?.includes(name) ?? false)
  );
}

function answerObjects(
  extra: ReturnType<typeof extraHandlers>,
  discovery: Discovery,
  call: AuthorizedCall,
  warnings: string[],
): Awaitable<Outcome> {
  const { services, request, info, user, record } = call;
  const handler = extra(info);
  if (handler) {
    authorizeResource(call);
    return handler(call);
  }
  const kind = services.kinds.byResource(info.group, info.version, info.resource);
  if (!kind || (kind.namespaced && !info.namespace && info.name)) {
    authorizeResource(call);
    return notServed(discovery, info);
  }
  const context = new EdgeContext(request, user, warnings, record);
  if (kind.custom?.deprecationWarning) warnings.push(kind.custom.deprecationWarning);
  const response = answerResource({ services, request, info, kind, context });
  return info.verb === "watch" && request.upgrade?.protocol === "websocket"
    ? overWebSocket(request, request.upgrade, response)
    : response;
}

async function overWebSocket(
  request: EdgeRequest,
  upgrade: NonNullable<EdgeRequest["upgrade"]>,
  watch: Awaitable<EdgeResponse>,
): Promise<Outcome> {
  const response = await watch;
  if (typeof response.body !== "function") return response;
  const { serveLines } = await import("../streaming/watch-socket.ts");
  return serveLines(request, upgrade, response.body);
}

async function answerOther(
  options: RouterOptions,
  discovery: Discovery,
  request: EdgeRequest,
  verb: string,
  user: UserInfo,
): Promise<EdgeResponse> {
  if (!isOpenPath(request.path)) authorizePath(options.services, user, verb, request.path);
  if (request.method === "GET" || request.method === "HEAD") {
    const answer =
      discovery.answer(request) ??
      answerPath(options.services, request) ??
      (await (options.documents(request) ?? answerProfile(request)));
    if (answer) return answer;
  }
  return pageNotFound();
}

/** Another server answers, to which this one vouches for the user. */
function answerRemote(
  { services, aggregation }: RouterOptions,
  { request, info, user, record }: Omit<AuthorizedCall, "services" | "info"> & { readonly info: RequestInfo },
  remote: Remote,
): Promise<Outcome> {
  if (info.type === "resource") authorizeResource({ services, request, info, user });
  else authorizePath(services, user, info.verb, request.path);
  return aggregation!.serve(request, user, remote, record?.id);
}

const pageNotFound = () => textResponse("404 page not found\n", 404);

function notServed(discovery: Discovery, info: ResourceRequest): EdgeResponse {
  if (!discovery.serves(info.group, info.version)) return pageNotFound();
  throw statusError("NotFound", "the server could not find the requested resource", {
    ...(info.name ? { name: info.name } : {}),
    ...(info.group ? { group: info.group } : {}),
    kind: info.resource,
  });
}

/** Throws Forbidden unless the user may do what the request asks, or `verb` in its place. */
export function authorizeResource({ services, info, user }: AuthorizedCall, verb = info.verb): void {
  const { group, version, resource, subresource, namespace, name } = info;
  const attributes: Attributes = { user, verb, group, version, resource, subresource, namespace, name };
  const { allowed, reason } = services.api.authorizer.authorize(attributes);
  if (allowed) return;
  const what = group ? `${resource}.${group}` : resource;
  throw statusError(
    "Forbidden",
    `${what}${name ? ` ${JSON.stringify(name)}` : ""} is forbidden: ${denialOf(attributes, reason)}`,
    {
      ...(name ? { name } : {}),
      ...(group ? { group } : {}),
      kind: resource,
    },
  );
}

const nowhere = { group: "", version: "", resource: "", subresource: "", namespace: "", name: "" };

function authorizePath({ api }: EdgeServices, user: UserInfo, verb: string, path: string): void {
  const { allowed, reason } = api.authorizer.authorize({ ...nowhere, user, verb, path });
  if (allowed) return;
  const why = reason ? `: ${reason}` : "";
  throw statusError(
    "Forbidden",
    `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}${why}`,
    {},
  );
}

/** As Warning headers; at most as many bytes as clients surely accept. */
function withWarnings(response: EdgeResponse, warnings: readonly string[]): EdgeResponse {
  if (warnings.length === 0) return response;
  const lines: string[] = [];
  let room = 4096;
  const texts = [...new Set(warnings)];
  // Long ones are cut before any is left out.
  const most = texts.join("").length > room ? 256 : room;
  for (const text of texts) {
    const line = `299 - "${text
      .slice(0, most)
      .replace(/[\\"]/g, "\\$&")
      .replace(/[^\x20-\x7e]/g, "?")}"`;
    room -= line.length;
    if (room < 0) break;
    lines.push(line);
  }
  return { ...response, headers: { ...response.headers, warning: lines } };
}
