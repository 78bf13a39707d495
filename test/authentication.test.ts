// Who may come in and who decides what they may do, asked of an API server over HTTPS: tokens of ServiceAccounts, Secrets,
// files, bootstrap, a foreign issuer and a webhook; stolen, forged and outlived ones; a webhook that authorizes.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import {
  authenticationTrust,
  configuredAuthentication,
  configuredAuthorization,
} from "../src/apiserver/auth/configured.ts";
import { ensurePki, type Pki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer, type RotatingTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { createApi } from "../src/apiserver/core/api.ts";
import { startApiServer, type ApiServer } from "../src/apiserver/http/server.ts";
import { localClient } from "../src/apiserver/local.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import type { Client } from "../src/client/client.ts";
import { publicKubeconfig } from "../src/client/kubeconfig.ts";
import { startControllers } from "../src/controllers/index.ts";
import { ConfigMap, Pod, Secret, ServiceAccount, builtinKinds } from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import {
  makeKey,
  signedBy,
  signJwt,
  startReviewer,
  webhookKubeconfig,
  type Reviewer,
} from "./authentication-servers.ts";
import { eventually } from "./harness.ts";

const ownIssuer = "https://kubernetes.default.svc.cluster.local";
const base64 = (value: string) => Buffer.from(value).toString("base64");
const seconds = () => Math.floor(Date.now() / 1000);

interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string | string[]>;
  readonly certificate?: { readonly certPem: string; readonly keyPem: string };
}

