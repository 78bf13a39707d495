import { test } from "node:test";
import assert from "node:assert/strict";
import type { CertificateSigningRequest } from "../kinds/index.ts";
import { approvingRights, decideRequest, refusalOf } from "./certificates.ts";
import { ago, meta, now } from "./testing.ts";

const request = (status: CertificateSigningRequest["status"], createdSeconds = 60): CertificateSigningRequest => ({
  apiVersion: "certificates.k8s.io/v1",
  kind: "CertificateSigningRequest",
  metadata: meta("csr", { creationTimestamp: ago(createdSeconds) }),
  spec: { request: "", signerName: "kubernetes.io/kube-apiserver-client", usages: ["client auth"] },
  ...(status ? { status } : {}),
});
const condition = (type: string, seconds: number) => ({ type, status: "True", lastUpdateTime: ago(seconds) });
const actionsOf = (object: CertificateSigningRequest) =>
  decideRequest(object, () => Promise.resolve(), now).actions.map(({ type }) => type);

test("approved requests are signed once, others are not", () => {
  assert.deepEqual(actionsOf(request(undefined)), []);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Approved", 1)] })), ["effect"]);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Approved", 1), condition("Failed", 1)] })), []);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Denied", 1)] })), []);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Approved", 1)], certificate: "x" })), []);
});

test("requests go an hour after their outcome, or after a day without one", () => {
  assert.deepEqual(actionsOf(request(undefined, 86_401)), ["delete"]);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Denied", 3601)] })), ["delete"]);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Approved", 3601)], certificate: "x" })), ["delete"]);
  assert.deepEqual(actionsOf(request({ conditions: [condition("Approved", 90_000)] }, 90_000)), ["effect"]);
  assert.equal(decideRequest(request(undefined), () => Promise.resolve(), now).requeueAfterMs, (86_400 - 60) * 1000);
});

test("each signer refuses what it does not sign", () => {
  const node = {
    commonName: "system:node:a",
    organizations: ["system:nodes"],
    names: [] as string[],
    addresses: [] as string[],
    others: [],
  };
  const client = ["digital signature", "client auth"];
  const server = ["digital signature", "server auth"];
  const refusal = (signer: string, usages: string[], more: Partial<typeof node> = {}) =>
    refusalOf(`kubernetes.io/${signer}`, usages, { ...node, ...more });
  assert.equal(refusal("kube-apiserver-client", client), undefined);
  assert.match(refusal("kube-apiserver-client", client, { organizations: ["system:masters"] })!, /system:masters/);
  assert.match(refusal("kube-apiserver-client", ["server auth"])!, /not allowed/);
  assert.match(refusal("kube-apiserver-client", ["digital signature"])!, /required/);
  assert.equal(refusal("kube-apiserver-client-kubelet", client), undefined);
  assert.match(refusal("kube-apiserver-client-kubelet", client, { names: ["a"] })!, /not allowed/);
  assert.match(refusal("kube-apiserver-client-kubelet", client, { commonName: "a" })!, /common name/);
  assert.match(refusal("kubelet-serving", ["server auth"], { names: ["a"] })!, /"digital signature" is required/);
  assert.match(refusal("kubelet-serving", server)!, /address is required/);
  assert.equal(refusal("kubelet-serving", server, { addresses: ["10.0.0.1"] }), undefined);
});

test("only a node's own client certificate can be approved without a person, its renewal by a narrower right", () => {
  const asked = { commonName: "system:node:a", organizations: ["system:nodes"], names: [], addresses: [], others: [] };
  const rights = (username: string, signer = "kube-apiserver-client-kubelet", names: string[] = []) => {
    const { spec, ...rest } = request(undefined);
    const usages = ["digital signature", "client auth"];
    const csr = { ...rest, spec: { ...spec, usages, username, signerName: `kubernetes.io/${signer}` } };
    return approvingRights(csr, { ...asked, names });
  };
  assert.deepEqual(rights("system:node:a"), ["selfnodeclient", "nodeclient"]);
  assert.deepEqual(rights("system:bootstrap:abcdef"), ["nodeclient"]);
  assert.deepEqual(rights("system:node:a", "kubelet-serving"), []);
  assert.deepEqual(rights("system:node:a", "kube-apiserver-client"), []);
  assert.deepEqual(rights("system:node:a", undefined, ["example.com"]), []);
});
