import { test } from "node:test";
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { Entry, StoreKey } from "../../store/store.ts";
import { createTokenIssuer } from "./tokens.ts";

const issuer = "https://kubernetes.default.svc.cluster.local";
const keyPem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });

function setUp() {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const uids = new Map([
    ["/serviceaccounts/default/builder", "sa-1"],
    ["/pods/default/web", "pod-1"],
  ]);
  const get = ({ collection, namespace, name }: StoreKey) => {
    const uid = uids.get(`${collection}/${namespace}/${name}`);
    return uid ? ({ object: { metadata: { uid } } } as unknown as Entry) : undefined;
  };
  const clock = { now: () => now, after: () => () => {} };
  const tokens = createTokenIssuer({ keyPem: String(keyPem), issuer, store: { get }, clock });
  const request = {
    namespace: "default",
    serviceAccount: { name: "builder", uid: "sa-1" },
    audiences: [],
    expirationSeconds: 3600,
    boundObject: { kind: "Pod" as const, name: "web", uid: "pod-1" },
  };
  return { tokens, uids, request, pass: (ms: number) => (now += ms) };
}

test("a token names its service account, pod and audiences", async () => {
  const { tokens, request } = setUp();
  const { token, expirationTimestamp } = await tokens.issue(request);
  assert.equal(expirationTimestamp, "2026-01-01T01:00:00Z");
  const found = await tokens.authenticateToken(token);
  assert.equal(found?.user.name, "system:serviceaccount:default:builder");
  assert.deepEqual(found?.user.extra?.["authentication.kubernetes.io/pod-name"], ["web"]);
  assert.deepEqual(found?.audiences, [issuer]);
});

test("a token dies when it expires, or its pod is another one, or its account is gone", async () => {
  const { tokens, request, uids, pass } = setUp();
  const { token } = await tokens.issue(request);
  uids.set("/pods/default/web", "pod-2");
  await assert.rejects(tokens.authenticateToken(token), /invalid|expired/);
  uids.set("/pods/default/web", "pod-1");
  assert.ok(await tokens.authenticateToken(token));
  uids.delete("/serviceaccounts/default/builder");
  await assert.rejects(tokens.authenticateToken(token), /invalid|expired/);
  uids.set("/serviceaccounts/default/builder", "sa-1");
  pass(3_600_000);
  await assert.rejects(tokens.authenticateToken(token), /invalid|expired/);
});

test("a changed token is refused and a foreign one is left to others", async () => {
  const { tokens, request } = setUp();
  const { token } = await tokens.issue(request);
  const [head, body, signature] = token.split(".") as [string, string, string];
  const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
  const forged = Buffer.from(JSON.stringify({ ...claims, exp: 9_999_999_999 })).toString("base64url");
  await assert.rejects(tokens.authenticateToken(`${head}.${forged}.${signature}`), /invalid|expired/);
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  await assert.rejects(tokens.authenticateToken(`${none}.${body}.`), /invalid|expired/);
  const other = Buffer.from(JSON.stringify({ ...claims, iss: "https://else" })).toString("base64url");
  assert.equal(await tokens.authenticateToken(`${head}.${other}.${signature}`), undefined);
  assert.equal(await tokens.authenticateToken("opaque"), undefined);
});
