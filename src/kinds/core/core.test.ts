import { test } from "node:test";
import assert from "node:assert/strict";
import type { KubeObject } from "../../machinery/object.ts";
import type { AnyKind } from "../registry.ts";
import * as core from "./index.ts";
import {
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from "./index.ts";

const now = Date.parse("2026-01-01T00:05:00Z");
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** An object as it is just before validation; `fields` are merged in last. */
function made(kind: AnyKind, fields: object): KubeObject {
  const object = {
    apiVersion: "v1",
    kind: kind.kind,
    metadata: { name: "x", namespace: "default", creationTimestamp: "2026-01-01T00:00:00Z" },
    ...structuredClone(fields),
  } as KubeObject;
  kind.defaults?.(object);
  return object;
}

const errorsOf = (kind: AnyKind, fields: object) =>
  (kind.validate?.(made(kind, fields)) ?? []).map(({ field }) => field);
const changeErrors = (kind: AnyKind, next: object, old: object) =>
  (kind.validateUpdate?.(made(kind, next), made(kind, old)) ?? []).map(({ field }) => field);

const port = { port: 80 };
const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "c", image: "i:1" }] } };
const volumeSpec = { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/x" } };
const claimSpec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
const service = (spec: object) => ({ spec: { ports: [port], ...spec } });
const volume = (spec: object) => ({ spec: { ...volumeSpec, ...spec } });
const claim = (spec: object) => ({ spec: { ...claimSpec, ...spec } });

/** Kind, what is special, the object's fields, the paths of the complaints. */
const cases: readonly [AnyKind, string, object, ...string[]][] = [
  [Namespace, "as it is", {}],
  [Namespace, "a bad finalizer", { spec: { finalizers: ["a b"] } }, "spec.finalizers[0]"],
  [ConfigMap, "data of both sorts", { data: { a: "1" }, binaryData: { b: base64("2") } }],
  [ConfigMap, "a bad key", { data: { "a/b": "1" } }, "data[a/b]"],
  [ConfigMap, "a key in both", { data: { a: "1" }, binaryData: { a: "" } }, "data[a]"],
  [ConfigMap, "too much data", { data: { a: "x".repeat(1024 * 1024 + 1) } }, ""],
  [Secret, "of no type", { data: { a: base64("1") } }],
  [Secret, "a bad key", { data: { "..": "" } }, "data[..]"],
  [Secret, "too much data", { data: { a: base64("x".repeat(1024 * 1024 + 1)) } }, "data"],
  [Secret, "half of TLS", { type: "kubernetes.io/tls", data: { "tls.crt": "" } }, "data[tls.key]"],
  [Secret, "no password", { type: "kubernetes.io/basic-auth" }, "data[username]", "data[password]"],
  [
    Secret,
    "no JSON",
    { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": base64("{") } },
    "data[.dockerconfigjson]",
  ],
  [
    Secret,
    "a token of nobody",
    { type: "kubernetes.io/service-account-token" },
    "metadata.annotations[kubernetes.io/service-account.name]",
  ],
  [ServiceAccount, "as it is", {}],
  [Service, "a port", service({})],
  [Service, "no port", service({ ports: [] }), "spec.ports"],
  [Service, "no port, headless", service({ ports: [], clusterIP: "None", clusterIPs: ["None"] })],
  [
    Service,
    "two ports without names",
    service({ ports: [{ port: 1 }, { port: 2 }] }),
    "spec.ports[0].name",
    "spec.ports[1].name",
  ],
  [
    Service,
    "a name used twice",
    service({
      ports: [
        { name: "a", port: 1 },
        { name: "a", port: 2 },
      ],
    }),
    "spec.ports[1].name",
  ],
  [
    Service,
    "a port used twice",
    service({
      ports: [
        { name: "a", port: 1 },
        { name: "b", port: 1 },
      ],
    }),
    "spec.ports[1]",
  ],
  [Service, "a port out of range", service({ ports: [{ port: 0, targetPort: 8 }] }), "spec.ports[0].port"],
  [Service, "a bad target", service({ ports: [{ port: 1, targetPort: "a_b" }] }), "spec.ports[0].targetPort"],
  [Service, "a bad protocol", service({ ports: [{ port: 1, protocol: "x" }] }), "spec.ports[0].protocol"],
  [Service, "a node port inside", service({ ports: [{ port: 1, nodePort: 30000 }] }), "spec.ports[0].nodePort"],
  [Service, "a node port", service({ type: "NodePort", ports: [{ port: 1, nodePort: 30000 }] })],
  [Service, "a bad type", service({ type: "Pigeon" }), "spec.type"],
  [Service, "a name elsewhere", { spec: { type: "ExternalName", externalName: "a.example." } }],
  [Service, "no name elsewhere", { spec: { type: "ExternalName" } }, "spec.externalName"],
  [
    Service,
    "a headless node port",
    service({ type: "NodePort", clusterIP: "None", clusterIPs: ["None"] }),
    "spec.clusterIPs[0]",
  ],
  [Service, "a bad address", service({ clusterIP: "x" }), "spec.clusterIPs[0]"],
  [Service, "two first addresses", service({ clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.2"] }), "spec.clusterIPs"],
  [Service, "a bad selector", service({ selector: { "a b": "c" } }), "spec.selector"],
  [Service, "a bad affinity", service({ sessionAffinity: "x" }), "spec.sessionAffinity"],
  [
    Service,
    "too long an affinity",
    service({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } }),
    "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
  ],
  [Service, "a loopback address", service({ externalIPs: ["127.0.0.1"] }), "spec.externalIPs[0]"],
  [Service, "an outside policy inside", service({ externalTrafficPolicy: "Local" }), "spec.externalTrafficPolicy"],
  [Service, "a bad inside policy", service({ internalTrafficPolicy: "x" }), "spec.internalTrafficPolicy"],
  [Service, "a class without balancer", service({ loadBalancerClass: "a/b" }), "spec.loadBalancerClass"],
  [Service, "a balancer for a range", service({ type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0/8"] })],
  [
    Service,
    "a bad range",
    service({ type: "LoadBalancer", loadBalancerSourceRanges: ["x"] }),
    "spec.loadBalancerSourceRanges[0]",
  ],
  [Service, "a bad family", service({ ipFamilies: ["IPv5"] }), "spec.ipFamilies[0]"],
  [Endpoints, "an address", { subsets: [{ addresses: [{ ip: "10.0.0.1" }], ports: [port] }] }],
  [Endpoints, "no address", { subsets: [{ ports: [port] }] }, "subsets[0]"],
  [Endpoints, "loopback", { subsets: [{ addresses: [{ ip: "127.0.0.1" }] }] }, "subsets[0].addresses[0].ip"],
  [
    Endpoints,
    "ports without names",
    { subsets: [{ addresses: [{ ip: "10.0.0.1" }], ports: [port, { name: "b", port: 2 }] }] },
    "subsets[0].ports[0].name",
  ],
  [PersistentVolume, "a host path", volume({})],
  [PersistentVolume, "no source", volume({ hostPath: undefined }), "spec"],
  [PersistentVolume, "two sources", volume({ nfs: { server: "s", path: "/" } }), "spec.nfs"],
  [PersistentVolume, "no size", volume({ capacity: {} }), "spec.capacity"],
  [PersistentVolume, "an empty size", volume({ capacity: { storage: "0" } }), "spec.capacity[storage]"],
  [PersistentVolume, "no mode", volume({ accessModes: [] }), "spec.accessModes"],
  [PersistentVolume, "a bad mode", volume({ accessModes: ["x"] }), "spec.accessModes"],
  [
    PersistentVolume,
    "an exclusive mode and another",
    volume({ accessModes: ["ReadWriteOncePod", "ReadWriteMany"] }),
    "spec.accessModes",
  ],
  [
    PersistentVolume,
    "a bad policy",
    volume({ persistentVolumeReclaimPolicy: "x" }),
    "spec.persistentVolumeReclaimPolicy",
  ],
  [
    PersistentVolume,
    "a local disk of no node",
    volume({ hostPath: undefined, local: { path: "/x" } }),
    "spec.nodeAffinity",
  ],
  [PersistentVolumeClaim, "a size", claim({})],
  [PersistentVolumeClaim, "no size", claim({ resources: {} }), "spec.resources[storage]"],
  [PersistentVolumeClaim, "no mode", claim({ accessModes: [] }), "spec.accessModes"],
  [PersistentVolumeClaim, "a bad class", claim({ storageClassName: "A b" }), "spec.storageClassName"],
  [PersistentVolumeClaim, "no class on purpose", claim({ storageClassName: "" })],
  [PersistentVolumeClaim, "a bad volume mode", claim({ volumeMode: "x" }), "spec.volumeMode"],
  [PersistentVolumeClaim, "a source of no group", claim({ dataSource: { kind: "X", name: "x" } }), "spec.dataSource"],
  [Event, "an object of its namespace", { involvedObject: { kind: "Pod", namespace: "default" } }],
  [Event, "an object elsewhere", { involvedObject: { kind: "Pod", namespace: "other" } }, "involvedObject.namespace"],
  [ReplicationController, "a template", { spec: { template } }],
  [ReplicationController, "no template", { spec: { selector: { a: "b" } } }, "spec.template"],
  [
    ReplicationController,
    "other labels",
    { spec: { selector: { a: "b" }, template } },
    "spec.template.metadata.labels",
  ],
  [ReplicationController, "fewer than none", { spec: { replicas: -1, template } }, "spec.replicas"],
  [PodTemplate, "a template", { template }],
  [PodTemplate, "no containers", { template: { spec: { containers: [] } } }, "template.spec.containers"],
  [
    ResourceQuota,
    "pods and devices",
    { spec: { hard: { pods: "1", "requests.a.b/gpu": "2", "count/deployments.apps": "3" } } },
  ],
  [ResourceQuota, "an unknown resource", { spec: { hard: { gpus: "1" } } }, "spec.hard[gpus]"],
  [ResourceQuota, "a negative bound", { spec: { hard: { pods: "-1" } } }, "spec.hard[pods]"],
  [ResourceQuota, "an unknown scope", { spec: { scopes: ["x"] } }, "spec.scopes"],
  [ResourceQuota, "opposite scopes", { spec: { scopes: ["Terminating", "NotTerminating"] } }, "spec.scopes"],
  [
    ResourceQuota,
    "a scope without values",
    { spec: { scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In" }] } } },
    "spec.scopeSelector.matchExpressions[0].values",
  ],
  [LimitRange, "bounds in order", { spec: { limits: [{ type: "Container", min: { cpu: "1" }, max: { cpu: "2" } }] } }],
  [
    LimitRange,
    "bounds out of order",
    { spec: { limits: [{ type: "Pod", min: { cpu: "3" }, max: { cpu: "2" } }] } },
    "spec.limits[0].min[cpu]",
  ],
  [
    LimitRange,
    "a default for pods",
    { spec: { limits: [{ type: "Pod", default: { cpu: "3" } }] } },
    "spec.limits[0].default",
  ],
  [LimitRange, "a type twice", { spec: { limits: [{ type: "Pod" }, { type: "Pod" }] } }, "spec.limits[1].type"],
  [
    LimitRange,
    "a ratio below one",
    { spec: { limits: [{ type: "Pod", maxLimitRequestRatio: { cpu: "500m" } }] } },
    "spec.limits[0].maxLimitRequestRatio[cpu]",
  ],
  [Node, "a taint", { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }],
  [Node, "a taint of no effect", { spec: { taints: [{ key: "a" }] } }, "spec.taints[0].effect"],
  [
    Node,
    "a taint twice",
    {
      spec: {
        taints: [
          { key: "a", effect: "NoSchedule" },
          { key: "a", effect: "NoSchedule" },
        ],
      },
    },
    "spec.taints[1]",
  ],
  [Node, "a bad range", { spec: { podCIDRs: ["x"] } }, "spec.podCIDRs[0]"],
];
for (const [kind, name, fields, ...expected] of cases) {
  test(`${kind.kind} with ${name} is ${expected.length ? `refused at ${expected[0]}` : "accepted"}`, () => {
    assert.deepEqual(errorsOf(kind, fields), expected);
  });
}

/** Kind, what changes, the new fields, the old ones, the paths of the complaints. */
const changes: readonly [AnyKind, string, object, object, ...string[]][] = [
  [ConfigMap, "data", { data: { a: "2" } }, { data: { a: "1" } }],
  [ConfigMap, "frozen data", { immutable: true, data: { a: "2" } }, { immutable: true, data: { a: "1" } }, "data"],
  [ConfigMap, "that it is frozen", {}, { immutable: true }, "immutable"],
  [Secret, "its type", { type: "a/b" }, { type: "a/c" }, "type"],
  [Secret, "frozen data", { immutable: true, stringData: { a: "2" } }, { immutable: true }, "data"],
  [
    Service,
    "its selector",
    service({ clusterIP: "10.0.0.1", selector: { a: "b" } }),
    service({ clusterIP: "10.0.0.1" }),
  ],
  [
    Service,
    "its address",
    service({ clusterIP: "10.0.0.2" }),
    service({ clusterIP: "10.0.0.1" }),
    "spec.clusterIPs[0]",
  ],
  [Service, "from a name to an address", service({ clusterIP: "10.0.0.2" }), { spec: { type: "ExternalName" } }],
  [
    Service,
    "its class",
    service({ type: "LoadBalancer", loadBalancerClass: "a/b" }),
    service({ type: "LoadBalancer" }),
    "spec.loadBalancerClass",
  ],
  [PersistentVolume, "its policy", volume({ persistentVolumeReclaimPolicy: "Delete" }), volume({})],
  [PersistentVolume, "its source", volume({ hostPath: { path: "/y" } }), volume({}), "spec.persistentvolumesource"],
  [PersistentVolume, "its mode", volume({ volumeMode: "Block" }), volume({}), "spec.volumeMode"],
  [PersistentVolumeClaim, "its volume, once", claim({ volumeName: "v" }), claim({})],
  [PersistentVolumeClaim, "its volume, again", claim({ volumeName: "w" }), claim({ volumeName: "v" }), "spec"],
  [PersistentVolumeClaim, "its class, late", claim({ storageClassName: "c" }), claim({})],
  [PersistentVolumeClaim, "its modes", claim({ accessModes: ["ReadWriteMany"] }), claim({}), "spec"],
  [
    PersistentVolumeClaim,
    "its size while unbound",
    claim({ resources: { requests: { storage: "2Gi" } } }),
    claim({}),
    "spec.resources.requests.storage",
  ],
  [
    PersistentVolumeClaim,
    "its size when bound",
    { ...claim({ resources: { requests: { storage: "2Gi" } } }), status: { phase: "Bound" } },
    { ...claim({}), status: { phase: "Bound", capacity: { storage: "1Gi" } } },
  ],
  [ResourceQuota, "its scopes", { spec: { scopes: ["BestEffort"] } }, {}, "spec.scopes"],
  [Node, "taints", { spec: { taints: [{ key: "a", effect: "NoSchedule" }], unschedulable: true } }, {}],
  [Node, "its range, once", { spec: { podCIDR: "10.0.0.0/24", podCIDRs: ["10.0.0.0/24"] } }, {}],
  [Node, "its range, again", { spec: { podCIDR: "10.0.1.0/24" } }, { spec: { podCIDR: "10.0.0.0/24" } }, "spec"],
];
for (const [kind, name, next, old, ...expected] of changes) {
  test(`${kind.kind} ${expected.length ? "may not" : "may"} change ${name}`, () => {
    assert.deepEqual(changeErrors(kind, next, old), expected);
  });
}

const rows: readonly [AnyKind, object, readonly unknown[]][] = [
  [Namespace, {}, ["x", "Active", "5m"]],
  [ConfigMap, { data: { a: "" }, binaryData: { b: "" } }, ["x", 2, "5m"]],
  [Secret, { stringData: { a: "1" } }, ["x", "Opaque", 1, "5m"]],
  [ServiceAccount, {}, ["x", 0, "5m"]],
  [Service, service({ clusterIP: "10.0.0.1" }), ["x", "ClusterIP", "10.0.0.1", "<none>", "80/TCP", "5m", "<none>"]],
  [
    Service,
    service({
      type: "LoadBalancer",
      ports: [
        { port: 80, nodePort: 30080 },
        { port: 53, protocol: "UDP" },
      ],
      selector: { a: "b", c: "d" },
    }),
    ["x", "LoadBalancer", "<none>", "<pending>", "80:30080/TCP,53/UDP", "5m", "a=b,c=d"],
  ],
  [
    Service,
    { spec: { type: "ExternalName", externalName: "a.b" } },
    ["x", "ExternalName", "<none>", "a.b", "<none>", "5m", "<none>"],
  ],
  [Endpoints, {}, ["x", "<none>", "5m"]],
  [
    Endpoints,
    { subsets: [{ addresses: ["1", "2", "3", "4"].map((n) => ({ ip: `10.0.0.${n}` })), ports: [port] }] },
    ["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...", "5m"],
  ],
  [
    PersistentVolume,
    volume({ claimRef: { namespace: "n", name: "c" }, storageClassName: "fast" }),
    ["x", "1Gi", "RWO", "Retain", "Pending", "n/c", "fast", "<unset>", "", "5m", "Filesystem"],
  ],
  [
    PersistentVolumeClaim,
    {
      ...claim({ volumeName: "v" }),
      status: { phase: "Bound", accessModes: ["ReadWriteMany", "ReadWriteOnce"], capacity: { storage: "2Gi" } },
    },
    ["x", "Bound", "v", "2Gi", "RWO,RWX", "", "<unset>", "5m", "Filesystem"],
  ],
  [PersistentVolumeClaim, claim({}), ["x", "Pending", "", "", "", "", "<unset>", "5m", "Filesystem"]],
  [
    Event,
    {
      involvedObject: { kind: "Pod", name: "p", fieldPath: "spec" },
      type: "Normal",
      reason: "Pulled",
      message: "done\n",
      source: { component: "kubelet", host: "n" },
      firstTimestamp: "2026-01-01T00:03:00Z",
      lastTimestamp: "2026-01-01T00:04:30Z",
      count: 3,
    },
    ["30s", "Normal", "Pulled", "pod/p", "spec", "kubelet, n", "done", "2m", "3", "x"],
  ],
  [
    ReplicationController,
    { spec: { replicas: 2, template }, status: { replicas: 1 } },
    ["x", 2, 1, 0, "5m", "c", "i:1", "app=x"],
  ],
  [PodTemplate, { template }, ["x", "c", "i:1", "app=x", "5m"]],
  [
    ResourceQuota,
    { status: { hard: { pods: "2", "limits.cpu": "1", cpu: "3" }, used: { pods: "1" } } },
    ["x", "cpu: 0/3, pods: 1/2", "limits.cpu: 0/1", "5m"],
  ],
  [
    Node,
    {
      metadata: {
        name: "n",
        creationTimestamp: "2026-01-01T00:00:00Z",
        labels: { "node-role.kubernetes.io/control-plane": "" },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        addresses: [{ type: "InternalIP", address: "10.0.0.9" }],
        nodeInfo: {
          kubeletVersion: "v1.36.0",
          osImage: "Debian",
          kernelVersion: "6.1",
          containerRuntimeVersion: "containerd://1.6",
        },
      },
    },
    [
      "n",
      "Ready,SchedulingDisabled",
      "control-plane",
      "5m",
      "v1.36.0",
      "10.0.0.9",
      "<none>",
      "Debian",
      "6.1",
      "containerd://1.6",
    ],
  ],
];
for (const [kind, fields, expected] of rows) {
  test(`a table row of ${kind.kind} reads ${expected.join(" ")}`, () => {
    const object = made(kind, fields);
    assert.deepEqual(
      kind.columns!.map((column) => column.value(object, now)),
      expected,
    );
  });
}

test("defaults of every core kind change nothing when applied again", () => {
  const seen = new Set<AnyKind>();
  for (const [kind, , fields] of cases) {
    seen.add(kind);
    const object = made(kind, fields);
    const once = structuredClone(object);
    kind.defaults?.(object);
    assert.deepEqual(object, once, kind.kind);
  }
  assert.deepEqual(
    Object.values<AnyKind>(core)
      .filter((kind) => kind.defaults && !seen.has(kind))
      .map(({ kind }) => kind),
    ["Pod"],
  );
});

test("a namespace carries its name as a label, its phase and the finalizer of its content", () => {
  const namespace = made(Namespace, {}) as Namespace;
  Namespace.prepareForCreate!(namespace);
  assert.equal(namespace.metadata.labels!["kubernetes.io/metadata.name"], "x");
  assert.deepEqual(namespace.spec, { finalizers: ["kubernetes"] });
  assert.deepEqual(namespace.status, { phase: "Active" });
});

test("stringData of a secret goes into data and is gone", () => {
  const secret = made(Secret, { data: { a: "eA==" }, stringData: { b: "y" } }) as Secret;
  assert.deepEqual(secret.data, { a: "eA==", b: "eQ==" });
  assert.equal(secret.stringData, undefined);
});

test("limits of containers fill in what is left open", () => {
  const range = made(LimitRange, {
    spec: { limits: [{ type: "Container", max: { cpu: "2" }, min: { memory: "1Mi" } }] },
  }) as LimitRange;
  assert.deepEqual(range.spec!.limits[0], {
    type: "Container",
    max: { cpu: "2" },
    min: { memory: "1Mi" },
    default: { cpu: "2" },
    defaultRequest: { cpu: "2", memory: "1Mi" },
  });
});

test("services that are reachable from outside get their traffic policies", () => {
  const spec = (made(Service, service({ type: "LoadBalancer" })) as Service).spec!;
  assert.equal(spec.externalTrafficPolicy, "Cluster");
  assert.equal(spec.internalTrafficPolicy, "Cluster");
  assert.equal(spec.allocateLoadBalancerNodePorts, true);
  assert.deepEqual(spec.ports, [{ port: 80, protocol: "TCP", targetPort: 80 }]);
});