describe("who comes in", { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "knarr-authentication-"));
  const file = (name: string) => join(directory, name);
  const write = (name: string, content: string) => writeFileSync(file(name), content);
  const stop = new AbortController();
  const keys = ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512"].map((alg) => makeKey(`key-${alg}`, alg));
  const [rsa, , , ec] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0], (typeof keys)[0]];
  const previous = makeKey("previous", "ES256");
  const published = [...keys];
  let server: ApiServer;
  let pki: Pki;
  let client: Client;
  let tokens: RotatingTokenIssuer;
  let issuer: Reviewer;
  let tokenHook: Reviewer;
  let accessHook: Reviewer;
  /** What the access webhook says about a spec. */
  let access: (spec: any) => object = () => ({ allowed: false });

  before(async () => {
    const clock = realClock;
    pki = await ensurePki(file("pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock });
    issuer = await startReviewer(pki.serving, {
      get: (path, url) =>
        path === "/.well-known/openid-configuration"
          ? { issuer: url, jwks_uri: `${url}/keys` }
          : path === "/keys"
            ? { keys: published.map(({ jwk }) => jwk) }
            : undefined,
    });
    tokenHook = await startReviewer(pki.serving, {
      review: ({ spec }) => ({
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenReview",
        status:
          spec.token === "hook-good"
            ? { authenticated: true, user: { username: "hooked", groups: ["hook-group"], extra: { a: ["b"] } } }
            : { authenticated: false },
      }),
    });
    accessHook = await startReviewer(pki.serving, {
      review: ({ spec, ...rest }) => ({ ...rest, status: access(spec) }),
    });
    mkdirSync(file("config"));
    write("config/tokens.csv", 'static-token-1,alice,u1,"devs,ops"\nstatic-token-2,bob,\n');
    write("config/hook.json", webhookKubeconfig(tokenHook.url, pki.caPem));
    write("config/access.json", webhookKubeconfig(accessHook.url, pki.caPem));
    write("config/authentication.yaml", authenticationConfig("oidc:"));
    write("config/authorization.yaml", authorizationConfig("Deny"));
    const store = await openMemoryStore({ clock, freeze: true });
    const kinds = new KindRegistry(builtinKinds);
    tokens = createTokenIssuer({
      keyPem: pki.serviceAccountKeyPem,
      previousKeyPems: [previous.privateKey.export({ type: "pkcs8", format: "pem" }) as string],
      store,
      clock,
      issuer: ownIssuer,
      onLegacyUse: (secret, labels) => void client.patch(Secret, secret, "merge", { metadata: { labels } }),
    });
    const files = { clock, log: silentLogger, signal: stop.signal };
    const flags = {
      tokenAuthFile: file("config/tokens.csv"),
      authenticationConfig: file("config/authentication.yaml"),
      authenticationTokenWebhookConfigFile: file("config/hook.json"),
      authorizationConfig: file("config/authorization.yaml"),
    };
    const frontProxyCaPem = () => pki.frontProxyCaPem;
    const authentication = await configuredAuthentication({ ...files, flags, tokens, store, frontProxyCaPem });
    const authorization = await configuredAuthorization({ ...files, flags });
    const shared = { store, clock, log: silentLogger, kinds, tokens, authentication };
    const serviceCidr = "10.96.0.0/16";
    const api = createApi({
      ...shared,
      serviceCidr,
      rootCaPem: pki.caPem,
      clusterDomain: "cluster.local",
      authorization,
    });
    await bootstrap({ store, clock, rootCaPem: pki.caPem, serviceCidr });
    client = localClient(api, store, kinds, "test");
    server = await startApiServer({
      ...shared,
      api,
      client,
      pki,
      listen: { host: "127.0.0.1", port: 0 },
      nodes: () => undefined,
      signal: stop.signal,
      version: "test",
    });
    await startControllers({
      client,
      kinds,
      clock,
      log: silentLogger,
      signal: stop.signal,
      rootCaPem: pki.caPem,
      storageDir: "/storage",
      removeVolumeDirectory: () => Promise.resolve(),
      legacyTokens: tokens,
      authenticationTrust: authenticationTrust(pki.caPem, pki.frontProxyCaPem),
      publicKubeconfig: publicKubeconfig({ server: server.url, caPem: pki.caPem }),
    });
  });
  after(async () => {
    stop.abort();
    await server?.close();
    await Promise.all([issuer, tokenHook, accessHook].map((one) => one?.[Symbol.asyncDispose]()));
    rmSync(directory, { recursive: true, force: true });
  });

  const authenticationConfig = (prefix: string) => `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: { enabled: true, conditions: [{ path: /readyz }, { path: /version }] }
jwt:
- issuer:
    url: ${issuer.url}
    audiences: [shop, till]
    audienceMatchPolicy: MatchAny
    certificateAuthority: ${JSON.stringify(pki.caPem)}
  claimValidationRules:
  - { claim: tenant, requiredValue: north }
  - { expression: "claims.exp - claims.iat <= 86400", message: lives too long }
  claimMappings:
    username: { claim: sub, prefix: "${prefix}" }
    groups: { expression: "claims.?roles.orValue([]).map(r, 'role:' + r)" }
    uid: { claim: uid }
    extra: [{ key: example.org/team, valueExpression: "claims.?team.orValue('')" }]
  userValidationRules:
  - { expression: "!user.username.startsWith('system:')", message: reserved }
`;
  const authorizationConfig = (failurePolicy: string) => `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- { type: Node, name: node }
- { type: RBAC, name: rbac }
- type: Webhook
  name: access
  webhook:
    timeout: 2s
    authorizedTTL: 1h
    unauthorizedTTL: 1h
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: ${failurePolicy}
    connectionInfo: { type: KubeConfigFile, kubeConfigFile: ${JSON.stringify(file("config/access.json"))} }
    matchConditions:
    - expression: has(request.resourceAttributes) && request.resourceAttributes.namespace == 'default'
`;

  const ask = async (path: string, token?: string, { method = "GET", body, headers, certificate }: Asked = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<import("node:http").IncomingMessage>();
    const sent = request(`${server.url}${path}`, {
      method,
      ca: pki.caPem,
      agent: false,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(certificate ? { cert: certificate.certPem, key: certificate.keyPem } : {}),
    });
    sent.once("response", resolve).once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const response = await promise;
    const content = await text(response);
    const isJson = String(response.headers["content-type"]).startsWith("application/json");
    return { code: response.statusCode, body: isJson ? JSON.parse(content) : content };
  };
  const selfReview = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const self = async (token: string | undefined, more: Asked = {}) => {
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
    const answer = await ask(selfReview, token, { method: "POST", body, ...more });
    return answer.code === 201 ? answer.body.status.userInfo : answer;
  };
  const asAdmin = (path: string, method: string, body: unknown) =>
    ask(path, undefined, { method, body, certificate: pki.admin });
  const review = async (token: string, audiences?: readonly string[]) => {
    const body = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, ...(audiences ? { audiences } : {}) },
    };
    return (await asAdmin("/apis/authentication.k8s.io/v1/tokenreviews", "POST", body)).body.status;
  };
  const account = (name: string) =>
    client.create(ServiceAccount, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name, namespace: "default" },
    });
  const tokenFor = async (name: string, spec: object = {}) => {
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
    return (await asAdmin(`/api/v1/namespaces/default/serviceaccounts/${name}/token`, "POST", body)).body;
  };
  const oidc = (claims: object = {}) => ({
    iss: issuer.url,
    aud: "shop",
    sub: "jane",
    tenant: "north",
    iat: seconds(),
    exp: seconds() + 600,
    ...claims,
  });

  test("static tokens name users, ids and groups", async () => {
    const alice = await self("static-token-1");
    assert.deepEqual(alice, { username: "alice", uid: "u1", groups: ["devs", "ops", "system:authenticated"] });
    assert.equal((await self("static-token-2")).username, "bob");
    assert.equal((await self("static-token-3")).code, 401);
  });

  test("bootstrap tokens work until their time, and the cleaner removes them then", async () => {
    const secret = (id: string, data: Record<string, string>) =>
      client.create(Secret, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: `bootstrap-token-${id}`, namespace: "kube-system" },
        type: "bootstrap.kubernetes.io/token",
        data: Object.fromEntries(
          Object.entries({ "token-id": id, "token-secret": "0123456789abcdef", ...data }).map(([k, v]) => [
            k,
            base64(v),
          ]),
        ),
      } as never);
    await secret("aaaaaa", {
      "usage-bootstrap-authentication": "true",
      "usage-bootstrap-signing": "true",
      "auth-extra-groups": "system:bootstrappers:workers",
      expiration: new Date(Date.now() + 3_600_000).toISOString(),
    });
    const machine = await self("aaaaaa.0123456789abcdef");
    assert.equal(machine.username, "system:bootstrap:aaaaaa");
    assert.deepEqual(machine.groups, ["system:bootstrappers", "system:bootstrappers:workers", "system:authenticated"]);
    await secret("bbbbbb", { "usage-bootstrap-signing": "true" });
    await secret("cccccc", { "usage-bootstrap-authentication": "true", "auth-extra-groups": "system:masters" });
    for (const bad of [
      "aaaaaa.0123456789abcdee",
      "bbbbbb.0123456789abcdef",
      "cccccc.0123456789abcdef",
      "zzzzzz.0123456789abcdef",
    ]) {
      assert.equal((await self(bad)).code, 401, bad);
    }
    const signed = await eventually("both tokens sign", async () => {
      const { data = {} } = await client.get(ConfigMap, "cluster-info", "kube-public");
      return data["jws-kubeconfig-aaaaaa"] && data["jws-kubeconfig-bbbbbb"] ? data : undefined;
    });
    const [head, , signature] = signed["jws-kubeconfig-aaaaaa"]!.split(".") as [string, string, string];
    assert.deepEqual(JSON.parse(Buffer.from(head, "base64url").toString()), { alg: "HS256", kid: "aaaaaa" });
    const whole = signJwt(signed.kubeconfig, { alg: "HS256", kid: "aaaaaa" }, "0123456789abcdef");
    assert.equal(signature, whole.split(".")[2]);
    await secret("dddddd", {
      "usage-bootstrap-authentication": "true",
      expiration: new Date(Date.now() - 1000).toISOString(),
    });
    assert.equal((await self("dddddd.0123456789abcdef")).code, 401);
    const isGone = (error: { reason?: string }) => error.reason === "NotFound";
    await eventually("the cleaner removes what has ended", () =>
      client.get(Secret, "bootstrap-token-dddddd", "kube-system").then(() => false, isGone),
    );
  });

  test("tokens of a foreign issuer become users as the configuration maps them, whatever key signs", async () => {
    for (const key of keys) {
      const jane = await self(signedBy(key, oidc({ roles: ["a", "b"], uid: "77", team: "blue" })));
      assert.equal(jane.username, "oidc:jane", key.alg);
      assert.equal(jane.uid, "77");
      assert.deepEqual(jane.groups, ["role:a", "role:b", "system:authenticated"]);
      assert.deepEqual(jane.extra, { "example.org/team": ["blue"] });
    }
  });

  test("keys that the issuer adds are found, and keys that nobody has are looked up seldom", async () => {
    const added = makeKey("added", "ES256");
    published.push(added);
    assert.equal((await self(signedBy(added, oidc()))).username, "oidc:jane");
    const before = issuer.asked.length;
    for (let i = 0; i < 50; i++) assert.equal((await self(signedBy(makeKey(`no-${i}`, "ES256"), oidc()))).code, 401);
    assert.ok(issuer.asked.length - before <= 20, `${issuer.asked.length - before} requests`);
    assert.equal((await self(signedBy(rsa, oidc()))).username, "oidc:jane");
  });

  test("a webhook reviews tokens that nobody else knows, once for a while, and its failure is no other's", async () => {
    const hooked = await self("hook-good");
    assert.deepEqual(hooked.groups, ["hook-group", "system:authenticated"]);
    const before = tokenHook.asked.length;
    assert.equal((await self("hook-good")).username, "hooked");
    assert.equal(tokenHook.asked.length, before);
    assert.deepEqual(tokenHook.asked.at(-1).spec.audiences, [ownIssuer]);
    tokenHook.status = 400;
    assert.equal((await self("hook-other")).code, 401);
    assert.equal((await self("static-token-1")).username, "alice");
    tokenHook.status = 200;
    const asked = tokenHook.asked.length;
    assert.equal((await self("hook-other")).code, 401);
    assert.equal(tokenHook.asked.length, asked + 1);
  });

  test("nobody in particular may ask for the configured paths alone", async () => {
    assert.equal((await ask("/readyz")).code, 200);
    assert.equal((await ask("/version")).code, 200);
    assert.equal((await ask("/livez")).code, 401);
    assert.equal((await ask("/api/v1/pods")).code, 401);
  });

  test("a front proxy says who asks, with a certificate of its own CA and a name that may", async () => {
    const headers = {
      "x-remote-user": "CN=carol,O=x",
      "x-remote-group": ["red", "blue"],
      "x-remote-extra-scope%2fA": "s1",
      "x-remote-uid": "9",
    };
    const carol = await self(undefined, { headers, certificate: pki.frontProxyClient });
    assert.equal(carol.username, "CN=carol,O=x");
    assert.deepEqual(carol.groups, ["red", "blue", "system:authenticated"]);
    assert.equal(carol.uid, "9");
    assert.deepEqual(carol.extra, { "scope/a": ["s1"] });
    assert.equal((await self(undefined, { certificate: pki.frontProxyClient })).code, 401, "a proxy is nobody itself");
    const admin = await self(undefined, { headers, certificate: pki.admin });
    assert.equal(admin.username, "kubernetes-admin");
    const fingerprint = new X509Certificate(pki.admin.certPem).fingerprint256.replaceAll(":", "").toLowerCase();
    assert.deepEqual(admin.extra["authentication.kubernetes.io/credential-id"], [`X509SHA256=${fingerprint}`]);
    assert.equal((await self("static-token-1", { headers })).username, "alice");
    assert.equal((await self(undefined, { headers })).code, 401);
    const { data } = await eventually("other servers find whom to trust", () =>
      client.get(ConfigMap, "extension-apiserver-authentication", "kube-system").catch(() => undefined),
    );
    assert.ok(new X509Certificate(data!["requestheader-client-ca-file"]!).ca);
    assert.equal(data!["requestheader-allowed-names"], '["front-proxy-client"]');
  });

  test("TokenReviews tell user and audiences, and why not", async () => {
    await account("reviewed");
    const { status } = await tokenFor("reviewed", { audiences: ["vault", ownIssuer] });
    const good = await review(status.token, ["vault", "else"]);
    assert.deepEqual([good.authenticated, good.audiences], [true, ["vault"]]);
    assert.equal(good.user.username, "system:serviceaccount:default:reviewed");
    assert.deepEqual((await review(status.token)).audiences, [ownIssuer]);
    const other = await review(status.token, ["else"]);
    assert.equal(other.authenticated, undefined);
    assert.match(other.error, /audiences/);
    assert.match((await review("static-token-1", ["else"])).error, /audiences/);
    assert.equal((await review("static-token-1")).user.username, "alice");
    assert.match((await review("nobody's")).error, /invalid bearer token/);
    assert.match((await review(signedBy(rsa, oidc({ tenant: "south" })))).error, /required claim tenant/);
    assert.match((await review(signedBy(rsa, oidc({ exp: seconds() + 864_000 })))).error, /lives too long/);
    const empty = await asAdmin("/apis/authentication.k8s.io/v1/tokenreviews", "POST", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: {},
    });
    assert.equal(empty.code, 400);
  });

  test("tokens of pods last longer than they say, and say who carries them", async () => {
    await account("carrier");
    const pod = await client.create(Pod, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "carrier", namespace: "default" },
      spec: { serviceAccountName: "carrier", containers: [{ name: "c", image: "127.0.0.1:1/none" }] },
    } as never);
    const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "carrier", uid: pod.metadata.uid };
    const { status } = await tokenFor("carrier", { expirationSeconds: 3607, boundObjectRef });
    const claims = JSON.parse(Buffer.from(status.token.split(".")[1], "base64url").toString());
    assert.equal(claims.exp - claims.iat, 365 * 86_400);
    assert.equal(claims["kubernetes.io"].warnafter - claims.iat, 3607);
    assert.ok(Date.parse(status.expirationTimestamp) / 1000 - claims.iat <= 3607);
    const { extra } = await self(status.token);
    assert.deepEqual(extra["authentication.kubernetes.io/pod-name"], ["carrier"]);
    assert.deepEqual(extra["authentication.kubernetes.io/pod-uid"], [pod.metadata.uid]);
    assert.deepEqual(extra["authentication.kubernetes.io/credential-id"], [`JTI=${claims.jti}`]);
    await client.delete(Pod, { name: "carrier", namespace: "default" }, { gracePeriodSeconds: 0 });
    assert.equal((await self(status.token)).code, 401);
    for (const [spec, code] of [
      [{ expirationSeconds: 599 }, 422],
      [{ expirationSeconds: 2 ** 32 + 1 }, 422],
      [{ boundObjectRef }, 404],
      [{ boundObjectRef: { kind: "ConfigMap", apiVersion: "v1", name: "x" } }, 400],
    ] as const) {
      assert.equal((await tokenFor("carrier", spec)).code, code, JSON.stringify(spec));
    }
  });

  test("a Secret gets a token, a CA and a namespace; the token ends with the Secret, its account or its removal", async () => {
    const { metadata } = await account("legacy");
    const make = (name: string) =>
      client.create(Secret, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name, namespace: "default", annotations: { "kubernetes.io/service-account.name": "legacy" } },
        type: "kubernetes.io/service-account-token",
      } as never);
    const filled = async (name: string) => {
      const secret = await eventually("the Secret is filled", async () => {
        const found = await client.get(Secret, name, "default");
        return found.data?.token ? found : undefined;
      });
      assert.equal(secret.metadata.annotations?.["kubernetes.io/service-account.uid"], metadata.uid);
      assert.equal(secret.data!["ca.crt"], base64(pki.caPem));
      assert.equal(secret.data!.namespace, base64("default"));
      return Buffer.from(secret.data!.token!, "base64").toString();
    };
    await make("one");
    const token = await filled("one");
    const user = await self(token);
    assert.equal(user.username, "system:serviceaccount:default:legacy");
    assert.deepEqual(user.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
    await eventually("its use is noted", async () => {
      const { labels } = (await client.get(Secret, "one", "default")).metadata;
      return labels?.["kubernetes.io/legacy-token-last-used"] === new Date().toISOString().slice(0, 10);
    });
    await client.patch(Secret, { name: "one", namespace: "default" }, "merge", { data: { token: null } });
    const renewed = await filled("one");
    assert.notEqual(renewed, token);
    assert.equal((await self(token)).code, 401);
    await make("two");
    const second = await filled("two");
    await client.delete(Secret, { name: "two", namespace: "default" });
    assert.equal((await self(second)).code, 401);
    await client.delete(ServiceAccount, { name: "legacy", namespace: "default" });
    assert.equal((await self(renewed)).code, 401);
    await eventually("the Secret goes with its account", () =>
      client.get(Secret, "one", "default").then(
        () => false,
        () => true,
      ),
    );
    await account("legacy");
    assert.equal((await self(renewed)).code, 401, "the account is another one");
  });

  test("forged, stolen, outlived and broken tokens are nobody's, and everybody else is served meanwhile", async () => {
    const { metadata } = await account("victim");
    const { token: good } = (await tokenFor("victim")).status as { token: string };
    const key = pki.serviceAccountKeyPem;
    const stranger = makeKey("stranger", "ES256");
    const [head, body, signature] = good.split(".") as [string, string, string];
    const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
    const header = decoded(head);
    const claims = decoded(body) as Record<string, unknown> & { "kubernetes.io": Record<string, unknown> };
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    /** Signed with the cluster's own key: what is wrong is what it says. */
    const own = (changed: object) => signJwt({ ...claims, ...changed }, header, key);
    const bound = (changed: object) => own({ "kubernetes.io": { ...claims["kubernetes.io"], ...changed } });
    const publicPem = new X509Certificate(pki.serving.certPem).publicKey.export({ type: "spki", format: "pem" });
    const jane = (changed: object) => signedBy(rsa, oidc(changed));
    const rows: Record<string, string> = {
      "alg none": `${encoded({ alg: "none" })}.${body}.`,
      "alg none with a signature": `${encoded({ alg: "none" })}.${body}.${signature}`,
      "alg nOnE": `${encoded({ alg: "nOnE" })}.${body}.`,
      "no alg": `${encoded({ kid: header.kid })}.${body}.${signature}`,
      "alg is no text": `${encoded({ alg: ["ES256"] })}.${body}.${signature}`,
      "HS256 with the public key": signJwt(claims, { ...header, alg: "HS256" }, String(publicPem)),
      "HS256 with an empty secret": signJwt(claims, { ...header, alg: "HS256" }, ""),
      "RS256 with an EC key": `${encoded({ ...header, alg: "RS256" })}.${body}.${signature}`,
      "ES384 with a P-256 key": `${encoded({ ...header, alg: "ES384" })}.${body}.${signature}`,
      "no signature": `${head}.${body}.`,
      "a signature of another token": `${head}.${encoded({ ...claims, exp: seconds() + 1e6 })}.${signature}`,
      "an all-zero signature": `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`,
      "a truncated signature": `${head}.${body}.${signature.slice(0, 40)}`,
      "a changed signature": `${head}.${body}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`,
      "a critical header that nobody knows": signJwt(claims, { ...header, crit: ["b64"], b64: false }, key),
      "an embedded key": signJwt(claims, { ...header, jwk: stranger.jwk }, stranger.privateKey),
      "a key by URL": signJwt(claims, { ...header, jku: `${issuer.url}/keys`, kid: "key-ES256" }, ec.privateKey),
      "a stranger's key under the own name": signJwt(claims, header, stranger.privateKey),
      "two parts": `${head}.${body}`,
      "four parts": `${good}.${signature}`,
      "five parts": `${head}.${body}.${signature}.a.b`,
      "no JSON in the claims": `${head}.${Buffer.from("{").toString("base64url")}.${signature}`,
      "a list of claims": signJwt([claims], header, key),
      "null claims": signJwt(null, header, key),
      "white space inside": `${head}.${body}\t.${signature}`,
      "padding and other alphabets": `${head}.${body}=.${signature}+/`,
      "dots alone": "..",
      "very long": `${head}.${"A".repeat(6000)}.${signature}`,
      expired: own({ exp: seconds() - 1 }),
      "without an end": own({ exp: undefined }),
      "an end that is no number": own({ exp: "9999999999" }),
      "not valid yet": own({ nbf: seconds() + 3600 }),
      "made in the future": own({ iat: seconds() + 3600 }),
      "another issuer": own({ iss: "https://else" }),
      "another audience": own({ aud: ["vault"] }),
      "no audience": own({ aud: [] }),
      "another account's uid": bound({ serviceaccount: { name: "victim", uid: "other" } }),
      "an account that is not there": bound({ serviceaccount: { name: "ghost", uid: metadata.uid } }),
      "another namespace": bound({ namespace: "kube-system" }),
      "a pod that is not there": bound({ pod: { name: "ghost", uid: "1" } }),
      "a node that is not there": bound({ node: { name: "ghost", uid: "1" } }),
      "a secret that is not there": bound({ secret: { name: "ghost", uid: "1" } }),
      "no Kubernetes claims": own({ "kubernetes.io": undefined }),
      "a Secret's token that is in no Secret": tokens.issueLegacy({
        namespace: "default",
        serviceAccount: { name: "victim", uid: metadata.uid },
        secretName: "ghost",
      }),
      "foreign: of another audience": jane({ aud: "warehouse" }),
      "foreign: without an audience": jane({ aud: undefined }),
      "foreign: expired": jane({ exp: seconds() - 2 }),
      "foreign: without an end": jane({ exp: undefined }),
      "foreign: not valid yet": jane({ nbf: seconds() + 3600 }),
      "foreign: of another tenant": jane({ tenant: "south" }),
      "foreign: a reserved name": jane({ sub: "" }),
      "foreign: no name": jane({ sub: undefined }),
      "foreign: a name that is a list": jane({ sub: ["jane"] }),
      "foreign: groups that are numbers": jane({ roles: [1, 2] }),
      "foreign: alg none": `${encoded({ alg: "none", kid: rsa.kid })}.${encoded(oidc())}.`,
      "foreign: HS256 with the public key": signJwt(oidc(), { alg: "HS256", kid: rsa.kid }, JSON.stringify(rsa.jwk)),
      "foreign: the cluster's own key": signJwt(oidc(), { alg: "ES256" }, key),
      "foreign: another key's name": signJwt(oidc(), { alg: "RS256", kid: "key-RS512" }, rsa.privateKey),
    };
    assert.equal((await self(good)).username, "system:serviceaccount:default:victim");
    const outcomes = Object.entries(rows).map(async ([name, token]) => {
      const { code, body: status } = await ask("/api/v1/namespaces", token);
      assert.equal(code, 401, name);
      assert.deepEqual([status.kind, status.reason, status.message], ["Status", "Unauthorized", "Unauthorized"], name);
      assert.equal((await self("static-token-1")).username, "alice");
    });
    await Promise.all(outcomes);
    await client.delete(ServiceAccount, { name: "victim", namespace: "default" });
    await account("victim");
    assert.equal((await self(good)).code, 401, "an account of the same name is another one");
  });

  test("tokens of the key before stay good, and both keys are published", async () => {
    const { metadata } = await account("elder");
    const claims = {
      iss: ownIssuer,
      sub: "system:serviceaccount:default:elder",
      aud: [ownIssuer],
      iat: seconds(),
      nbf: seconds(),
      exp: seconds() + 600,
      jti: "1",
      "kubernetes.io": { namespace: "default", serviceaccount: { name: "elder", uid: metadata.uid } },
    };
    const elder = signJwt(claims, { alg: "ES256", kid: "a name of long ago" }, previous.privateKey);
    assert.equal((await self(elder)).username, "system:serviceaccount:default:elder");
    const { body } = await ask("/openid/v1/jwks", (await tokenFor("elder")).status.token);
    const published = JSON.parse(typeof body === "string" ? body : JSON.stringify(body)) as { keys: { x: string }[] };
    assert.equal(published.keys.length, 2);
    assert.ok(published.keys.some(({ x }) => x === previous.jwk.x));
    const found = await ask("/.well-known/openid-configuration", elder);
    assert.equal(found.body.issuer, ownIssuer);
    assert.deepEqual(found.body.id_token_signing_alg_values_supported, ["ES256"]);
  });

  test("a webhook decides what no role allows, from memory for a while, and only where its conditions hold", async () => {
    access = ({ user, resourceAttributes: { verb } }) =>
      user === "alice" && verb === "list" ? { allowed: true } : { allowed: false, denied: true, reason: "not in May" };
    const list = (namespace: string) => ask(`/api/v1/namespaces/${namespace}/configmaps`, "static-token-1");
    const before = accessHook.asked.length;
    assert.equal((await list("default")).code, 200);
    assert.equal((await list("default")).code, 200);
    assert.equal(accessHook.asked.length, before + 1);
    assert.deepEqual(accessHook.asked.at(-1).spec.groups, ["devs", "ops", "system:authenticated"]);
    assert.equal((await list("kube-system")).code, 403);
    const refused = await ask("/api/v1/namespaces/default/configmaps/x", "static-token-1", { method: "DELETE" });
    assert.equal(refused.code, 403);
    assert.match(refused.body.message, /not in May/);
    const allowed = accessHook.asked.length;
    assert.equal((await asAdmin("/api/v1/namespaces/default/configmaps", "GET", undefined)).code, 200);
    assert.equal(accessHook.asked.length, allowed, "an administrator needs no webhook");
    const reviewed = await asAdmin("/apis/authorization.k8s.io/v1/subjectaccessreviews", "POST", {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: { user: "dave", resourceAttributes: { namespace: "default", verb: "get", resource: "pods" } },
    });
    assert.deepEqual(reviewed.body.status, { allowed: false, denied: true, reason: "not in May" });
    const rules = await ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "static-token-1", {
      method: "POST",
      body: { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace: "default" } },
    });
    assert.equal(rules.body.status.incomplete, true);
    access = ({ resourceAttributes: { fieldSelector, labelSelector, name } }) => ({
      allowed:
        name === "one" &&
        fieldSelector?.requirements[0].values[0] === "one" &&
        labelSelector?.requirements.length === 1,
    });
    const one = "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Done&labelSelector=a%20in%20(b)";
    assert.equal((await ask(one, "static-token-1")).code, 200);
    assert.equal((await ask(one.replace(/&.*/, ""), "static-token-1")).code, 403);
    accessHook.status = 400;
    const failing = await ask("/api/v1/namespaces/default/secrets", "static-token-1");
    assert.equal(failing.code, 403);
    accessHook.status = 200;
    access = () => ({ allowed: true });
    assert.equal((await ask("/api/v1/namespaces/default/secrets", "static-token-1")).code, 200);
  });

  test("what a webhook allows includes every way to ask: creating, applying, impersonating", async () => {
    access = () => ({ allowed: true });
    const path = "/api/v1/namespaces/default/configmaps";
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "bobs" }, data: { a: "1" } };
    assert.equal((await ask(path, "static-token-2", { method: "POST", body: object })).code, 201);
    const applied = await ask(`${path}/applied?fieldManager=bob`, "static-token-2", {
      method: "PATCH",
      body: { ...object, metadata: { name: "applied" } },
      headers: { "content-type": "application/apply-patch+yaml" },
    });
    assert.equal(applied.code, 201);
    const target = `${path}/bobs`;
    const headers = { "impersonate-user": "system:serviceaccount:default:elder" };
    assert.equal((await ask(target, "static-token-2", { headers })).code, 200);
    const elsewhere = { "impersonate-user": "somebody" };
    assert.equal((await ask(target, "static-token-2", { headers: elsewhere })).code, 403);
    assert.equal((await ask(`${target}`, "static-token-2", { method: "DELETE" })).code, 200);
  });

  test("changed files count at once, and broken ones leave everything as it was", async () => {
    const replace = (name: string, content: string) => {
      write(`config/.${name}`, content);
      renameSync(file(`config/.${name}`), file(`config/${name}`));
    };
    const token = signedBy(rsa, oidc());
    replace("authentication.yaml", "kind: AuthenticationConfiguration\njwt: [");
    replace("authorization.yaml", authorizationConfig("Perhaps"));
    assert.equal((await self(token)).username, "oidc:jane");
    replace("authentication.yaml", authenticationConfig("sso:"));
    replace("authorization.yaml", authorizationConfig("NoOpinion").replace("type: RBAC", "type: AlwaysAllow"));
    await eventually("the prefix is the new one", async () => (await self(token)).username === "sso:jane");
    await eventually("everything is allowed", async () => (await ask("/api/v1/nodes", "static-token-1")).code === 200);
  });
});
