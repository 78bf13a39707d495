import { test } from "node:test";
import assert from "node:assert/strict";
import {
  ConfigMap,
  LimitRange,
  Namespace,
  Node,
  PersistentVolumeClaim,
  Pod,
  PriorityClass,
  ResourceQuota,
  Service,
  ServiceAccount,
  StorageClass,
} from "../../kinds/index.ts";
import { isReason } from "../../machinery/errors.ts";
import { asAdmin, testApi } from "../testing.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const podSpec = (over: object = {}) => ({ containers: [{ name: "c", image: "i", ...over }] });

async function setup() {
  const made = await testApi();
  const { api } = made;
  const pod = async (name: string, spec: object = podSpec()) => {
    const entry = await api.create(asAdmin(), Pod, "default", draft({ metadata: { name }, spec }), {});
    return entry.object as Pod;
  };
  return { ...made, pod };
}

test("a pod gets the default account, its token volume, tolerations and priority", async () => {
  const { pod } = await setup();
  const { spec } = await pod("a");
  assert.equal(spec?.serviceAccountName, "default");
  assert.equal(spec?.serviceAccount, "default");
  const volume = spec!.volumes![0]!;
  assert.match(volume.name, /^kube-api-access-[a-z0-9]{5}$/);
  assert.deepEqual(
    volume.projected?.sources?.map((source) => Object.keys(source)[0]),
    ["serviceAccountToken", "configMap", "downwardAPI"],
  );
  assert.deepEqual(spec!.containers[0]!.volumeMounts, [
    { name: volume.name, readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
  ]);
  assert.deepEqual(
    spec!.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
    [
      ["node.kubernetes.io/not-ready", 300],
      ["node.kubernetes.io/unreachable", 300],
    ],
  );
  assert.equal(spec!.priority, 0);
  assert.equal(spec!.preemptionPolicy, "PreemptLowerPriority");
});

test("a pod of an account that does not exist is refused; pull secrets come from the account", async () => {
  const { api, pod } = await setup();
  await assert.rejects(
    pod("a", { ...podSpec(), serviceAccountName: "nobody" }),
    /error looking up service account default\/nobody/,
  );
  const account = {
    metadata: { name: "some" },
    imagePullSecrets: [{ name: "registry" }],
    automountServiceAccountToken: false,
  };
  await api.create(asAdmin(), ServiceAccount, "default", draft(account), {});
  const { spec } = await pod("b", { ...podSpec(), serviceAccountName: "some" });
  assert.deepEqual(spec?.imagePullSecrets, [{ name: "registry" }]);
  assert.equal(spec?.volumes, undefined);
});

test("priority comes from the class, and only from there", async () => {
  const { api, pod } = await setup();
  await api.create(asAdmin(), PriorityClass, "", draft({ metadata: { name: "high" }, value: 1000 }), {});
  assert.equal((await pod("a", { ...podSpec(), priorityClassName: "high" })).spec?.priority, 1000);
  await assert.rejects(pod("b", { ...podSpec(), priority: 7 }), /must not be provided in pod spec/);
  await assert.rejects(pod("c", { ...podSpec(), priorityClassName: "none" }), /no PriorityClass with name none/);
});

test("limit ranges fill in requests and limits and bound them", async () => {
  const { api, pod } = await setup();
  const item = {
    type: "Container",
    default: { cpu: "500m" },
    defaultRequest: { cpu: "100m" },
    max: { cpu: "1" },
    min: { cpu: "50m" },
  };
  await api.create(asAdmin(), LimitRange, "default", draft({ metadata: { name: "l" }, spec: { limits: [item] } }), {});
  const { spec, metadata } = await pod("a");
  assert.deepEqual(spec?.containers[0]?.resources, { requests: { cpu: "100m" }, limits: { cpu: "500m" } });
  const note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c";
  assert.equal(metadata?.annotations?.["kubernetes.io/limit-ranger"], note);
  const greedy = podSpec({ resources: { requests: { cpu: "2" }, limits: { cpu: "2" } } });
  await assert.rejects(pod("b", greedy), /pods "b" is forbidden: maximum cpu usage per Container is 1, but limit is 2/);
});

test("limit ranges bound pods, ratios and claims in upstream's words", async () => {
  const { api, pod } = await setup();
  const limits = [
    { type: "Pod", max: { memory: "1Gi" }, min: { cpu: "100m" } },
    { type: "Container", maxLimitRequestRatio: { cpu: "2" }, default: { memory: "100Mi" } },
    { type: "PersistentVolumeClaim", max: { storage: "2Gi" }, min: { storage: "1Gi" } },
  ];
  await api.create(asAdmin(), LimitRange, "default", draft({ metadata: { name: "l" }, spec: { limits } }), {});
  const resources = (cpu: string, limit: string, memory = "100Mi") =>
    podSpec({ resources: { requests: { cpu, memory }, limits: { cpu: limit, memory } } });
  await pod("fits", resources("100m", "200m"));
  await assert.rejects(pod("a", resources("50m", "100m")), /minimum cpu usage per Pod is 100m, but request is 50m/);
  await assert.rejects(
    pod("b", resources("100m", "100m", "2Gi")),
    /maximum memory usage per Pod is 1Gi, but limit is 2Gi/,
  );
  await assert.rejects(
    pod("c", resources("100m", "300m")),
    /cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000/,
  );
  await assert.rejects(
    pod("d", podSpec({ resources: { requests: { cpu: "100m" } } })),
    /ratio per Container is 2, but no limit is specified or limit is 0/,
  );
  await assert.rejects(pod("e"), /\[minimum cpu usage per Pod is 100m. {2}No request is specified, cpu max limit/);
  const claim = (name: string, storage: string) => {
    const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } };
    return api.create(asAdmin(), PersistentVolumeClaim, "default", draft({ metadata: { name }, spec }), {});
  };
  await claim("fits", "1Gi");
  await assert.rejects(claim("a", "3Gi"), /maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi/);
  await assert.rejects(claim("b", "1Mi"), /minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi/);
});

