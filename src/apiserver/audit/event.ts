// Audit events as audit.k8s.io/v1 has them. Objects go in as JSON text, so that nothing is parsed only to be written again.
// Follows kubernetes v1.36 apiserver/pkg/audit/request.go.
import type { IncomingHttpHeaders } from "node:http";
import { formatMicroTime } from "../../machinery/clock.ts";
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

// Fields without a value are undefined, which JSON leaves out: objects of one shape are faster than spreads.
const userOf = (user: UserInfo | undefined) =>
  user ? { username: user.name, uid: user.uid || undefined, groups: user.groups, extra: user.extra } : {};

const objectRef = ({ info, sent }: AuditedRequest) =>
  info.type === "nonResource"
    ? undefined
    : {
        resource: info.resource,
        namespace: info.namespace || undefined,
        name: info.name || sent?.name,
        uid: sent?.uid,
        apiGroup: info.group || undefined,
        apiVersion: info.version,
        resourceVersion: sent?.resourceVersion,
        subresource: info.subresource || undefined,
      };

/** What the event tells of the answer: its code, and the rest of a Status that is one. */
export const responseStatus = (code: number, status?: Partial<Status>) => ({
  metadata: {},
  status: status?.status,
  message: status?.message,
  reason: status?.reason,
  details: status?.details,
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
    impersonatedUser: request.impersonated && userOf(request.impersonated),
    sourceIPs: request.sourceIPs,
    userAgent: request.userAgent,
    objectRef: objectRef(request),
    responseStatus: answered?.status,
    requestReceivedTimestamp: request.received,
    stageTimestamp: at,
    annotations: request.annotations.size > 0 ? Object.fromEntries(request.annotations) : undefined,
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
  if (!headers["x-forwarded-for"] && !headers["x-real-ip"]) return address ? [plainAddress(address)] : [];
  const forwarded = [headers["x-forwarded-for"] ?? []].flat().flatMap((line) => line.split(","));
  const known = [...forwarded, headers["x-real-ip"] as string | undefined, address && plainAddress(address)];
  return [...new Set(known.map((one) => one?.trim()).filter((one): one is string => Boolean(one)))];
}

const plainAddress = (address: string) => (address.startsWith("::ffff:") ? address.slice(7) : address);

let stamped = { at: -1, text: "" };

/** The time as events have it; most of them share their millisecond with another. */
export function timestamp(epochMs: number): string {
  if (stamped.at !== epochMs) stamped = { at: epochMs, text: formatMicroTime(epochMs) };
  return stamped.text;
}

const maxUserAgent = 1024;
export const userAgentOf = ({ "user-agent": agent = "" }: IncomingHttpHeaders): string =>
  agent.length > maxUserAgent ? `${agent.slice(0, maxUserAgent)}...TRUNCATED` : agent;
