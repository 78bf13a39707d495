// Follows each request through its stages and tells the sinks what the policy wants told.
// Follows kubernetes v1.36 apiserver/pkg/endpoints/filters/audit.go (stages, failed authentication).
import { randomUUID } from "node:crypto";
import type { Clock } from "../../machinery/clock.ts";
import { statusCodes, StatusError, type Status } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import type { MetricFamily } from "../../machinery/metrics.ts";
import { isOpenPath } from "../auth/authenticate.ts";
import { upgraded, type BodySink, type EdgeRequest, type EdgeResponse, type Outcome } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { Attributes, Authorizer, UserInfo } from "../types.ts";
import {
  eventLine,
  objectText,
  responseStatus,
  sourceIPs,
  timestamp,
  userAgentOf,
  type Answered,
  type AuditedRequest,
} from "./event.ts";
import { reaches, type AuditDecision, type AuditPolicy, type Level, type Stage } from "./policy.ts";
import type { AuditSink } from "./sink.ts";

export interface AuditorOptions {
  readonly policy: AuditPolicy;
  /** Makes the sinks; they say what they lose. */
  readonly sinks: (lost: (name: AuditSink["name"]) => (count: number, error: unknown) => void) => readonly AuditSink[];
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Auditor {
  /** A request whose user is known, or (undefined) who failed to prove to be anybody. Undefined when nothing is told of it. */
  begin(request: EdgeRequest, info: RequestInfo, user: UserInfo | undefined): AuditRecord | undefined;
  metrics(): MetricFamily[];
  /** Delivers what is still waiting. */
  close(): Promise<void>;
}

/** Reads the body of an answer as a value; rejects when it cannot. */
export type Decode = (body: Buffer, contentType: string | undefined) => Promise<unknown>;

export interface AuditRecord {
  /** Sent back as Audit-ID. */
  readonly id: string;
  /** Notes for the event; admission writes to them. */
  readonly annotations: Map<string, string>;
  /** Whom the request acts as. */
  actsAs(user: UserInfo): void;
  /** The decoded body of the request, before anything writes to it. */
  sent(body: unknown): void;
  /** Takes note of the answer. The outcome given back must be sent in its place. */
  answered(outcome: Outcome, how: Answering): Outcome;
}

export interface Answering {
  /** What the answer was made of, if it was an error. */
  readonly error?: unknown;
  /** Absent: the object of the answer is nobody's business here. */
  readonly decode?: Decode | undefined;
}

const longRunning = /^(?:attach|exec|log|portforward|proxy)$/;
/** What holds credentials is never told more of than who asked. */
const isSecretive = (info: RequestInfo): boolean =>
  info.type === "resource" && (info.subresource === "token" || info.resource === "tokenreviews");
/** Longer answers in pieces are told without their object. */
const maxObjectBytes = 8 * 1024 * 1024;

export function createAuditor({ policy, sinks: makeSinks, authorizer, clock, log }: AuditorOptions): Auditor {
  const levels = new Map<Level, number>();
  const errors = new Map<AuditSink["name"], number>();
  let told = 0;
  let complained = false;
  const sinks = makeSinks((name) => (count, error) => {
    errors.set(name, (errors.get(name) ?? 0) + count);
    if (!complained) log.warn({ error, sink: name }, "audit events are lost; further losses are only counted");
    complained = true;
  });
  const push = (line: string) => {
    told++;
    for (const sink of sinks) sink.push(line);
  };
  return {
    begin(request, info, user) {
      const decided = policy(user, info);
      const decision =
        isSecretive(info) && reaches(decided.level, "Request") ? { ...decided, ...withoutBodies } : decided;
      levels.set(decision.level, (levels.get(decision.level) ?? 0) + 1);
      return decision.level === "None"
        ? undefined
        : new Audited(request, info, user, { decision, authorizer, clock, push });
    },
    metrics: () => {
      const counter = (name: string, help: string, samples: MetricFamily["samples"]): MetricFamily => ({
        name: `apiserver_audit_${name}`,
        type: "counter",
        help,
        samples,
      });
      const samplesOf = (label: string, counts: ReadonlyMap<string, number>) =>
        [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
      return [
        counter("event_total", "Audit events that were told.", [{ value: told }]),
        counter("error_total", "Audit events that were lost, by sink.", samplesOf("plugin", errors)),
        counter("level_total", "Requests by how much the policy wants told of them.", samplesOf("level", levels)),
      ];
    },
    close: async () => void (await Promise.all(sinks.map((sink) => sink.close()))),
  };
}

const withoutBodies = { level: "Metadata" } as const;

interface Surroundings {
  readonly decision: AuditDecision;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly push: (line: string) => void;
}

class Audited implements AuditRecord {
  readonly id: string;
  readonly annotations = new Map<string, string>();
  readonly #request: EdgeRequest;
  readonly #info: RequestInfo;
  readonly #around: Surroundings;
  readonly #event: AuditedRequest;

  constructor(request: EdgeRequest, info: RequestInfo, user: UserInfo | undefined, around: Surroundings) {
    const { level } = around.decision;
    const { headers, path, search } = request;
    this.id = auditId(headers["audit-id"]);
    this.#request = request;
    this.#info = info;
    this.#around = around;
    this.#event = {
      auditID: this.id,
      level,
      requestURI: search ? `${path}?${search}` : path,
      info,
      user,
      sourceIPs: sourceIPs(headers, request.address),
      userAgent: userAgentOf(headers),
      received: timestamp(around.clock.now()),
      annotations: this.annotations,
    };
    if (user) this.#tell("RequestReceived");
  }

  actsAs(user: UserInfo): void {
    if (user !== this.#event.user) this.#event.impersonated = user;
  }

  sent(body: unknown): void {
    if (body === null || typeof body !== "object") return;
    const { metadata } = body as { metadata?: AuditedRequest["sent"] };
    const { name, uid, resourceVersion } = metadata ?? {};
    this.#event.sent = {
      ...(name ? { name } : {}),
      ...(uid ? { uid } : {}),
      ...(resourceVersion ? { resourceVersion } : {}),
    };
    if (!reaches(this.#event.level, "Request")) return;
    this.#event.requestObject = objectText(body, this.#around.decision.omitManagedFields);
  }

  answered(outcome: Outcome, { decode, error }: Answering): Outcome {
    if (!this.#event.user) {
      this.#tell("ResponseStarted", { status: responseStatus(401, { message: failedAuthentication(this.#request) }) });
      return outcome;
    }
    this.#noteDecision();
    if (error !== undefined && !(error instanceof StatusError)) {
      const { message } = error as Error;
      const status = { status: "Failure", message: `the server failed: ${message}`, reason: "InternalError" } as const;
      this.#tell("Panic", { status: responseStatus(statusCodes.InternalError, status) });
      return outcome;
    }
    const code = outcome === upgraded ? 101 : outcome.status;
    const status = error instanceof StatusError ? error.status : outcome === upgraded ? undefined : statusIn(outcome);
    const answered = { status: responseStatus(code, status) };
    const streams = outcome === upgraded || typeof outcome.body === "function";
    if (streams && this.#isLongRunning()) this.#tell("ResponseStarted", answered);
    if (outcome === upgraded || (streams && this.#request.method !== "HEAD"))
      return this.#followStream(outcome, answered, decode);
    void this.#complete(answered, outcome, decode);
    return outcome;
  }

  /** The last event comes when the stream has ended, with the object if it is one and not too long. */
  #followStream(outcome: Outcome, answered: Answered, decode: Decode | undefined): Outcome {
    const { signal } = this.#request;
    const isObject = outcome !== upgraded && decode && !this.#isLongRunning() && this.#tellsAnswers();
    const chunks: Uint8Array[] = [];
    let size = 0;
    const done = () => {
      const whole = isObject && size > 0 && size <= maxObjectBytes;
      void this.#complete(answered, whole ? { ...outcome, body: Buffer.concat(chunks) } : undefined, decode);
    };
    if (signal.aborted) done();
    else signal.addEventListener("abort", done, { once: true });
    if (!isObject) return outcome;
    const { body } = outcome;
    if (typeof body !== "function") return outcome;
    const taken = (chunk: Uint8Array) => {
      size += chunk.length;
      // A copy: the bytes are used again once they are sent.
      if (size <= maxObjectBytes) chunks.push(Buffer.from(chunk));
      else chunks.length = 0;
    };
    return { ...outcome, body: (sink) => body(tee(sink, taken)) };
  }

  async #complete(answered: Answered, outcome: EdgeResponse | undefined, decode: Decode | undefined): Promise<void> {
    const object = outcome && decode && this.#tellsAnswers() ? await this.#answerText(outcome, decode) : undefined;
    this.#tell("ResponseComplete", { ...answered, object });
  }

  async #answerText({ body, headers }: EdgeResponse, decode: Decode): Promise<string | undefined> {
    if (body === undefined || typeof body === "function") return undefined;
    const bytes = Buffer.from(body as Uint8Array);
    const contentType = [headers["content-type"]].flat()[0];
    const { omitManagedFields } = this.#around.decision;
    try {
      if (contentType === "application/json" && !omitManagedFields) {
        const text = bytes.toString("utf8").trimEnd();
        return text.includes("\n") ? JSON.stringify(JSON.parse(text)) : text;
      }
      return objectText(await decode(bytes, contentType), omitManagedFields);
    } catch {
      // Answers that are no objects: logs, metrics, documents in other forms.
      return undefined;
    }
  }

  #tellsAnswers(): boolean {
    return this.#info.type === "resource" && reaches(this.#event.level, "RequestResponse");
  }

  #isLongRunning(): boolean {
    const info = this.#info;
    return info.type === "resource" && (info.verb === "watch" || longRunning.test(info.subresource));
  }

  /** What the authorizer says of the request. */
  #noteDecision(): void {
    const info = this.#info;
    const user = this.#event.impersonated ?? this.#event.user!;
    const nowhere = { group: "", version: "", resource: "", subresource: "", namespace: "", name: "" };
    const attributes: Attributes =
      info.type === "resource" ? { ...info, user } : { ...nowhere, user, verb: info.verb, path: info.path };
    const isOpen = info.type === "nonResource" && isOpenPath(info.path);
    const { allowed, reason } = isOpen ? { allowed: true, reason: "" } : this.#around.authorizer.authorize(attributes);
    this.annotations.set("authorization.k8s.io/decision", allowed ? "allow" : "forbid");
    this.annotations.set("authorization.k8s.io/reason", reason);
  }

