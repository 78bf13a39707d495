import { test } from "node:test";
import assert from "node:assert/strict";
import * as kinds from "../../kinds/index.ts";
import { isReason } from "../../machinery/errors.ts";
import { asAdmin, asUser, testApi } from "../testing.ts";
import type { Attributes } from "../types.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const node = (name: string) => ({ name: `system:node:${name}`, groups: ["system:nodes", "system:authenticated"] });
const containers = [{ name: "c", image: "i" }];

/** Two nodes, each with a pod that names a Secret, a ConfigMap, a claim with a volume, and an account. */
async function setup() {
  const made = await testApi();
  const { api } = made;
  const create = async (kind: Parameters<typeof api.create>[1], object: object, namespace = "default") =>
    (await api.create(asAdmin(), kind, kind.namespaced ? namespace : "", draft(object), {})).object;
  for (const name of ["a", "b"]) {
    await create(kinds.Node, { metadata: { name } });
    for (const one of ["secret", "pull", "volume"])
      await create(kinds.Secret, { metadata: { name: `${one}-${name}` } });
    await create(kinds.ConfigMap, { metadata: { name: `config-${name}` } });
    await create(kinds.ServiceAccount, { metadata: { name: `account-${name}` } });
    const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
    await create(kinds.PersistentVolumeClaim, { metadata: { name: `claim-${name}` }, spec });
    const csi = {
      driver: "d.example.com",
      volumeHandle: "h",
      nodeStageSecretRef: { name: `volume-${name}`, namespace: "default" },
    };
    const claimRef = { namespace: "default", name: `claim-${name}` };
    const volume = { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], csi, claimRef };
    await create(kinds.PersistentVolume, { metadata: { name: `pv-${name}` }, spec: volume });
    const volumes = [
      { name: "s", secret: { secretName: `secret-${name}` } },
      { name: "m", configMap: { name: `config-${name}` } },
      { name: "p", persistentVolumeClaim: { claimName: `claim-${name}` } },
    ];
    const pod = {
      containers,
      nodeName: name,
      volumes,
      serviceAccountName: `account-${name}`,
      imagePullSecrets: [{ name: `pull-${name}` }],
    };
    await create(kinds.Pod, { metadata: { name: `pod-${name}` }, spec: pod });
  }
  const may = (name: string, text: string, over: Partial<Attributes> = {}) => {
    const [verb = "", what = "", object = ""] = text.split(" ");
    const [resource = "", subresource = ""] = what.split("/");
    const namespace = ["nodes", "persistentvolumes", "csinodes"].includes(resource) ? "" : "default";
    const rest = { user: node(name), verb, group: "", version: "v1", resource, subresource, namespace, name: object };
    return api.authorizer.authorize({ ...rest, ...over });
  };
  return { ...made, create, may };
}

test("a node reads what its pods name, and nothing of other nodes' pods", async () => {
  const { may } = await setup();
  for (const object of [
    "secrets secret",
    "secrets pull",
    "secrets volume",
    "configmaps config",
    "persistentvolumeclaims claim",
    "persistentvolumes pv",
    "pods pod",
  ]) {
    assert.equal(may("a", `get ${object}-a`).allowed, true, object);
    const other = may("a", `get ${object}-b`);
    assert.deepEqual(
      other,
      { allowed: false, reason: "no relationship found between node 'a' and this object" },
      object,
    );
  }
  assert.equal(may("a", "create serviceaccounts/token account-a").allowed, true);
  assert.equal(may("a", "create serviceaccounts/token account-b").allowed, false);
});

test("lists and watches are of single objects, or of the node's own pods", async () => {
  const { may } = await setup();
  const own = [{ field: "spec.nodeName", value: "a", negated: false }];
  assert.equal(may("a", "list secrets").reason, "No Object name found");
  assert.equal(may("a", "watch secrets secret-a").allowed, true);
  assert.equal(may("a", "list pods").reason, "can only list/watch pods with spec.nodeName field selector");
  assert.equal(may("a", "list pods", { fieldSelector: own, namespace: "" }).allowed, true);
  assert.equal(may("b", "list pods", { fieldSelector: own, namespace: "" }).allowed, false);
  assert.equal(may("a", "list pods", { fieldSelector: [{ ...own[0]!, negated: true }] }).allowed, false);
  assert.equal(may("a", "watch nodes a").allowed, true);
  assert.equal(may("a", "get nodes b").reason, "node 'a' cannot read 'b', only its own Node object");
  assert.equal(may("a", "list nodes").reason, "node 'a' cannot read all nodes, only its own Node object");
});

