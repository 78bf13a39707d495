import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { parseAuthenticationConfig } from "./jwt-config.ts";

const good = {
  issuer: { url: "https://issuer.test", audiences: ["a"] },
  claimMappings: { username: { claim: "sub", prefix: "" } },
};
const config = (...jwt: unknown[]) =>
  JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "AuthenticationConfiguration", jwt });
const parse = (text: string) => parseAuthenticationConfig(text, "https://own.test");
const issuer = (changed: object) => ({ ...good, issuer: { ...good.issuer, ...changed } });
const mapped = (changed: object) => ({ ...good, claimMappings: { ...good.claimMappings, ...changed } });
const named = (username: object) => mapped({ username });

test("issuers and their expressions are compiled", async () => {
  const { jwt } = await parse(
    config({ ...named({ expression: "claims.sub" }), userValidationRules: [{ expression: "user.groups.size() < 9" }] }),
  );
  assert.equal(jwt[0]!.claims.get("claims.sub")!({ sub: "x" }), "x");
  assert.equal(jwt[0]!.user.get("user.groups.size() < 9")!({ username: "x", uid: "", groups: [], extra: {} }), true);
});

const rows: [string, unknown[], RegExp][] = [
  ["no issuer", [{ claimMappings: good.claimMappings }], /jwt\[0\]\.issuer\.url: Required/],
  ["plain http", [issuer({ url: "http://issuer.test" })], /issuer\.url: .*scheme must be https/],
  ["a password", [issuer({ url: "https://a:b@issuer.test" })], /must not contain a username or password/],
  ["a query", [issuer({ url: "https://issuer.test?x" })], /must not contain a query/],
  ["the own issuer", [issuer({ url: "https://own.test" })], /issuer of ServiceAccounts/],
  ["an issuer twice", [good, good], /jwt\[1\]\.issuer\.url: Duplicate/],
  ["discovery at the issuer", [issuer({ discoveryURL: "https://issuer.test" })], /discoveryURL: Duplicate/],
  ["no audience", [issuer({ audiences: [] })], /audiences: Required/],
  [
    "an audience twice",
    [issuer({ audiences: ["a", "a"], audienceMatchPolicy: "MatchAny" })],
    /audiences\[1\]: Duplicate/,
  ],
  ["no policy for two", [issuer({ audiences: ["a", "b"] })], /audienceMatchPolicy: Unsupported/],
  ["a broken CA", [issuer({ certificateAuthority: "x" })], /certificateAuthority: Invalid/],
  ["no user name", [mapped({ username: {} })], /username: Required/],
  ["no prefix", [named({ claim: "sub" })], /username\.prefix: Required/],
  ["both ways to a name", [named({ claim: "sub", prefix: "", expression: "claims.sub" })], /can't both be set/],
  ["a prefix for an expression", [named({ expression: "claims.sub", prefix: "x" })], /prefix: Forbidden/],
  ["a name that is a number", [named({ expression: "1" })], /must evaluate to string/],
  ["a broken expression", [named({ expression: "claims." })], /username\.expression: Invalid/],
  ["an unverified address", [named({ expression: "claims.email" })], /email_verified must be used/],
  [
    "a rule of both sorts",
    [{ ...good, claimValidationRules: [{ claim: "a", expression: "true" }] }],
    /can't both be set/,
  ],
  [
    "a rule that is no condition",
    [{ ...good, claimValidationRules: [{ expression: "'x'" }] }],
    /must evaluate to bool/,
  ],
  [
    "a user rule without a rule",
    [{ ...good, userValidationRules: [{}] }],
    /userValidationRules\[0\]\.expression: Required/,
  ],
  ["a reserved extra key", [mapped({ extra: [{ key: "k8s.io/x", valueExpression: "'a'" }] })], /reserved/],
  ["an extra key without a domain", [mapped({ extra: [{ key: "x", valueExpression: "'a'" }] })], /domain-prefixed/],
  ["an unknown field", [issuer({ egress: "x" })], /unknown field jwt\[0\]\.issuer\.egress/],
  ["a field of another type", [issuer({ audiences: "a" })], /jwt\[0\]\.issuer\.audiences must be a list/],
];

describe("refused", () => {
  for (const [name, jwt, message] of rows) test(name, () => assert.rejects(parse(config(...jwt)), { message }));
  test("another kind", () => assert.rejects(parse("kind: Pod"), /must be AuthenticationConfiguration/));
  test("another version", () =>
    assert.rejects(parse(config().replace("/v1", "/v1alpha1")), /apiserver.config.k8s.io\/v1 or/));
});

test("a verified address may be a name", async () => {
  const expression = "claims.email_verified ? claims.email : ''";
  assert.equal((await parse(config(named({ expression })))).jwt.length, 1);
});