  #tell(stage: Stage, answered?: Answered): void {
    const { decision, clock, push } = this.#around;
    if (decision.omits(stage)) return;
    const at = stage === "RequestReceived" ? this.#event.received : timestamp(clock.now());
    push(eventLine(this.#event, stage, at, answered));
  }
}

/** The client's own, if it is one that may stand in a log and a header. */
function auditId(given: string | string[] | undefined): string {
  return typeof given === "string" && /^[\x21-\x7e]{1,64}$/.test(given) ? given : randomUUID();
}

/** The Status that an answer is; the start of the text tells. */
function statusIn({ body }: EdgeResponse): Status | undefined {
  if (body === undefined || typeof body === "function") return undefined;
  const text =
    typeof body === "string"
      ? body
      : Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, 16)).toString("latin1");
  return text.startsWith('{"kind":"Status"')
    ? (JSON.parse(Buffer.from(body as Uint8Array).toString("utf8")) as Status)
    : undefined;
}

function failedAuthentication({ headers, peer }: EdgeRequest): string {
  const tried = [
    ...(headers.authorization ? [headers.authorization.split(" ", 1)[0]!.toLowerCase().slice(0, 16)] : []),
    ...(peer ? ["x509"] : []),
  ];
  return tried.length > 0
    ? `Authentication failed, attempted: ${tried.join(", ")}`
    : "Authentication failed, no credentials provided";
}

function tee(sink: BodySink, taken: (chunk: Uint8Array) => void): BodySink {
  return {
    write(chunk, done) {
      taken(chunk);
      return sink.write(chunk, done);
    },
    drained: () => sink.drained(),
    get bufferedBytes() {
      return sink.bufferedBytes;
    },
    end: () => sink.end(),
    abort: () => sink.abort(),
    signal: sink.signal,
  };
}
