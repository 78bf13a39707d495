// Admission: a list of small functions that fill in and check what clients send, each in its own file.
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Store } from "../../store/store.ts";
import type { Transaction } from "../core/core.ts";
import type { RbacAuthorizer } from "../rbac/authorizer.ts";
import type { QuotaAccounts } from "./quota-accounts.ts";
import type { ServiceAllocator } from "../services/allocator.ts";
import type { Webhooks } from "./webhook/ask.ts";
import type { Authorizer, DeleteParameters, UserInfo, WriteParameters } from "../types.ts";

export type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

export interface AdmissionRequest {
  readonly operation: Operation;
  readonly kind: AnyKind;
  /** `<group>/<plural>` of the request, for example `/pods` or `apps/deployments`. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  name: string;
  /**
   * The draft: `mutate` may write to it or put another in its place, but copies a part that is the very same in `old`
   * first. For DELETE the stored object, which is immutable.
   */
  object: KubeObject;
  readonly old?: KubeObject | undefined;
  /** What the object is when the subresource has a type of its own (Scale, Binding, Eviction, PodExecOptions …). */
  readonly objectKind?: ObjectKind;
  /** The name of the new object was generated, so for mutation it has none yet. */
  readonly isNameGenerated?: boolean;
  /** What the client asked for besides; none for CONNECT. */
  readonly parameters?: WriteParameters | DeleteParameters;
  readonly user: UserInfo;
  /** In-process components: no escalation checks. */
  readonly trusted: boolean;
  transaction: Transaction;
  readonly warnings: string[];
  /** Present when somebody records them. */
  readonly auditAnnotations?: Map<string, string> | undefined;
  /** Set by the first plugin that needs it (see `roundsOf`). */
  rounds?: Rounds;
}

/** A type of objects that has no path of its own; `schema` is empty for those that no client ever sends. */
export type ObjectKind = Pick<AnyKind, "group" | "version" | "kind" | "schema">;

/**
 * The rounds of mutation of one request. When a webhook or policy has changed the object, all plugins run a second and
 * last time.
 */
export interface Rounds {
  current: 0 | 1;
  /** Asks for the second round. */
  another: boolean;
  /** What plugins keep for the second round, by their names. */
  readonly kept: Map<string, unknown>;
}

export const roundsOf = (request: AdmissionRequest): Rounds =>
  (request.rounds ??= { current: 0, another: false, kept: new Map() });

/** What admission may look at. Everything comes from memory. */
export interface AdmissionWorld {
  readonly store: Store;
  readonly clock: Clock;
  readonly kinds: KindRegistry;
  readonly rootCaPem: string;
  readonly authorizer: Authorizer;
  readonly rbac: RbacAuthorizer;
  readonly services: ServiceAllocator;
  readonly webhooks: Webhooks;
  readonly quotas: QuotaAccounts;
}

export type AdmissionStep = (request: AdmissionRequest, world: AdmissionWorld) => void | Promise<void>;

/**
 * Throws StatusError to refuse. `mutate` of all plugins runs before the object's validation, `validate` after it. A plugin
 * that has to wait for somebody returns a promise; the others after it run when that is fulfilled.
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** The resources (see AdmissionRequest.resource) that it looks at; absent for all. */
  readonly resources?: readonly string[];
  readonly operations: readonly Operation[];
  /** Subresources that it looks at besides the main resource. */
  readonly subresources?: readonly string[] | "all";
  readonly mutate?: AdmissionStep;
  readonly validate?: AdmissionStep;
}

/** Undefined says that it is done: nobody had to be waited for. Most writes so stay within one turn of the event loop. */
export interface AdmissionChain {
  mutate(request: AdmissionRequest): Promise<void> | undefined;
  validate(request: AdmissionRequest): Promise<void> | undefined;
}

type Step = "mutate" | "validate";

export function createAdmissionChain(plugins: readonly AdmissionPlugin[], world: AdmissionWorld): AdmissionChain {
  const rowsOf = { mutate: rows(plugins, "mutate"), validate: rows(plugins, "validate") };
  const run = (step: Step, request: AdmissionRequest) => runFrom(0, rowsOf[step](request), step, request, world);
  return {
    mutate(request) {
      const first = run("mutate", request);
      const second = () => {
        if (!request.rounds?.another) return undefined;
        request.rounds.current = 1;
        return run("mutate", request);
      };
      return first ? first.then(second) : second();
    },
    validate: (request) => run("validate", request),
  };
}

/** Finds the plugins with something to do for a request, and remembers them by the kind and what is asked of it. */
function rows(plugins: readonly AdmissionPlugin[], step: Step) {
  const candidates = plugins.filter((plugin) => plugin[step]);
  const known = new WeakMap<AnyKind, Map<string, readonly AdmissionPlugin[]>>();
  return (request: AdmissionRequest): readonly AdmissionPlugin[] => {
    const { kind, operation, subresource } = request;
    let ofKind = known.get(kind);
    if (!ofKind) known.set(kind, (ofKind = new Map()));
    const what = subresource === "" ? operation : `${operation} ${subresource}`;
    let found = ofKind.get(what);
    if (!found) ofKind.set(what, (found = candidates.filter((plugin) => handles(plugin, request))));
    return found;
  };
}

/** Mutation and validation in one, for requests with nothing to do in between; undefined as in the chain. */
export function admit(chain: AdmissionChain, request: AdmissionRequest): Promise<void> | undefined {
  const mutation = chain.mutate(request);
  return mutation ? mutation.then(() => chain.validate(request)) : chain.validate(request);
}

function runFrom(
  first: number,
  plugins: readonly AdmissionPlugin[],
  step: Step,
  request: AdmissionRequest,
  world: AdmissionWorld,
): Promise<void> | undefined {
  for (let i = first; i < plugins.length; i++) {
    const later = plugins[i]![step]!(request, world);
    if (later) return later.then(() => runFrom(i + 1, plugins, step, request, world));
  }
  return undefined;
}

function handles(plugin: AdmissionPlugin, request: AdmissionRequest): boolean {
  if (!plugin.operations.includes(request.operation)) return false;
  if (plugin.resources && !plugin.resources.includes(request.resource)) return false;
  if (request.subresource === "" || plugin.subresources === "all") return true;
  return plugin.subresources?.includes(request.subresource) ?? false;
}
