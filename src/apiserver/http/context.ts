// Who asks, as the verbs want to know it.
import type { AuditRecord } from "../audit/auditor.ts";
import type { RequestContext, UserInfo } from "../types.ts";
import type { EdgeRequest } from "./exchange.ts";

export class EdgeContext implements RequestContext {
  readonly user: UserInfo;
  readonly userAgent: string;
  readonly trusted = false;
  readonly warnings: string[];
  readonly auditAnnotations: Map<string, string> | undefined;
  readonly onBody: ((body: unknown) => void) | undefined;
  readonly #request: EdgeRequest;

  constructor(request: EdgeRequest, user: UserInfo, warnings: string[], record: AuditRecord | undefined) {
    this.#request = request;
    this.user = user;
    this.userAgent = agentOf(request.headers["user-agent"] ?? "");
    this.warnings = warnings;
    this.auditAnnotations = record?.annotations;
    this.onBody = record && ((body) => record.sent(body));
  }

  /** Read when needed: a signal made and aborted for every request would cost more than many a request. */
  get signal(): AbortSignal {
    return this.#request.signal;
  }
}

function agentOf(header: string): string {
  const slash = header.indexOf("/");
  return header.slice(0, Math.min(slash < 0 ? header.length : slash, 128)) || "unknown";
}
