import { test } from "node:test";
import assert from "node:assert/strict";
import {
  Binding,
  CertificateSigningRequest,
  Deployment,
  Pod,
  PodDisruptionBudget,
  ServiceAccount,
} from "../../kinds/index.ts";
import { isReason } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { asAdmin, asUser, testApi } from "../testing.ts";

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;
const draft = (object: object): Any => structuredClone(object);

async function setup() {
  const made = await testApi();
  const { api } = made;
  const target = { namespace: "default", name: "a" };
  const call = (
    kind: AnyKind,
    subresource: string,
    method: "GET" | "POST" | "PUT" | "PATCH",
    body?: unknown,
    patchType?: "merge" | "json",
  ) =>
    api.special(asAdmin(), kind, target, subresource, method, body, {
      parameters: {},
      ...(patchType ? { patchType } : {}),
    }) as Promise<Any>;
  const pod = async (name = "a", container: object = {}) => {
    const spec = { containers: [{ name: "c", image: "i", ...container }] };
    return api.create(asAdmin(), Pod, "default", draft({ metadata: { name, labels: { app: "x" } }, spec }), {});
  };
  return { ...made, target, call, pod };
}

test("scale is read and written as autoscaling/v1 Scale", async () => {
  const { api, call } = await setup();
  const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "c", image: "i" }] } };
  const spec = { replicas: 2, selector: { matchLabels: { app: "x" } }, template };
  await api.create(asAdmin(), Deployment, "default", draft({ metadata: { name: "a" }, spec }), {});
  const before = await call(Deployment, "scale", "GET");
  assert.equal(before.kind, "Scale");
  assert.deepEqual([before.spec, before.status], [{ replicas: 2 }, { replicas: 0, selector: "app=x" }]);
  const after = await call(Deployment, "scale", "PUT", { ...before, spec: { replicas: 5 } });
  assert.equal(after.spec.replicas, 5);
  await assert.rejects(call(Deployment, "scale", "PUT", { ...before, spec: { replicas: 6 } }), (e) =>
    isReason(e, "Conflict"),
  );
  assert.equal((await call(Deployment, "scale", "PATCH", { spec: { replicas: 1 } }, "merge")).spec.replicas, 1);
  const { object } = api.get(asAdmin(), Deployment, { namespace: "default", name: "a" });
  assert.equal(object.metadata.generation, 3);
  await assert.rejects(call(Deployment, "scale", "PATCH", { spec: { replicas: -1 } }, "merge"), (e) =>
    isReason(e, "Invalid"),
  );
});

test("an eviction spends the budget and is refused when it is spent", async () => {
  const { api, call, pod } = await setup();
  for (const name of ["a", "b"]) {
    await pod(name);
    const status = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    await api.patch(asAdmin(), Pod, { namespace: "default", name }, "merge", { status }, { subresource: "status" });
  }
  const budget = { metadata: { name: "b" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "x" } } } };
  await api.create(asAdmin(), PodDisruptionBudget, "default", draft(budget), {});
  const place = { namespace: "default", name: "b" };
  const status = {
    observedGeneration: 1,
    disruptionsAllowed: 1,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 2,
  };
  await api.patch(asAdmin(), PodDisruptionBudget, place, "merge", { status }, { subresource: "status" });
  const evict = (name: string) =>
    api.special(asAdmin(), Pod, { namespace: "default", name }, "eviction", "POST", {}, { parameters: {} });
  const results = await Promise.allSettled([evict("a"), evict("b")]);
  assert.deepEqual(results.map(({ status: outcome }) => outcome).toSorted(), ["fulfilled", "rejected"]);
  const refused = results.find(({ status: outcome }) => outcome === "rejected") as PromiseRejectedResult;
  assert.ok(isReason(refused.reason, "TooManyRequests"));
  assert.equal(refused.reason.status.details?.causes?.[0]?.reason, "DisruptionBudget");
  assert.ok(call);
});

