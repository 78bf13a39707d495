import { test } from "node:test";
import assert from "node:assert/strict";
import type { Secret, ServiceAccount } from "../kinds/index.ts";
import { meta } from "./testing.ts";
import { decideTokenSecret, type LegacyTokenIssuer } from "./token-secrets.ts";

const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: meta("builder") } as ServiceAccount;
const secret = (annotations: Record<string, string>, data?: Record<string, string>) =>
  ({
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/service-account-token",
    metadata: meta("s", { annotations: { "kubernetes.io/service-account.name": "builder", ...annotations } }),
    ...(data ? { data } : {}),
  }) as Secret;
const uid = { "kubernetes.io/service-account.uid": "uid-builder" };
const issuer: LegacyTokenIssuer = {
  issueLegacy: ({ secretName }) => `token-${secretName}`,
  isSigned: (token) => token !== "old",
};
const decide = (one: Secret, owner: ServiceAccount | undefined = account) =>
  decideTokenSecret({ secret: one, account: owner }, { issuer, rootCaPem: "CA" });

test("an empty Secret is filled, and a filled one is left alone", () => {
  const [action] = decide(secret({})).actions;
  const { object } = action as { object: Secret };
  assert.equal(object.metadata.annotations?.["kubernetes.io/service-account.uid"], "uid-builder");
  assert.equal(Buffer.from(object.data!.token!, "base64").toString(), "token-s");
  assert.deepEqual(decide(object).actions, []);
});

test("a token is kept when only the CA is another one", () => {
  const [action] = decide(secret(uid, { token: "dA==", "ca.crt": "eA==", namespace: "eA==" })).actions;
  assert.equal((action as { object: Secret }).object.data!.token, "dA==");
});

test("a token whose key is used no longer is replaced", () => {
  const token = Buffer.from("old").toString("base64");
  const [action] = decide(secret(uid, { token, "ca.crt": "Q0E=", namespace: "" })).actions;
  assert.equal(Buffer.from((action as { object: Secret }).object.data!.token!, "base64").toString(), "token-s");
});

test("a Secret without its very account goes", () => {
  assert.equal(
    decideTokenSecret({ secret: secret(uid), account: undefined }, { issuer, rootCaPem: "" }).actions[0]?.type,
    "delete",
  );
  const [action] = decide(secret({ "kubernetes.io/service-account.uid": "other" })).actions;
  assert.equal(action?.type, "delete");
});
