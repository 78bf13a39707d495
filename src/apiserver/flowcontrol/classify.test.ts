// The built-in FlowSchemas sort requests as upstream does.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import { parseRequest } from "../http/request-info.ts";
import { bootstrapSchemas } from "./bootstrap-objects.ts";
import { byPrecedence, distinguisherOf, rulesFor, rulesMatch } from "./classify.ts";

const schemas = (bootstrapSchemas as readonly unknown[] as FlowSchema[]).toSorted(byPrecedence);

const user = (name: string, ...groups: string[]) => ({ name, groups: [...groups, "system:authenticated"] });
const account = (namespace: string, name: string) =>
  user(`system:serviceaccount:${namespace}:${name}`, "system:serviceaccounts", `system:serviceaccounts:${namespace}`);
const lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x";

const rows: readonly (readonly [ReturnType<typeof user>, string, string, string])[] = [
  [user("admin", "system:masters"), "/api/v1/pods", "exempt", ""],
  [user("jane"), "/readyz", "probes", ""],
  [user("jane"), "/api/v1/namespaces/a/pods", "global-default", "jane"],
  [user("system:kube-scheduler"), lease, "system-leader-election", "system:kube-scheduler"],
  [user("system:kube-scheduler"), "/api/v1/namespaces/a/pods", "kube-scheduler", "a"],
  [account("kube-system", "endpoint-controller"), "/api/v1/namespaces/a/endpoints/e", "endpoint-controller", ""],
  [account("kube-system", "x"), "/api/v1/namespaces/a/configmaps/c", "workload-leader-election", ""],
  [account("kube-system", "x"), "/api/v1/namespaces/a/pods", "kube-system-service-accounts", "a"],
  [account("a", "x"), "/api/v1/namespaces/a/pods", "service-accounts", "system:serviceaccount:a:x"],
  [user("system:node:n", "system:nodes"), "/api/v1/nodes/n", "system-node-high", "system:node:n"],
  [user("system:node:n", "system:nodes"), "/api/v1/nodes/n/status", "system-node-high", "system:node:n"],
  [user("system:node:n", "system:nodes"), "/api/v1/pods", "system-nodes", "system:node:n"],
  [{ name: "system:anonymous", groups: ["system:unauthenticated"] }, "/version", "global-default", "system:anonymous"],
];

test("every request finds its schema and flow", () => {
  for (const [who, path, schema, flow] of rows) {
    const info = parseRequest("GET", path, new URLSearchParams());
    const found = schemas.find((candidate) => rulesMatch(rulesFor(candidate, who), info))!;
    assert.equal(found.metadata.name, schema, `${who.name} ${path}`);
    if (flow) assert.equal(distinguisherOf(found, who, info), flow);
  }
});
