// For tests: an API over a store in memory, and requests of an administrator or of anybody else.
import { builtinKinds } from "../kinds/index.ts";
import { KindRegistry } from "../kinds/registry.ts";
import type { Clock } from "../machinery/clock.ts";
import { realClock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { createApi } from "./core/api.ts";
import { localClient } from "./local.ts";
import { bootstrap } from "./rbac/bootstrap.ts";
import type { RequestContext, UserInfo } from "./types.ts";

const testCaPem = "-----BEGIN CERTIFICATE-----\ntest\n-----END CERTIFICATE-----\n";

/** A bootstrapped API: default namespaces, roles and the `kubernetes` Service are there. */
export async function testApi(options: { clock?: Clock; bare?: boolean; store?: Store } = {}) {
  const clock = options.clock ?? realClock;
  const store = options.store ?? (await openMemoryStore({ clock, freeze: true }));
  const kinds = new KindRegistry(builtinKinds);
  const api = createApi({
    store,
    kinds,
    clock,
    log: silentLogger,
    serviceCidr: "10.96.0.0/16",
    rootCaPem: testCaPem,
    clusterDomain: "cluster.local",
  });
  if (!options.bare) await bootstrap({ store, clock, rootCaPem: testCaPem, serviceCidr: "10.96.0.0/16" });
  return { store, kinds, api, clock, client: localClient(api, store, kinds, "test") };
}

/** A request of a user who may do everything; decoding, admission and validation apply. */
export const asAdmin = (): RequestContext =>
  asUser({ name: "admin", groups: ["system:masters", "system:authenticated"] });

export const asUser = (user: UserInfo): RequestContext => ({ user, userAgent: "test", trusted: false, warnings: [] });
