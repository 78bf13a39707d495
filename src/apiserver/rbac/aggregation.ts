// ClusterRoles with an aggregation rule hold the rules of all roles that the rule selects, kept current as those change.
// Follows kubernetes v1.36 pkg/controller/clusterroleaggregation.
import type { ClusterRole, PolicyRule } from "../../kinds/generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { Logger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import { StoreError } from "../../store/store.ts";
import type { Store, Write } from "../../store/store.ts";

const collection = "rbac.authorization.k8s.io/clusterroles";

/** The rules that an aggregated role should have, each once, in the order of the roles' names. */
function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules: PolicyRule[] = [];
  for (const other of all) {
    if (other.metadata!.name === role.metadata!.name) continue;
    const selected = role.aggregationRule?.clusterRoleSelectors?.some((selector) =>
      matchesLabels(selector, other.metadata!.labels),
    );
    if (!selected) continue;
    for (const rule of other.rules ?? []) if (!rules.some((known) => deepEqual(known, rule))) rules.push(rule);
  }
  return rules;
}

/** The updates that bring all aggregated roles up to date. */
export function planAggregation(store: Store): Write[] {
  const { entries } = store.list(collection);
  const roles = entries.map(({ object }) => object as ClusterRole);
  return entries.flatMap((entry): Write[] => {
    const role = entry.object as ClusterRole;
    if (!role.aggregationRule) return [];
    const rules = aggregatedRules(role, roles);
    if (sameRules(rules, role.rules ?? [])) return [];
    const object = { ...role, rules } as KubeObject;
    return [{ type: "update", key: entry.key, expectedRevision: entry.revision, object }];
  });
}

const sameRules = (a: readonly PolicyRule[], b: readonly PolicyRule[]) =>
  a.length === b.length && a.every((rule) => b.some((other) => deepEqual(rule, other)));

/** Follows the ClusterRoles; does nothing until one changes. A chain of aggregations settles in as many rounds. */
export function followAggregation(store: Store, log: Logger): void {
  const settle = async () => {
    try {
      const writes = planAggregation(store);
      if (writes.length > 0) await store.write(writes);
    } catch (error) {
      // A conflict means that another change is on its way, and with it another round.
      if (error instanceof StoreError && (error.code === "conflict" || error.code === "closed")) return;
      log.warn({ error }, "cannot update aggregated cluster roles");
    }
  };
  let pending = false;
  store.watch({ collection, after: store.revision }, () => {
    if (pending) return;
    pending = true;
    queueMicrotask(() => {
      pending = false;
      void settle();
    });
  });
}
