// What the conformance suite asks of service accounts, reviews of access and certificate requests.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { loadX509 } from "../src/apiserver/auth/pki/issue.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { allOperations, refusal, requestsOf, type Json, type Requests } from "./requests.ts";

describe("users and accounts as conformance sees them", { timeout: 60_000 }, () => {
  let plane: ControlPlane;
  let { ask, patch, until, watch } = {} as Requests;
  const space = "/api/v1/namespaces/default";
  const accounts = `${space}/serviceaccounts`;

  before(async () => {
    plane = await startControlPlane();
    ({ ask, patch, until, watch } = requestsOf(plane.admin));
  });
  after(async () => plane?.[Symbol.asyncDispose]());

  /** A new account: its user name, and requests with a token of its own. */
  const account = async (name: string) => {
    await ask("POST", accounts, { metadata: { name } });
    const { status } = await ask("POST", `${accounts}/${name}/token`, { spec: {} });
    const { token } = status as { token: string };
    return { user: `system:serviceaccount:default:${name}`, token, ...requestsOf(plane.as({ token })) };
  };

  test("service accounts support all API operations", async () => {
    await allOperations(requestsOf(plane.admin), accounts, { metadata: { name: "suite" } }, false);
    const created = await ask("POST", accounts, { metadata: { name: "life", labels: { life: "1" } } });
    const everywhere = "/api/v1/serviceaccounts?labelSelector=life%3D1";
    assert.equal((await ask("GET", everywhere)).items.length, 1);
    const patched = await patch(`${accounts}/life`, { automountServiceAccountToken: false });
    assert.equal(patched.automountServiceAccountToken, false);
    const updated = await ask("PUT", `${accounts}/life`, { ...patched, automountServiceAccountToken: true });
    assert.equal(updated.automountServiceAccountToken, true);
    await ask("DELETE", `${accounts}?labelSelector=life%3D1`);
    const version = Number(created.metadata.resourceVersion) - 1;
    const events = await watch(`${everywhere}&watch=1&resourceVersion=${version}`, 4);
    assert.deepEqual(
      events.map(({ type }) => type),
      ["ADDED", "MODIFIED", "MODIFIED", "DELETED"],
    );
  });

  test("a pod's word on mounting a token counts more than its account's, and without either it is mounted", async () => {
    for (const ofAccount of [undefined, true, false]) {
      const serviceAccountName = `mounts-${ofAccount}`;
      await ask("POST", accounts, { metadata: { name: serviceAccountName }, automountServiceAccountToken: ofAccount });
      for (const ofPod of [undefined, true, false]) {
        const containers = [{ name: "c", image: "i" }];
        const spec = { serviceAccountName, automountServiceAccountToken: ofPod, containers };
        const metadata = { name: `${serviceAccountName}-${ofPod}` };
        const pod = await ask("POST", `${space}/pods`, { metadata, spec });
        const paths = (pod.spec.containers[0].volumeMounts ?? []).map(({ mountPath }: Json) => mountPath);
        const wanted = ofPod ?? ofAccount ?? true;
        assert.deepEqual(paths, wanted ? ["/var/run/secrets/kubernetes.io/serviceaccount"] : [], metadata.name);
      }
    }
  });

  test("every namespace has the cluster's CA, which comes back when it is changed or deleted", async () => {
    await ask("POST", "/api/v1/namespaces", { metadata: { name: "trusting" } });
    const path = "/api/v1/namespaces/trusting/configmaps/kube-root-ca.crt";
    const isThere = (map: Json) => map?.data["ca.crt"] === plane.pki.caPem;
    const first = await until(path, isThere);
    await ask("DELETE", path);
    await until(path, (map) => isThere(map) && map.metadata.uid !== first.metadata.uid);
    await patch(path, { data: { "ca.crt": "nobody" } });
    await until(path, isThere);
  });

  test("the issuer of tokens is discovered by any account, and its keys verify them", async () => {
    const { token, ask: asked } = await account("relying");
    const {
      issuer,
      jwks_uri: uri,
      response_types_supported: types,
    } = await asked("GET", "/.well-known/openid-configuration");
    assert.deepEqual(types, ["id_token"]);
    const { keys } = await asked("GET", new URL(uri).pathname);
    const [head, claims, signature] = token.split(".") as [string, string, string];
    const part = (text: string) => JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as Json;
    assert.equal(part(claims).iss, issuer);
    const jwk = keys.find(({ kid }: Json) => kid === part(head).kid);
    assert.equal(part(head).alg, jwk.alg);
    const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" as const };
    assert.ok(verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url")));
  });

  test("reviews of access say of a user what the user learns itself", async () => {
    const { user, ask: asked } = await account("reviewed");
    const reviews = "/apis/authorization.k8s.io/v1";
    const review = async (by: Requests["ask"], path: string, verb: string, name?: string) => {
      const resourceAttributes = { namespace: "default", resource: "configmaps", verb };
      const metadata = path.startsWith("namespaces") ? { namespace: "default" } : {};
      const { status } = await by("POST", `${reviews}/${path}`, { metadata, spec: { resourceAttributes, user: name } });
      return status.allowed as boolean;
    };
    const answers = async (verb: string) => [
      await review(ask, "subjectaccessreviews", verb, user),
      await review(ask, "namespaces/default/localsubjectaccessreviews", verb, user),
      await review(asked, "selfsubjectaccessreviews", verb),
    ];
    assert.deepEqual(await answers("list"), [false, false, false]);
    const group = `/apis/rbac.authorization.k8s.io/v1/namespaces/default`;
    await ask("POST", `${group}/rolebindings`, {
      metadata: { name: "views" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
      subjects: [{ kind: "ServiceAccount", name: "reviewed", namespace: "default" }],
    });
    assert.deepEqual(await answers("list"), [true, true, true]);
    assert.deepEqual(await answers("delete"), [false, false, false]);
    const refused = refusal(
      asked("POST", `${reviews}/subjectaccessreviews`, { spec: { user, resourceAttributes: {} } }),
    );
    assert.equal((await refused).code, 403);
    const rules = await asked("POST", `${reviews}/selfsubjectrulesreviews`, { spec: { namespace: "default" } });
    assert.ok(rules.status.resourceRules.some(({ resources }: Json) => resources.includes("configmaps")));
    const self = await asked("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {});
    assert.equal(self.status.userInfo.username, user);
  });

  const requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  /** The spec of a request for a subject, and the key of whom it is for in PEM. */
  const requestOf = async (subject: string, signerName: string, ...usages: string[]) => {
    const { Pkcs10CertificateRequestGenerator } = await loadX509();
    const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const made = await Pkcs10CertificateRequestGenerator.create({ name: subject, keys, signingAlgorithm: algorithm });
    const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
    return {
      keyPem: `-----BEGIN PRIVATE KEY-----\n${der.toString("base64")}\n-----END PRIVATE KEY-----\n`,
      spec: {
        request: Buffer.from(made.toString("pem")).toString("base64"),
        signerName,
        expirationSeconds: 3600,
        usages: ["digital signature", "key encipherment", ...usages],
      },
    };
  };

  test("certificate requests support all API operations, with approval and status apart", async () => {
    const { resources } = await ask("GET", "/apis/certificates.k8s.io/v1");
    for (const name of ["", "/approval", "/status"]) {
      assert.ok(resources.some((one: Json) => one.name === `certificatesigningrequests${name}`));
    }
    const signerName = "example.com/suite";
    const { spec } = await requestOf("CN=suite.example.com", signerName, "server auth");
    const draft = { metadata: { generateName: "suite-" }, spec };
    await ask("POST", requests, draft);
    const { metadata } = await ask("POST", requests, draft);
    const path = `${requests}/${metadata.name}`;
    const selected = `${requests}?fieldSelector=spec.signerName%3D${encodeURIComponent(signerName)}`;
    assert.equal((await ask("GET", selected)).items.length, 2);
    await patch(path, { metadata: { annotations: { patched: "true" } } });
    const read = await ask("GET", path);
    const annotations = { ...read.metadata.annotations, updated: "true" };
    await ask("PUT", path, { ...read, metadata: { ...read.metadata, annotations } });
    const events = await watch(`${requests}?watch=1&resourceVersion=${metadata.resourceVersion}`, 2);
    assert.deepEqual(
      events.map(({ object }) => object.metadata.annotations.updated),
      [undefined, "true"],
    );

    const condition = (type: string) => ({ type, status: "True", reason: "Test", message: "set by a test" });
    const typesOf = ({ status }: Json) => status.conditions.map(({ type }: Json) => type);
    const change = (name: string, status: object) =>
      patch(`${path}/${name}`, { metadata: { annotations: { [`patched${name}`]: "true" } }, status });
    for (const subresource of ["approval", "status"]) {
      const { kind, metadata: same } = await ask("GET", `${path}/${subresource}`);
      assert.deepEqual([kind, same.uid], ["CertificateSigningRequest", metadata.uid]);
    }
    const patched = await change("approval", { conditions: [condition("ApprovalPatch")] });
    assert.equal(patched.metadata.annotations.patchedapproval, "true");
    assert.deepEqual(typesOf(patched), ["ApprovalPatch"]);
    const conditions = [...patched.status.conditions, condition("Approved")];
    const approved = await ask("PUT", `${path}/approval`, { ...patched, status: { conditions } });
    assert.deepEqual(typesOf(approved), ["ApprovalPatch", "Approved"]);
    const certificate = Buffer.from(plane.pki.caPem).toString("base64");
    const issued = await change("status", { certificate });
    assert.equal(issued.status.certificate, certificate);
    const more = [...issued.status.conditions, condition("StatusUpdate")];
    const stated = await ask("PUT", `${path}/status`, { ...issued, status: { ...issued.status, conditions: more } });
    assert.deepEqual(typesOf(stated), ["ApprovalPatch", "Approved", "StatusUpdate"]);

    await ask("DELETE", path);
    assert.equal((await refusal(ask("GET", path))).code, 404);
    assert.equal((await ask("GET", selected)).items.length, 1);
    await ask("DELETE", selected);
    assert.equal((await ask("GET", selected)).items.length, 0);
  });

  test("an approved certificate request is signed, and good for the user it names", async () => {
    const subject = "O=developers, CN=jane";
    const { spec, keyPem } = await requestOf(subject, "kubernetes.io/kube-apiserver-client", "client auth");
    const created = await ask("POST", requests, { metadata: { name: "jane" }, spec });
    assert.equal(created.spec.username, "kubernetes-admin");
    const conditions = [{ type: "Approved", status: "True", reason: "Test", message: "go" }];
    await ask("PUT", `${requests}/jane/approval`, { ...created, status: { conditions } });
    const { status } = await until(`${requests}/jane`, (csr) => csr.status.certificate !== undefined);
    const jane = plane.as({ certPem: Buffer.from(status.certificate, "base64").toString("utf8"), keyPem });
    const denied = await refusal(jane.request("GET", "/api/v1/secrets"));
    assert.match(denied.message, /User "jane" cannot list resource "secrets"/);
  });
});
