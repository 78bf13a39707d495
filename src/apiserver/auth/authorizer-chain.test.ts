import { test } from "node:test";
import assert from "node:assert/strict";
import type { Attributes, Authorizer, Decision } from "../types.ts";
import { authorizerChain } from "./authorizer-chain.ts";

const attributes = { verb: "get" } as Attributes;
const noRules = { resourceRules: [], nonResourceRules: [] };

const fixed = (decision: Partial<Decision>): Authorizer => ({
  authorize: () => ({ allowed: false, reason: "", ...decision }),
  rulesFor: () => noRules,
});

const webhook = (log: string[], name: string, decision: Partial<Decision>): Authorizer => ({
  ...fixed(decision),
  prepare() {
    log.push(name);
    return Promise.resolve();
  },
});

test("the first that allows or denies decides, and reasons of those without an opinion add up", () => {
  const outcome = (...decisions: Partial<Decision>[]) => authorizerChain(decisions.map(fixed)).authorize(attributes);
  assert.equal(outcome({}, { allowed: true }, { denied: true }).allowed, true);
  assert.deepEqual(outcome({ denied: true, reason: "no" }, { allowed: true }), {
    allowed: false,
    denied: true,
    reason: "no",
  });
  assert.deepEqual(outcome({ reason: "a" }, {}, { reason: "b" }), { allowed: false, reason: "a\nb" });
});

test("what cannot matter any more is not prepared", async () => {
  const log: string[] = [];
  const a = webhook(log, "a", {});
  const b = webhook(log, "b", { denied: true });
  const c = webhook(log, "c", {});
  await authorizerChain([a, b, c]).prepare!(attributes);
  assert.deepEqual(log.splice(0), ["a", "b"]);
  await authorizerChain([fixed({ allowed: true }), a]).prepare!(attributes);
  assert.deepEqual(log, []);
  assert.equal(authorizerChain([fixed({})]).prepare, undefined);
});

test("rules of all are told, with the reasons why there may be more", () => {
  const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };
  const known: Authorizer = { ...fixed({}), rulesFor: () => ({ ...noRules, resourceRules: [rule] }) };
  const unknown: Authorizer = { ...fixed({}), rulesFor: () => ({ ...noRules, incomplete: "who knows" }) };
  const rules = authorizerChain([known, unknown]).rulesFor({ name: "a", groups: [] }, "");
  assert.deepEqual(rules, { resourceRules: [rule], nonResourceRules: [], incomplete: "who knows" });
});
