// Puts the core together: createApi is the one way in to everything that the API server does with objects.
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Store } from "../../store/store.ts";
import { followDefinitions } from "../crd/definitions.ts";
import { createAdmissionChain } from "../admission/chain.ts";
import { admissionPlugins } from "../admission/index.ts";
import { followTypeChecking } from "../admission/policy/type-checking.ts";
import { createQuotaAccounts } from "../admission/quota-accounts.ts";
import { createWebhooks } from "../admission/webhook/ask.ts";
import { followAggregation } from "../rbac/aggregation.ts";
import { serviceAccountsOnly, type Authentication } from "../auth/authenticate.ts";
import { authorizerChain, type AuthorizationOrder } from "../auth/authorizer-chain.ts";
import { createNodeAuthorizer } from "../auth/node-authorizer.ts";
import { createRbacAuthorizer } from "../rbac/authorizer.ts";
import { createServiceAllocator } from "../services/allocator.ts";
import { admitted } from "../special/admitted.ts";
import { createBinding } from "../special/binding.ts";
import { special } from "../special/index.ts";
import type { Api, ObjectTarget, RequestContext, TokenIssuer } from "../types.ts";
import { storeKey, type Core } from "./core.ts";
import { create } from "./create.ts";
import { remove, removeAuthorized, removeCollection } from "./delete.ts";
import { prepareViews } from "./entries.ts";
import { get, list } from "./list.ts";
import { patch } from "./patch.ts";
import { answerReview } from "./reviews.ts";
import { update } from "./update.ts";
import { watch } from "./watch.ts";

export interface ApiOptions {
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** IPv4 range of the Services' addresses, for example `10.96.0.0/16`. */
  readonly serviceCidr: string;
  /** First and last node port, inclusive; by default 30000–32767. */
  readonly nodePortRange?: readonly [number, number];
  readonly tokens?: TokenIssuer;
  /** What TokenReviews ask; absent: the issuer alone. */
  readonly authentication?: Authentication;
  /** Absent: Node, then RBAC. */
  readonly authorization?: AuthorizationOrder | undefined;
  /** The CA that pods find in `kube-root-ca.crt`; asked for anew for every namespace. */
  readonly rootCaPem: string;
  readonly clusterDomain: string;
}

/** What the API server itself does, on behalf of nobody. */
const apiserverContext = (): RequestContext => ({
  user: { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] },
  userAgent: "kube-apiserver",
  trusted: true,
  warnings: [],
});

/** The API over a store. It holds no state of its own beyond indexes of the store, so it needs no closing. */
export function createApi(options: ApiOptions): Api {
  const { store, kinds, clock, log, clusterDomain, tokens } = options;
  const rbac = createRbacAuthorizer(store);
  const node = createNodeAuthorizer(store);
  const authorizer = options.authorization?.({ Node: node, RBAC: rbac }) ?? authorizerChain([node, rbac]);
  const services = createServiceAllocator(store, options.serviceCidr, options.nodePortRange ?? [30_000, 32_767]);
  const webhooks = createWebhooks(store, kinds, log);
  const admission = createAdmissionChain(admissionPlugins, {
    store,
    kinds,
    clock,
    get rootCaPem() {
      return options.rootCaPem;
    },
    authorizer,
    rbac,
    services,
    webhooks,
    quotas: createQuotaAccounts(store),
  });
  const authentication = options.authentication ?? (tokens && serviceAccountsOnly(tokens));
  const core: Core = {
    store,
    kinds,
    clock,
    log,
    authorizer,
    admission,
    tokens,
    authentication,
    clusterDomain,
  };
  followAggregation(store, log);
  followDefinitions({
    store,
    kinds,
    clock,
    log,
    remove: (kind, { key }) => removeAuthorized(core, apiserverContext(), kind, key, {}),
  });
  followTypeChecking(store, kinds, log);
  // What is written is based on the latest version; `replace` notices when that is no longer the one prepared here.
  const prepared = async (kind: AnyKind, target: ObjectTarget) => {
    const latest = store.latest(storeKey(kind, target));
    if (latest) await prepareViews(kind, [latest]);
  };
  return {
    authorizer,
    admissionMetrics: webhooks.metrics.source,
    get: (context, kind, target, subresource) => get(core, context, kind, target, subresource),
    list: (context, kind, parameters) => list(core, context, kind, parameters),
    create: (context, kind, namespace, draft, parameters) =>
      kind.virtual && kind.plural === "bindings"
        ? createBinding(core, context, namespace, draft, parameters)
        : kind.virtual
          ? answerReview(core, context, kind, namespace, draft, parameters)
          : create(core, context, kind, namespace, draft, parameters),
    update: async (context, kind, target, draft, parameters) => {
      if (kind.storage?.foreign) await prepared(kind, target);
      return update(core, context, kind, target, draft, parameters);
    },
    patch: async (context, kind, target, type, value, parameters) => {
      if (kind.storage?.foreign) await prepared(kind, target);
      return patch(core, context, kind, target, type, value, parameters);
    },
    delete: (context, kind, target, parameters) => remove(core, context, kind, target, parameters),
    deleteCollection: (context, kind, parameters, options) =>
      removeCollection(core, context, kind, parameters, options),
    connect: (context, kind, target, subresource, options) =>
      admitted(
        core,
        { context, kind, target, subresource, parameters: {} },
        { operation: "CONNECT", object: options, type: { group: "", version: "v1", kind: options.kind, schema: "" } },
      ),
    watch: (context, kind, parameters, sink) => watch(core, context, kind, parameters, sink),
    special: async (context, kind, target, subresource, method, body, options) => {
      if (kind.storage?.foreign) await prepared(kind, target);
      return special(core, { context, kind, target, subresource, method, body, ...options });
    },
  };
}
