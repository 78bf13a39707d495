// A node's credentials over HTTPS: how it gets them, and that they open nothing that is another node's.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import type { KeyPair } from "../src/apiserver/auth/pki.ts";
import { loadX509 } from "../src/apiserver/auth/pki/issue.ts";
import type { HttpsClient } from "../src/client/https.ts";
import {
  CertificateSigningRequest,
  ClusterRoleBinding,
  ConfigMap,
  Node,
  Pod,
  Secret,
  ServiceAccount,
} from "../src/kinds/index.ts";
import type { AnyKind } from "../src/kinds/registry.ts";
import { isReason } from "../src/machinery/errors.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { eventually } from "./harness.ts";

const namespace = "default";
const signerName = "kubernetes.io/kube-apiserver-client-kubelet";
const isForbidden = (pattern: RegExp) => (error: unknown) => {
  assert.ok(isReason(error, "Forbidden"), String(error));
  assert.match(error.message, pattern);
  return true;
};

/** A key and a PKCS #10 request for the subject, in PEM. */
async function certificateRequest(subject: string): Promise<{ keyPem: string; requestPem: string }> {
  const { Pkcs10CertificateRequestGenerator } = await loadX509();
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: subject, keys, signingAlgorithm: algorithm });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)!.join("\n")}\n-----END PRIVATE KEY-----\n`;
  return { keyPem, requestPem: request.toString("pem") };
}

describe("a node's credentials", () => {
  let plane: ControlPlane;
  let node: HttpsClient;
  const create = (client: HttpsClient, kind: AnyKind, metadata: object, rest: object = {}) =>
    // oxlint-disable-next-line typescript/no-explicit-any
    client.create(kind, { metadata, ...rest } as any);

  before(async () => {
    plane = await startControlPlane();
    for (const name of ["a", "b"]) {
      await create(plane.admin, Node, { name });
      await create(plane.admin, Secret, { name: `secret-${name}`, namespace });
      await create(plane.admin, ConfigMap, { name: `config-${name}`, namespace });
      await create(plane.admin, ServiceAccount, { name: `account-${name}`, namespace });
      const volumes = [
        { name: "s", secret: { secretName: `secret-${name}` } },
        { name: "c", configMap: { name: `config-${name}` } },
      ];
      const spec = {
        containers: [{ name: "c", image: "i" }],
        nodeName: name,
        volumes,
        serviceAccountName: `account-${name}`,
      };
      await create(plane.admin, Pod, { name: `pod-${name}`, namespace }, { spec });
    }
    node = plane.as(
      await plane.pki.issueClientCertificate({ commonName: "system:node:a", organizations: ["system:nodes"] }),
    );
  });
  after(() => plane[Symbol.asyncDispose]());

  test("read what its pods name, and not what only another node's pods name", async () => {
    assert.equal((await node.get(Secret, "secret-a", namespace)).metadata.name, "secret-a");
    assert.equal((await node.get(ConfigMap, "config-a", namespace)).metadata.name, "config-a");
    const foreign = isForbidden(/no relationship found between node 'a' and this object/);
    await assert.rejects(node.get(Secret, "secret-b", namespace), foreign);
    await assert.rejects(node.get(ConfigMap, "config-b", namespace), foreign);
    await assert.rejects(node.get(Pod, "pod-b", namespace), foreign);
    await assert.rejects(node.list(Secret, { namespace }), isForbidden(/No Object name found/));
    await assert.rejects(node.list(Secret), isForbidden(/can only read namespaced object of this type/));
    const own = await node.list(Pod, { fieldSelector: "spec.nodeName=a" });
    assert.deepEqual(
      own.items.map(({ metadata }) => metadata.name),
      ["pod-a"],
    );
    await assert.rejects(node.list(Pod), isForbidden(/spec.nodeName field selector/));
  });

  test("give tokens for its own pods only", async () => {
    const token = async (name: string, pod: string) => {
      const { uid } = (await plane.admin.get(Pod, pod, namespace)).metadata;
      const boundObjectRef = { apiVersion: "v1", kind: "Pod", name: pod, uid };
      return node.createSubresource(ServiceAccount, { name, namespace }, "token", {
        spec: { audiences: [], boundObjectRef },
      });
    };
    await token("account-a", "pod-a");
    await assert.rejects(token("account-b", "pod-b"), isForbidden(/no relationship found/));
    const unbound = { spec: { audiences: [] } };
    await assert.rejects(
      node.createSubresource(ServiceAccount, { name: "account-a", namespace }, "token", unbound),
      isForbidden(/node requested token not bound to a pod/),
    );
    await assert.rejects(
      node.createSubresource(Pod, { name: "pod-b", namespace }, "eviction", { metadata: { name: "pod-b", namespace } }),
      isForbidden(/can only (evict|delete) pods with spec.nodeName set to itself/),
    );
  });

  test("come from a request that is approved by right, signed, and renewed by the node itself", async () => {
    const { username, pair } = {
      username: "joiner",
      pair: await plane.pki.issueClientCertificate({ commonName: "joiner", organizations: ["joiners"] }),
    };
    const joiner = plane.as(pair);
    const bind = (name: string, role: string, group: string) =>
      create(
        plane.admin,
        ClusterRoleBinding,
        { name },
        {
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
          subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
        },
      );
    const prefix = "system:certificates.k8s.io:certificatesigningrequests";
    await bind("joiners-ask", "system:node-bootstrapper", "joiners");
    const ask = async (client: HttpsClient, name: string, subject: string): Promise<() => Promise<KeyPair>> => {
      const { keyPem, requestPem } = await certificateRequest(subject);
      const request = Buffer.from(requestPem).toString("base64");
      const spec = { request, signerName, usages: ["digital signature", "client auth"], expirationSeconds: 3600 };
      await create(client, CertificateSigningRequest, { name }, { spec });
      return () =>
        eventually("the certificate is issued", async () => {
          const { status } = await plane.admin.get(CertificateSigningRequest, name);
          return status?.certificate
            ? { certPem: Buffer.from(status.certificate, "base64").toString(), keyPem }
            : undefined;
        });
    };
    const subject = "O=system:nodes, CN=system:node:c";
    const issued = await ask(joiner, "join", subject);
    const open = await plane.admin.get(CertificateSigningRequest, "join");
    assert.deepEqual([open.spec.username, open.status?.conditions], [username, undefined]);
    // The right comes after the request: no one waits for a poll.
    await bind("joiners-pass", `${prefix}:nodeclient`, "joiners");
    const joined = plane.as(await issued());
    await create(joined, Node, { name: "c" });
    await assert.rejects(create(joined, Node, { name: "d" }), isForbidden(/not allowed to modify node "d"/));
    await bind("nodes-renew", `${prefix}:selfnodeclient`, "system:nodes");
    const renewed = plane.as(await (await ask(joined, "renew", subject))());
    assert.equal((await renewed.get(Node, "c")).metadata.name, "c");
    await assert.rejects(ask(joined, "other", "O=system:nodes, CN=system:node:a"), isForbidden(/CN=system:node:c/));
  });

  test("nobody asks for a certificate of an administrator", async () => {
    const { requestPem } = await certificateRequest("O=system:masters, CN=root");
    const spec = {
      request: Buffer.from(requestPem).toString("base64"),
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["client auth"],
    };
    await assert.rejects(
      create(plane.admin, CertificateSigningRequest, { name: "root" }, { spec }),
      isForbidden(/system:masters group is not allowed/),
    );
  });
});
