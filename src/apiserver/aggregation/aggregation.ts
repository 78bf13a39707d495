// The aggregation layer: which requests another server answers, and how they get there. Follows kubernetes v1.36
// kube-aggregator/pkg/apiserver/handler_proxy.go.
import type { ClientRequest } from "node:http";
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { serviceUnavailable } from "../../machinery/errors.ts";
import type { MetricFamily } from "../../machinery/metrics.ts";
import type { EdgeRequest, Outcome } from "../http/exchange.ts";
import { isRead, passOn, requestHeaders } from "../streaming/proxy.ts";
import type { UserInfo } from "../types.ts";
import { backendOf, targetOf } from "./availability.ts";
import { userHeaders, withoutClaims } from "./connection.ts";
import { apiServices, followLocal, prioritiesOf, type Priorities } from "./local.ts";
import { emptyNamespace } from "./namespace.ts";
import { followRemotes, type Remote, type RemotesOptions } from "./remotes.ts";

export interface Aggregation {
  /** Grows whenever what other servers serve, or the order of groups, may have changed. */
  readonly generation: number;
  /** Those that other servers answer now. */
  remotes(): readonly Remote[];
  /** Who answers the path; undefined: this server does. */
  find(path: string): Remote | undefined;
  prioritiesOf(group: string, version: string): Priorities;
  /** Passes the request on in the name of the user; both servers' audit logs know it by one id. Throws ServiceUnavailable. */
  serve(request: EdgeRequest, user: UserInfo, remote: Remote, auditId?: string): Promise<Outcome>;
  /** Deletes what other servers keep in the namespace and tells what is left. */
  emptyNamespace(namespace: string): ReturnType<typeof emptyNamespace>;
  /** Families for the metrics of the server. */
  metrics(): MetricFamily[];
}

/** Follows the stored APIServices, and keeps those of this server's own APIs, until the signal aborts. */
export function startAggregation(options: RemotesOptions & { readonly kinds: KindRegistry }): Aggregation {
  const { store, random } = options;
  let generation = 0;
  const localChanged = followLocal(options);
  const { byName } = followRemotes(options, () => {
    generation++;
    localChanged();
  });
  const remotes = () => [...byName.values()].map(({ remote }) => remote);
  const stored = (name: string) =>
    store.get({ collection: apiServices, namespace: "", name })?.object as APIService | undefined;
  return {
    get generation() {
      return generation;
    },
    remotes,
    find(path) {
      if (byName.size === 0) return undefined;
      const [, root, group = "", version = ""] = path.split("/", 4);
      const name = root === "apis" ? `${version}.${group}` : root === "api" ? `${group}.` : "";
      return byName.get(name)?.remote;
    },
    prioritiesOf(group, version) {
      const spec = stored(`${version}.${group}`)?.spec;
      return spec?.groupPriorityMinimum && spec.versionPriority ? (spec as Priorities) : prioritiesOf(group, version);
    },
    async serve(request, user, remote, auditId) {
      if (!remote.available) throw serviceUnavailable("service unavailable");
      const open = () => {
        const target = targetOf(remote.reference, backendOf(store, remote.reference), random());
        const headers = {
          ...withoutClaims(requestHeaders(request)),
          ...userHeaders(user),
          ...(request.address ? { "x-forwarded-for": request.address } : {}),
          ...(auditId ? { "audit-id": auditId } : {}),
        };
        const path = request.search ? `${request.path}?${request.search}` : request.path;
        return remote.connection.open(target, { method: request.method, path, headers, signal: request.signal });
      };
      try {
        return await passOnOnce(request, open);
      } catch (error) {
        if (!request.signal.aborted) remote.check();
        throw serviceUnavailable(`error trying to reach service: ${(error as Error).message}`);
      }
    },
    emptyNamespace: (namespace) => emptyNamespace(store, remotes(), namespace),
    metrics: () => [
      {
        name: "aggregator_unavailable_apiservice",
        type: "gauge",
        help: "Whether an APIService cannot be reached now.",
        samples: [...byName].map(([name, { remote }]) => ({ labels: { name }, value: remote.available ? 0 : 1 })),
      },
    ],
  };
}

/** A kept connection may have been closed just now by the other side: reads are then sent again on a new one. */
async function passOnOnce(request: EdgeRequest, open: () => ClientRequest): Promise<Outcome> {
  const outgoing = open();
  try {
    return await passOn(request, outgoing);
  } catch (error) {
    if (!isRead(request) || request.upgrade || !outgoing.reusedSocket || request.signal.aborted) throw error;
    return passOn(request, open());
  }
}