test("a node writes its own lease and CSINode; the rest are fixed rules", async () => {
  const { may } = await setup();
  const lease = { group: "coordination.k8s.io", namespace: "kube-node-lease" };
  assert.equal(may("a", "update leases a", lease).allowed, true);
  assert.equal(may("a", "update leases b", lease).allowed, false);
  assert.equal(may("a", "create leases", lease).allowed, true);
  assert.equal(may("a", "create leases", { ...lease, namespace: "kube-system" }).allowed, false);
  assert.equal(may("a", "get csinodes a", { group: "storage.k8s.io" }).allowed, true);
  assert.equal(may("a", "get csinodes b", { group: "storage.k8s.io" }).allowed, false);
  assert.equal(may("a", "list services").allowed, true);
  assert.equal(may("a", "delete services x").allowed, false);
  assert.equal(may("a", "delete secrets secret-a").reason, "can only read resources of this type");
  assert.equal(may("a", "get secrets secret-a", { user: { ...node("a"), groups: [] } }).allowed, false);
});

test("what a node may read follows its pods", async () => {
  const { api, create, may } = await setup();
  await create(kinds.Pod, {
    metadata: { name: "more" },
    spec: { containers, nodeName: "a", volumes: [{ name: "s", secret: { secretName: "secret-b" } }] },
  });
  assert.equal(may("a", "get secrets secret-b").allowed, true);
  await api.delete(asAdmin(), kinds.Pod, { namespace: "default", name: "pod-b" }, { gracePeriodSeconds: 0 });
  assert.equal(may("b", "get secrets secret-b").allowed, false);
  assert.equal(may("a", "get secrets secret-b").allowed, true);
  await api.delete(asAdmin(), kinds.Pod, { namespace: "default", name: "more" }, { gracePeriodSeconds: 0 });
  assert.equal(may("a", "get secrets secret-b").allowed, false);
  const waiting = { containers, volumes: [{ name: "s", secret: { secretName: "secret-b" } }] };
  await create(kinds.Pod, { metadata: { name: "waiting" }, spec: waiting });
  const target = { kind: "Node", name: "a" };
  const options = { parameters: {} };
  await api.special(
    asAdmin(),
    kinds.Pod,
    { namespace: "default", name: "waiting" },
    "binding",
    "POST",
    { target },
    options,
  );
  assert.equal(may("a", "get secrets secret-b").allowed, true);
});

const refused = (pattern: RegExp) => (error: unknown) => {
  assert.ok(isReason(error, "Forbidden"));
  assert.match(error.message, pattern);
  return true;
};

test("a node changes its own Node only, and neither its taints nor labels that say where pods may run", async () => {
  const { api } = await setup();
  const put = (name: string, change: object) =>
    api.patch(asUser(node("a")), kinds.Node, { namespace: "", name }, "merge", change, {});
  await put("a", { metadata: { labels: { "topology.kubernetes.io/zone": "z", "example.com/x": "y" } } });
  await assert.rejects(put("b", { metadata: { labels: { x: "y" } } }), refused(/is not allowed to modify node "b"/));
  const labels = { "node-restriction.kubernetes.io/x": "y", "kubernetes.io/secure": "y" };
  await assert.rejects(
    put("a", { metadata: { labels } }),
    refused(/not allowed to modify labels: kubernetes.io\/secure, node-restriction.kubernetes.io\/x/),
  );
  await assert.rejects(
    put("a", { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }),
    refused(/not allowed to modify taints/),
  );
});

test("a node makes mirror pods that name nothing, and deletes and reports its own pods", async () => {
  const { api, create } = await setup();
  const { uid } = api.get(asAdmin(), kinds.Node, { namespace: "", name: "a" }).object.metadata;
  const ownerReferences = [{ apiVersion: "v1", kind: "Node", name: "a", uid, controller: true }];
  const mirror = (over: object = {}, metadata: object = {}) =>
    api.create(
      asUser(node("a")),
      kinds.Pod,
      "default",
      draft({
        metadata: { name: "m", annotations: { "kubernetes.io/config.mirror": "x" }, ownerReferences, ...metadata },
        spec: { containers, nodeName: "a", automountServiceAccountToken: false, ...over },
      }),
      {},
    );
  await assert.rejects(mirror({}, { annotations: {} }), refused(/can only create mirror pods/));
  await assert.rejects(mirror({ nodeName: "b" }), refused(/spec.nodeName set to itself/));
  await assert.rejects(mirror({}, { ownerReferences: [] }), refused(/with an owner reference set to itself/));
  const volumes = [{ name: "s", secret: { secretName: "secret-b" } }];
  await assert.rejects(mirror({ volumes }), refused(/can not create pods that reference secrets/));
  await mirror();
  const remove = (name: string) =>
    api.delete(asUser(node("a")), kinds.Pod, { namespace: "default", name }, { gracePeriodSeconds: 0 });
  await assert.rejects(remove("pod-b"), refused(/can only delete pods with spec.nodeName set to itself/));
  await remove("m");
  await create(kinds.Pod, { metadata: { name: "own" }, spec: { containers, nodeName: "a" } });
  const report = (name: string, change: object) =>
    api.patch(asUser(node("a")), kinds.Pod, { namespace: "default", name }, "merge", change, { subresource: "status" });
  await report("own", { status: { phase: "Running" } });
  await assert.rejects(
    report("own", { metadata: { labels: { a: "b" } } }),
    refused(/cannot update labels through pod status/),
  );
  await assert.rejects(report("pod-b", { status: { phase: "Failed" } }), refused(/can only update pod status/));
});
