// Which rule of an audit policy decides, and which policies are refused.
import { test } from "node:test";
import assert from "node:assert/strict";
import { parseRequest } from "../http/request-info.ts";
import type { UserInfo } from "../types.ts";
import { parsePolicy } from "./policy.ts";

const policy = (rules: string, rest = "") =>
  parsePolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${rest}rules:\n${rules}`);
const jane: UserInfo = { name: "jane", groups: ["dev", "system:authenticated"] };
const infoOf = (method: string, target: string) => {
  const [path = "", search = ""] = target.split("?");
  return parseRequest(method, path, new URLSearchParams(search));
};

test("the first rule that matches decides", async () => {
  const decide = await policy(`
- {level: None, users: ["system:kube-proxy"], verbs: [watch], resources: [{group: "", resources: [endpoints]}]}
- {level: None, userGroups: ["system:nodes"], resources: [{group: "", resources: [nodes, nodes/status]}]}
- {level: None, nonResourceURLs: ["/healthz*", /version]}
- {level: Metadata, resources: [{group: "", resources: [secrets, configmaps, serviceaccounts/token]}]}
- {level: Request, resources: [{group: "", resources: [pods], resourceNames: [special]}]}
- {level: Request, namespaces: [kube-system], resources: [{group: apps}]}
- {level: RequestResponse, verbs: [create], resources: [{group: "", resources: ["pods/*", "*/status"]}]}
- {level: Metadata, resources: [{group: "", resources: ["*"]}]}
- {level: Metadata, nonResourceURLs: ["*"]}
`);
  const level = (method: string, target: string, user: UserInfo | undefined = jane) =>
    decide(user, infoOf(method, target)).level;
  const proxy = { name: "system:kube-proxy", groups: [] };
  assert.equal(level("GET", "/api/v1/endpoints?watch=1", proxy), "None");
  assert.equal(level("GET", "/api/v1/endpoints?watch=1"), "Metadata");
  assert.equal(level("PATCH", "/api/v1/nodes/a/status", { name: "n", groups: ["system:nodes"] }), "None");
  assert.equal(level("GET", "/healthz/ping"), "None");
  assert.equal(level("GET", "/metrics"), "Metadata");
  assert.equal(level("POST", "/api/v1/namespaces/a/serviceaccounts/b/token"), "Metadata");
  assert.equal(level("GET", "/api/v1/namespaces/a/pods/special"), "Request");
  assert.equal(level("GET", "/api/v1/namespaces/a/pods/other"), "Metadata");
  assert.equal(level("GET", "/apis/apps/v1/namespaces/kube-system/deployments"), "Request");
  assert.equal(level("GET", "/apis/apps/v1/namespaces/default/deployments"), "None");
  assert.equal(level("POST", "/api/v1/namespaces/a/pods/b/exec"), "RequestResponse");
  assert.equal(level("POST", "/api/v1/namespaces/a/services/b/status"), "RequestResponse");
});

test("who is nobody matches no rule that asks for users or groups", async () => {
  const decide = await policy("- {level: Request, userGroups: [a]}\n- {level: Metadata}\n");
  assert.equal(decide(undefined, infoOf("GET", "/api/v1/pods")).level, "Metadata");
});

test("stages and managed fields are left out by the policy and by its rules", async () => {
  const decide = await policy(
    "- {level: Request, verbs: [get], omitStages: [Panic], omitManagedFields: false}\n- {level: Metadata}\n",
    "omitStages: [RequestReceived]\nomitManagedFields: true\n",
  );
  const get = decide(jane, infoOf("GET", "/api/v1/namespaces/a/pods/b"));
  const list = decide(jane, infoOf("GET", "/api/v1/pods"));
  assert.deepEqual(
    [get, list].map(({ omits }) => [omits("RequestReceived"), omits("Panic"), omits("ResponseComplete")]),
    [
      [true, true, false],
      [true, false, false],
    ],
  );
  assert.deepEqual([get.omitManagedFields, list.omitManagedFields], [false, true]);
});

const bad: readonly [rules: string, complaint: RegExp][] = [
  ["  []", /needs rules/],
  ["- {level: All}", /rules\[0\].level/],
  ["- {users: [a]}", /rules\[0\].level/],
  ["- {level: None, user: [a]}", /unknown field rules\[0\].user/],
  ["- {level: None, omitStages: [Never]}", /rules\[0\].omitStages\[0\]/],
  ["- {level: None, nonResourceURLs: [/a], namespaces: [b]}", /rules\[0\].nonResourceURLs/],
  ["- {level: None, nonResourceURLs: ['/a*b']}", /nonResourceURLs\[0\]/],
  ["- {level: None, resources: [{group: '', resourceNames: [a]}]}", /resources\[0\].resourceNames/],
];

test("policies that mean nothing are refused", async () => {
  for (const [rules, complaint] of bad) await assert.rejects(policy(rules), complaint, rules);
  await assert.rejects(parsePolicy("kind: Policy\napiVersion: audit.k8s.io/v1beta1\nrules: [{level: None}]"), /v1/);
});