test("a pod learns the zone and region of its node when it is bound", async () => {
  const { api, pod } = await setup();
  const labels = { "topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "example.com/rack": "1" };
  await api.create(asAdmin(), Node, "", draft({ metadata: { name: "n", labels } }), {});
  await pod("a");
  const target = { namespace: "default", name: "a" };
  const binding = { target: { kind: "Node", name: "n" } };
  await api.special(asAdmin(), Pod, target, "binding", "POST", binding, { parameters: {} });
  const { "example.com/rack": _rack, ...copied } = labels;
  assert.deepEqual(api.get(asAdmin(), Pod, target).object.metadata.labels, copied);
  assert.deepEqual((await pod("b", { ...podSpec(), nodeName: "n" })).metadata.labels, copied);
});

test("a quota holds even when many create at once", async () => {
  const { api, pod } = await setup();
  const spec = { hard: { pods: "3" } };
  await api.create(asAdmin(), ResourceQuota, "default", draft({ metadata: { name: "q" }, spec }), {});
  const results = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => pod(`p${i}`)));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 3);
  await assert.rejects(
    pod("late"),
    /pods "late" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3/,
  );
  await api.delete(asAdmin(), Pod, { namespace: "default", name: "p0" }, { gracePeriodSeconds: 0 });
  await pod("late");
});

test("a quota of compute resources wants them to be specified", async () => {
  const { api, pod } = await setup();
  const hard = { "limits.cpu": "1", "requests.memory": "1Gi" };
  await api.create(asAdmin(), ResourceQuota, "default", draft({ metadata: { name: "q" }, spec: { hard } }), {});
  await assert.rejects(pod("a"), /failed quota: q: must specify limits.cpu for: c; requests.memory for: c/);
  const resources = { requests: { memory: "600Mi" }, limits: { cpu: "100m" } };
  await pod("b", podSpec({ resources }));
  await assert.rejects(
    pod("c", podSpec({ resources })),
    /requested: requests.memory=600Mi, used: requests.memory=600Mi, limited: requests.memory=1Gi/,
  );
});

