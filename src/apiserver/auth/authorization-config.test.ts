import { after, describe, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import type { Attributes, Authorizer } from "../types.ts";
import { configuredChain } from "./authorization-config.ts";

const directory = mkdtempSync(join(tmpdir(), "knarr-authorization-"));
const stop = new AbortController();
after(() => {
  stop.abort();
  rmSync(directory, { recursive: true, force: true });
});

const nobody: Authorizer = {
  authorize: () => ({ allowed: false, reason: "" }),
  rulesFor: () => ({ resourceRules: [], nonResourceRules: [] }),
};

async function chain(...authorizers: unknown[]) {
  const file = join(directory, "config.json");
  const [apiVersion, kind] = ["apiserver.config.k8s.io/v1", "AuthorizationConfiguration"];
  writeFileSync(file, JSON.stringify({ apiVersion, kind, authorizers }));
  const order = await configuredChain({ file, clock: realClock, log: silentLogger, signal: stop.signal });
  return order({ Node: nobody, RBAC: nobody });
}

const webhook = {
  timeout: "3s",
  subjectAccessReviewVersion: "v1",
  failurePolicy: "Deny",
  connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "/none" },
};
const hook = (changed: object) => ({ type: "Webhook", name: "hook", webhook: { ...webhook, ...changed } });

test("administrators pass whatever comes after", async () => {
  const denying = await chain({ type: "AlwaysDeny", name: "deny" });
  const attributes = (group: string) =>
    ({ user: { name: "a", groups: [group] }, verb: "get" }) as unknown as Attributes;
  assert.equal(denying.authorize(attributes("system:masters")).allowed, true);
  assert.equal(denying.authorize(attributes("others")).allowed, false);
});

const rows: [string, unknown[], RegExp][] = [
  ["none", [], /at least one authorizer/],
  ["an unknown type", [{ type: "ABAC", name: "a" }], /type: Unsupported value: "ABAC"/],
  [
    "a type twice",
    [
      { type: "RBAC", name: "a" },
      { type: "RBAC", name: "b" },
    ],
    /\[1\]\.type: Duplicate/,
  ],
  [
    "a name twice",
    [
      { type: "RBAC", name: "a" },
      { type: "Node", name: "a" },
    ],
    /\[1\]\.name: Duplicate/,
  ],
  ["no name", [{ type: "RBAC" }], /name: Required/],
  ["a webhook for RBAC", [{ type: "RBAC", name: "a", webhook }], /webhook: Forbidden/],
  ["a webhook without one", [{ type: "Webhook", name: "a" }], /webhook: Required/],
  ["no timeout", [hook({ timeout: undefined })], /timeout: Required/],
  ["a long timeout", [hook({ timeout: "31s" })], /timeout: Invalid/],
  ["a duration that is none", [hook({ authorizedTTL: "soon" })], /authorizedTTL: Invalid/],
  ["no policy", [hook({ failurePolicy: "" })], /failurePolicy: Required/],
  ["another version", [hook({ subjectAccessReviewVersion: "v2" })], /subjectAccessReviewVersion: Unsupported/],
  ["a relative path", [hook({ connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "a" } })], /absolute path/],
  ["conditions without a version", [hook({ matchConditions: [{ expression: "true" }] })], /matchConditionSubject/],
  [
    "a broken condition",
    [hook({ matchConditionSubjectAccessReviewVersion: "v1", matchConditions: [{ expression: "request.nope" }] })],
    /matchConditions\[0\]\.expression: Invalid/,
  ],
  ["a kubeconfig that is not there", [hook({})], /ENOENT/],
];

describe("refused", () => {
  for (const [name, authorizers, message] of rows) test(name, () => assert.rejects(chain(...authorizers), { message }));
});