test("a binding POSTed beside the pods binds the pod of its name", async () => {
  const { api, pod, target } = await setup();
  await pod();
  const body = { metadata: { name: "a" }, target: { kind: "Node", name: "n" } };
  await api.create(asAdmin(), Binding, "default", draft(body), {});
  const bound = api.get(asAdmin(), Pod, target).object as Pod;
  assert.equal(bound.spec?.nodeName, "n");
  assert.equal(bound.status?.conditions?.find(({ type }) => type === "PodScheduled")?.status, "True");
});

test("ephemeral containers are added and never taken away", async () => {
  const { call, pod } = await setup();
  const { object } = await pod();
  const debug = { name: "debug", image: "busybox" };
  const added = await call(Pod, "ephemeralcontainers", "PATCH", { spec: { ephemeralContainers: [debug] } }, "merge");
  assert.equal(added.spec.ephemeralContainers[0].name, "debug");
  assert.equal(added.spec.containers[0].image, (object as Pod).spec?.containers[0]?.image);
  await assert.rejects(
    call(Pod, "ephemeralcontainers", "PATCH", { spec: { ephemeralContainers: null } }, "merge"),
    /may not be removed/,
  );
});

test("resize changes cpu and memory and nothing else", async () => {
  const { call, pod } = await setup();
  await pod("a", { resources: { requests: { cpu: "500m" } } });
  const containers = (over: object) => ({ spec: { containers: [{ name: "c", image: "i", ...over }] } });
  await assert.rejects(
    call(Pod, "resize", "PATCH", containers({ image: "other" }), "merge"),
    /only cpu and memory resources are mutable/,
  );
  const current = structuredClone(await call(Pod, "resize", "GET"));
  current.spec.containers[0].resources = { requests: { cpu: "1" }, limits: { cpu: "2" } };
  const resized = await call(Pod, "resize", "PUT", current);
  assert.deepEqual(resized.spec.containers[0].resources, { requests: { cpu: "1" }, limits: { cpu: "2" } });
});

test("a certificate request carries its maker and takes approval only from who may approve", async () => {
  const { api } = await setup();
  const jane = { name: "jane", groups: ["system:authenticated", "makers"] };
  const spec = {
    signerName: "example.com/s",
    request: Buffer.from("-----BEGIN CERTIFICATE REQUEST-----\nMAAA\n-----END CERTIFICATE REQUEST-----\n").toString(
      "base64",
    ),
    usages: ["client auth"],
    username: "root",
  };
  const admin = asAdmin();
  await api.create(
    asUser({ ...jane, groups: [...jane.groups, "system:masters"] }),
    CertificateSigningRequest,
    "",
    draft({ metadata: { name: "a" }, spec }),
    {},
  );
  const target = { namespace: "", name: "a" };
  const made = api.get(admin, CertificateSigningRequest, target).object as CertificateSigningRequest;
  assert.equal(made.spec.username, "jane");
  const conditions = [{ type: "Approved", status: "True", reason: "r", message: "m" }];
  const approve = (context: ReturnType<typeof asAdmin>) =>
    api.special(
      context,
      CertificateSigningRequest,
      target,
      "approval",
      "PUT",
      { ...structuredClone(made), metadata: { ...made.metadata, annotations: { a: "b" } }, status: { conditions } },
      { parameters: {} },
    );
  await assert.rejects(approve(asUser(jane)), (e) => isReason(e, "Forbidden"));
  const approved = (await approve(admin)) as KubeObject as CertificateSigningRequest;
  assert.ok(approved.status?.conditions?.[0]?.lastTransitionTime);
  assert.deepEqual(approved.metadata?.annotations, { a: "b" });
});

test("without a token issuer no token is issued, and unknown subresources are not found", async () => {
  const { call } = await setup();
  await assert.rejects(call(ServiceAccount, "token", "POST", {}), (e) => isReason(e, "InternalError"));
  await assert.rejects(call(Pod, "nonsense", "GET"), (e) => isReason(e, "NotFound"));
});
