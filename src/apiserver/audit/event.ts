// Audit events as audit.k8s.io/v1 has them. Objects go in as JSON text, so that nothing is parsed only to be written again.
// Follows kubernetes v1.36 apiserver/pkg/audit/request.go.
import type { IncomingHttpHeaders } from "node:http";
import type { Status } from "../../machinery/errors.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { UserInfo } from "../types.ts";
import type { Level, Stage } from "./policy.ts";

/** What all events of one request share, filled as it becomes known. */
export interface AuditedRequest {
  readonly auditID: string;
  readonly level: Level;
  readonly requestURI: string;
  readonly info: RequestInfo;
  readonly user: UserInfo | undefined;
  readonly sourceIPs: readonly string[];
  readonly userAgent: string;
  readonly received: string;
  readonly annotations: ReadonlyMap<string, string>;
  impersonated?: UserInfo | undefined;
  /** Of the object that the client sent. */
  sent?: { readonly name?: string; readonly uid?: string; readonly resourceVersion?: string } | undefined;
  /** JSON text. */
  requestObject?: string | undefined;
}

const userOf = (user: UserInfo | undefined) =>
  user
    ? {
        username: user.name,
        ...(user.uid ? { uid: user.uid } : {}),
        groups: user.groups,
        ...(user.extra ? { extra: user.extra } : {}),
      }
    : {};

function objectRef({ info, sent = {} }: AuditedRequest) {
  if (info.type === "nonResource") return {};
  const name = info.name || sent.name;
  return {
    objectRef: {
      resource: info.resource,
      ...(info.namespace ? { namespace: info.namespace } : {}),
      ...(name ? { name } : {}),
      ...(sent.uid ? { uid: sent.uid } : {}),
      ...(info.group ? { apiGroup: info.group } : {}),
      apiVersion: info.version,
      ...(sent.resourceVersion ? { resourceVersion: sent.resourceVersion } : {}),
      ...(info.subresource ? { subresource: info.subresource } : {}),
    },
  };
}

/** What the event tells of the answer: its code, and the rest of a Status that is one. */
export const responseStatus = (code: number, status?: Partial<Status>) => ({
  metadata: {},
  ...(status?.status ? { status: status.status } : {}),
  ...(status?.message ? { message: status.message } : {}),
  ...(status?.reason ? { reason: status.reason } : {}),
  ...(status?.details ? { details: status.details } : {}),
  code,
});

export interface Answered {
  readonly status: ReturnType<typeof responseStatus>;
  /** JSON text. */
  readonly object?: string | undefined;
}

/** The event of a stage in one line of JSON; `at` is its time. */
export function eventLine(request: AuditedRequest, stage: Stage, at: string, answered?: Answered): string {
  const event = {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: request.level,
    auditID: request.auditID,
    stage,
    requestURI: request.requestURI,
    verb: request.info.verb,
    user: userOf(request.user),
    ...(request.impersonated ? { impersonatedUser: userOf(request.impersonated) } : {}),
    sourceIPs: request.sourceIPs,
    userAgent: request.userAgent,
    ...objectRef(request),
    ...(answered ? { responseStatus: answered.status } : {}),
    requestReceivedTimestamp: request.received,
    stageTimestamp: at,
    ...(request.annotations.size > 0 ? { annotations: Object.fromEntries(request.annotations) } : {}),
  };
  let line = JSON.stringify(event);
  const add = (key: string, text: string | undefined) => {
    if (text) line = `${line.slice(0, -1)},"${key}":${text}}`;
  };
  if (stage !== "RequestReceived") add("requestObject", request.requestObject);
  add("responseObject", answered?.object);
  return line;
}

/** The object as JSON text in one line, without its managedFields (or those of its items) when told so. */
export function objectText(object: unknown, omitManagedFields: boolean): string {
  if (!omitManagedFields) return JSON.stringify(object);
  const without = (one: unknown): unknown => {
    const { metadata, items } = (one ?? {}) as { metadata?: object; items?: unknown };
    if (one === null || typeof one !== "object") return one;
    return {
      ...one,
      ...(metadata ? { metadata: { ...metadata, managedFields: undefined } } : {}),
      ...(Array.isArray(items) ? { items: items.map(without) } : {}),
    };
  };
  return JSON.stringify(Array.isArray(object) ? object : without(object));
}

/** Where the request comes from: what proxies on the way say, then the connection itself. */
export function sourceIPs(headers: IncomingHttpHeaders, address: string | undefined): string[] {
  const forwarded = [headers["x-forwarded-for"] ?? []].flat().flatMap((line) => line.split(","));
  const known = [...forwarded, headers["x-real-ip"] as string | undefined, address?.replace(/^::ffff:/, "")];
  return [...new Set(known.map((one) => one?.trim()).filter((one): one is string => Boolean(one)))];
}

const maxUserAgent = 1024;
export const userAgentOf = ({ "user-agent": agent = "" }: IncomingHttpHeaders): string =>
  agent.length > maxUserAgent ? `${agent.slice(0, maxUserAgent)}...TRUNCATED` : agent;