test("object counts of a quota hold for every kind", async () => {
  const { api } = await setup();
  await api.create(
    asAdmin(),
    ResourceQuota,
    "default",
    draft({ metadata: { name: "q" }, spec: { hard: { "count/configmaps": "2" } } }),
    {},
  );
  const create = (name: string) => api.create(asAdmin(), ConfigMap, "default", draft({ metadata: { name } }), {});
  await create("a");
  await assert.rejects(create("b"), /exceeded quota/);
});

test("nothing is created in a namespace that goes", async () => {
  const { api } = await setup();
  await api.create(asAdmin(), Namespace, "", draft({ metadata: { name: "going" } }), {});
  const { entry, deleted } = await api.delete(asAdmin(), Namespace, { namespace: "", name: "going" }, {});
  assert.equal(deleted, false);
  assert.equal((entry.object as Namespace).status?.phase, "Terminating");
  await assert.rejects(api.create(asAdmin(), ConfigMap, "going", draft({ metadata: { name: "a" } }), {}), (error) => {
    assert.ok(isReason(error, "Forbidden"));
    assert.equal(error.status.details?.causes?.[0]?.reason, "NamespaceTerminating");
    return true;
  });
  const target = { namespace: "", name: "going" };
  const emptied = { ...structuredClone(entry.object), spec: { finalizers: [] } };
  await api.special(asAdmin(), Namespace, target, "finalize", "PUT", emptied, { parameters: {} });
  assert.throws(
    () => api.get(asAdmin(), Namespace, target),
    (e) => isReason(e, "NotFound"),
  );
  await assert.rejects(api.delete(asAdmin(), Namespace, { namespace: "", name: "default" }, {}), /may not be deleted/);
});

test("claims get the default storage class and stay while in use", async () => {
  const { api } = await setup();
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  await api.create(asAdmin(), StorageClass, "", draft({ metadata: { name: "s", annotations }, provisioner: "x" }), {});
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const entry = await api.create(
    asAdmin(),
    PersistentVolumeClaim,
    "default",
    draft({ metadata: { name: "c" }, spec }),
    {},
  );
  assert.equal((entry.object as PersistentVolumeClaim).spec?.storageClassName, "s");
  assert.deepEqual(entry.object.metadata.finalizers, ["kubernetes.io/pvc-protection"]);
});

test("a service keeps its numbers through updates and frees them when it no longer needs them", async () => {
  const { api } = await setup();
  const target = { namespace: "default", name: "s" };
  const spec = { type: "NodePort", selector: { a: "b" }, ports: [{ port: 80 }] };
  const made = (await api.create(asAdmin(), Service, "default", draft({ metadata: { name: "s" }, spec }), {}))
    .object as Service;
  const { clusterIP, ports } = made.spec!;
  const put = async (wanted: object) =>
    (await api.update(asAdmin(), Service, target, draft({ metadata: { name: "s" }, spec: wanted }), {})).entry
      .object as Service;
  const same = await put(spec);
  assert.equal(same.spec?.clusterIP, clusterIP);
  assert.equal(same.spec?.ports?.[0]?.nodePort, ports![0]!.nodePort);
  const plain = await put({ ...same.spec, type: "ClusterIP" });
  assert.equal(plain.spec?.ports?.[0]?.nodePort, undefined);
  const other = { metadata: { name: "t" }, spec: { ...spec, ports: [{ port: 80, nodePort: ports![0]!.nodePort }] } };
  await api.create(asAdmin(), Service, "default", draft(other), {});
  const taken = { metadata: { name: "u" }, spec: { ...spec, clusterIP } };
  await assert.rejects(api.create(asAdmin(), Service, "default", draft(taken), {}), /provided IP is already allocated/);
  await api.delete(asAdmin(), Service, target, {});
  await api.create(asAdmin(), Service, "default", draft(taken), {});
});
