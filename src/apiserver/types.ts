// What the API server's parts hand to each other: the edge (HTTP) turns bytes into these, the core answers them.
import type { PatchType } from "../client/client.ts";
import type { AnyKind } from "../kinds/registry.ts";
import type { MetricSource } from "../machinery/metrics.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { FieldRequirement, Selector } from "../machinery/selector.ts";
import type { Entry, StoreEvent, Subscription } from "../store/store.ts";

export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Who asks, and what the answer has to carry besides the object. */
export interface RequestContext {
  readonly user: UserInfo;
  /** First part of the User-Agent: the default field manager. */
  readonly userAgent: string;
  /** In-process components skip authorization; admission and validation still apply. */
  readonly trusted: boolean;
  readonly signal?: AbortSignal;
  /** Messages for Warning headers; the core appends. */
  readonly warnings: string[];
  /** Notes of admission for the audit log, when there is one. */
  readonly auditAnnotations?: Map<string, string> | undefined;
  /** Told of the decoded body before anything writes to it. */
  readonly onBody?: ((body: unknown) => void) | undefined;
}

export interface WriteParameters {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: "Ignore" | "Warn" | "Strict";
  /** The complaints of field validation about keys that the body gives more than once. */
  readonly duplicateFields?: readonly string[];
  readonly subresource?: string;
  /** Server-side apply only. */
  readonly isApply?: boolean;
  readonly force?: boolean;
}

export interface DeleteParameters {
  readonly dryRun?: boolean;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export interface ListParameters {
  /** "" lists all namespaces. */
  readonly namespace: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface ListResult {
  readonly revision: number;
  readonly entries: readonly Entry[];
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export interface WatchParameters extends ListParameters {
  readonly allowBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
}

export interface ObjectTarget {
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/**
 * The generic verbs, one path for every kind. Every call authorizes (unless trusted), admits, defaults, validates, and
 * commits; throws StatusError. Input drafts may be written to; results are immutable. Writes return the new entry.
 */
export interface Api {
  get(context: RequestContext, kind: AnyKind, target: ObjectTarget, subresource?: string): Entry;
  list(context: RequestContext, kind: AnyKind, parameters: ListParameters): ListResult;
  create(
    context: RequestContext,
    kind: AnyKind,
    namespace: string,
    draft: KubeObject,
    parameters: WriteParameters,
  ): Promise<Entry>;
  /** PUT; `subresource` "status" (or scale through its own row) in the parameters. Creates when upstream would. */
  update(
    context: RequestContext,
    kind: AnyKind,
    target: ObjectTarget,
    draft: KubeObject,
    parameters: WriteParameters,
  ): Promise<{ entry: Entry; created: boolean }>;
  patch(
    context: RequestContext,
    kind: AnyKind,
    target: ObjectTarget,
    type: PatchType,
    patch: unknown,
    parameters: WriteParameters,
  ): Promise<{ entry: Entry; created: boolean }>;
  /** The object in its last state, and whether it is gone already (false: it waits for grace or finalizers). */
  delete(
    context: RequestContext,
    kind: AnyKind,
    target: ObjectTarget,
    parameters: DeleteParameters,
  ): Promise<{ entry: Entry; deleted: boolean }>;
  deleteCollection(
    context: RequestContext,
    kind: AnyKind,
    list: ListParameters,
    parameters: DeleteParameters,
  ): Promise<readonly Entry[]>;
  /**
   * Events of matching objects after the start that the parameters name. An object that stops matching a selector is
   * DELETED, one that starts matching is ADDED. `onEvents` gets batches; `onEnd` once, with the error if it was one.
   */
  watch(
    context: RequestContext,
    kind: AnyKind,
    parameters: WatchParameters,
    sink: {
      onEvents(events: readonly StoreEvent[]): void;
      /** The initial listing of sendInitialEvents is complete as of `revision`. */
      onInitialEnd?(revision: number): void;
      onEnd(error?: unknown): void;
    },
  ): Subscription;
  /** GET or PUT of `/scale`, POST of binding, eviction, token and other special subresources, and virtual review kinds. */
  special(
    context: RequestContext,
    kind: AnyKind,
    target: ObjectTarget,
    subresource: string,
    method: "GET" | "POST" | "PUT" | "PATCH",
    body: unknown,
    options: { readonly patchType?: PatchType; readonly parameters: WriteParameters },
  ): Promise<KubeObject>;
  /** Shows admission what a stream or proxy request asks for; `options` come back as it leaves them. */
  connect(
    context: RequestContext,
    kind: AnyKind,
    target: ObjectTarget,
    subresource: string,
    options: { readonly kind: string },
  ): Promise<object>;
  readonly authorizer: Authorizer;
  readonly admissionMetrics: MetricSource;
}

export interface Attributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Set for requests that are no resource requests; then only `verb` and `path` count. */
  readonly path?: string;
  /** Selectors of a list, watch or deletecollection; absent when it has none. */
  readonly fieldSelector?: readonly FieldRequirement[] | undefined;
  readonly labelSelector?: Selector | undefined;
}

/** Neither allowed nor denied is no opinion: the next authorizer is asked, and in the end nobody allowed it. */
export interface Decision {
  readonly allowed: boolean;
  /** Refused for good, whatever authorizers further on would say. */
  readonly denied?: boolean;
  readonly reason: string;
}

/** Answers from memory, so it need not be awaited. */
export interface Authorizer {
  authorize(attributes: Attributes): Decision;
  /** Brings what the answer needs into memory: await it before `authorize` with equal attributes. Never rejects. */
  prepare?(attributes: Attributes): Promise<void> | undefined;
  /** Rules that apply to the user in the namespace, for SelfSubjectRulesReview. */
  rulesFor(
    user: UserInfo,
    namespace: string,
  ): {
    readonly resourceRules: readonly {
      verbs: string[];
      apiGroups?: string[];
      resources?: string[];
      resourceNames?: string[];
    }[];
    readonly nonResourceRules: readonly { verbs: string[]; nonResourceURLs?: string[] }[];
    /** Why there may be more rules than these. */
    readonly incomplete?: string;
  };
}

/**
 * Turns credentials into a user and all audiences that they are good for; undefined when they are not of its sort, throws
 * an Error that says why when they are bad. `audiences` are those of interest to the caller, who compares.
 */
export interface TokenAuthenticator {
  authenticateToken(
    token: string,
    audiences?: readonly string[],
  ): Promise<{ user: UserInfo; audiences: readonly string[] } | undefined>;
}

/** Issues and checks ServiceAccount tokens. */
export interface TokenIssuer extends TokenAuthenticator {
  readonly issuer: string;
  /** A signed JWT bound to the service account and, if given, to a pod or secret. */
  issue(request: {
    readonly namespace: string;
    readonly serviceAccount: { readonly name: string; readonly uid: string };
    readonly audiences: readonly string[];
    readonly expirationSeconds: number;
    readonly boundObject?: { readonly kind: "Pod" | "Secret" | "Node"; readonly name: string; readonly uid: string };
    readonly nodeName?: string;
    /** Told to the client as the expiration, when the token is really good for longer. */
    readonly warnAfterSeconds?: number;
  }): Promise<{ token: string; expirationTimestamp: string }>;
  /** A JWT without an end, good as long as it is the one in the Secret. */
  issueLegacy(request: {
    readonly namespace: string;
    readonly serviceAccount: { readonly name: string; readonly uid: string };
    readonly secretName: string;
  }): string;
  /** Public keys as a JWKS document. */
  keys(): unknown;
}
