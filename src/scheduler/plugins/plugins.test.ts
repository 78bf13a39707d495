// What each plugin says to a pod on a node, as a table: reasons word for word, since users read and search them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Affinity, PersistentVolume, PersistentVolumeClaim } from "../../kinds/generated/core.v1.ts";
import type { StorageClass } from "../../kinds/generated/storage.v1.ts";
import { ClusterState } from "../cluster-state.ts";
import { findNode, fitsOn } from "../cycle.ts";
import { podInfo } from "../pod-info.ts";
import { builtNode, builtPod, type NodeOptions, type PodOptions } from "../testing.ts";
import { allPlugins } from "./index.ts";
import type { VolumeView } from "./volume-binding.ts";

interface World {
  readonly nodes: Record<string, NodeOptions>;
  readonly pods?: Record<string, PodOptions>;
  readonly namespaces?: Record<string, Record<string, string>>;
  readonly volumes?: Partial<VolumeView>;
}

const noVolumes: VolumeView = {
  claim: () => undefined,
  volume: () => undefined,
  storageClass: () => undefined,
  available: () => [],
};

/** What the plugins say to a pod on one node of a world: `yes`, or the reasons. */
function verdict(world: World, pod: PodOptions, nodeName: string): string {
  const cluster = new ClusterState((name) => world.namespaces?.[name]);
  for (const [name, options] of Object.entries(world.nodes)) cluster.setNode(builtNode(name, options));
  for (const [name, options] of Object.entries(world.pods ?? {})) cluster.setPod(builtPod(name, options));
  const plugins = allPlugins({ ...noVolumes, ...world.volumes });
  const rejection = fitsOn(podInfo(builtPod("new", pod)), cluster.node(nodeName)!, cluster, plugins);
  if (!rejection) return "yes";
  return `${rejection.reasons.join(", ")}${rejection.unresolvable ? " (for good)" : ""}`;
}

/** The node that is chosen. */
function choice(world: World, pod: PodOptions): string | undefined {
  const cluster = new ClusterState();
  for (const [name, options] of Object.entries(world.nodes)) cluster.setNode(builtNode(name, options));
  for (const [name, options] of Object.entries(world.pods ?? {})) cluster.setPod(builtPod(name, options));
  const decision = findNode(podInfo(builtPod("new", pod)), cluster, { plugins: allPlugins(noVolumes) });
  return decision.type === "fits" ? decision.node.name : undefined;
}

const required = (labelSelector: object, topologyKey = "zone", more: object = {}) => [
  { labelSelector, topologyKey, ...more },
];
const near = (app: string, more: object = {}): Affinity => ({
  podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required({ matchLabels: { app } }, "zone", more) },
});
const apart = (app: string, topologyKey = "zone"): Affinity => ({
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: required({ matchLabels: { app } }, topologyKey),
  },
});
const spread = (more: object = {}) => ({
  labels: { app: "web" },
  spec: {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "zone",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { app: "web" } },
        ...more,
      },
    ],
  },
});
const zoneA = { labels: { zone: "a" } };
const zoneB = { labels: { zone: "b" } };

const filterCases: readonly [title: string, world: World, pod: PodOptions, node: string, verdict: string][] = [
  ["an empty node takes a pod", { nodes: { n: {} } }, { cpu: "1" }, "n", "yes"],
  ["a cordoned node", { nodes: { n: { unschedulable: true } } }, {}, "n", "node(s) were unschedulable (for good)"],
  [
    "a cordoned node and a pod that tolerates it",
    { nodes: { n: { unschedulable: true } } },
    { spec: { tolerations: [{ operator: "Exists" }] } },
    "n",
    "yes",
  ],
  [
    "an untolerated taint",
    { nodes: { n: { taints: [{ key: "gpu", value: "only", effect: "NoSchedule" }] } } },
    { spec: { tolerations: [{ key: "gpu", value: "other" }] } },
    "n",
    "node(s) had untolerated taint {gpu: only} (for good)",
  ],
  [
    "a tolerated taint",
    { nodes: { n: { taints: [{ key: "gpu", value: "only", effect: "NoExecute" }] } } },
    { spec: { tolerations: [{ key: "gpu", operator: "Exists", effect: "NoExecute" }] } },
    "n",
    "yes",
  ],
  [
    "a taint that only advises",
    { nodes: { n: { taints: [{ key: "x", effect: "PreferNoSchedule" }] } } },
    {},
    "n",
    "yes",
  ],
  [
    "a node selector",
    { nodes: { n: { labels: { disk: "hdd" } } } },
    { spec: { nodeSelector: { disk: "ssd" } } },
    "n",
    "node(s) didn't match Pod's node affinity/selector (for good)",
  ],
  [
    "node affinity by field and number",
    { nodes: { n: { labels: { cores: "8" } } } },
    {
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchFields: [{ key: "metadata.name", operator: "In", values: ["n"] }],
                  matchExpressions: [{ key: "cores", operator: "Gt", values: ["4"] }],
                },
              ],
            },
          },
        },
      },
    },
    "n",
    "yes",
  ],
  [
    "a taken host port",
    { nodes: { n: {} }, pods: { p: { on: "n", hostPort: 8080 } } },
    { hostPort: 8080 },
    "n",
    "node(s) didn't have free ports for the requested pod ports",
  ],
  ["another host port", { nodes: { n: {} }, pods: { p: { on: "n", hostPort: 80 } } }, { hostPort: 81 }, "n", "yes"],
  [
    "too little of several things",
    { nodes: { n: { cpu: "2", memory: "2Gi" } }, pods: { p: { on: "n", cpu: "1500m", memory: "2Gi" } } },
    { cpu: "1", memory: "1Gi" },
    "n",
    "Insufficient cpu, Insufficient memory",
  ],
  ["more than there is at all", { nodes: { n: { cpu: "1" } } }, { cpu: "2" }, "n", "Insufficient cpu (for good)"],
  ["a full node", { nodes: { n: { pods: "1" } }, pods: { p: { on: "n" } } }, {}, "n", "Too many pods"],
  [
    "affinity to a pod in the zone",
    { nodes: { n: zoneA, m: zoneB }, pods: { p: { on: "n", labels: { app: "db" } } } },
    { spec: { affinity: near("db") } },
    "m",
    "node(s) didn't match pod affinity rules (for good)",
  ],
  [
    "affinity to a pod that is nowhere",
    { nodes: { n: zoneA } },
    { spec: { affinity: near("db") } },
    "n",
    "node(s) didn't match pod affinity rules (for good)",
  ],
  [
    "affinity of the first pod of its own group",
    { nodes: { n: zoneA } },
    { labels: { app: "db" }, spec: { affinity: near("db") } },
    "n",
    "yes",
  ],
  [
    "affinity to a pod in another namespace",
    { nodes: { n: zoneA }, pods: { p: { on: "n", namespace: "other", labels: { app: "db" } } } },
    { spec: { affinity: near("db") } },
    "n",
    "node(s) didn't match pod affinity rules (for good)",
  ],
  [
    "affinity to a pod in a selected namespace",
    {
      nodes: { n: zoneA },
      pods: { p: { on: "n", namespace: "other", labels: { app: "db" } } },
      namespaces: { other: { team: "x" } },
    },
    { spec: { affinity: near("db", { namespaceSelector: { matchLabels: { team: "x" } } }) } },
    "n",
    "yes",
  ],
  [
    "anti-affinity in the zone, on the neighbour node",
    { nodes: { n: zoneA, m: zoneA }, pods: { p: { on: "n", labels: { app: "db" } } } },
    { spec: { affinity: apart("db") } },
    "m",
    "node(s) didn't match pod anti-affinity rules",
  ],
  [
    "anti-affinity of a pod that is there already",
    { nodes: { n: zoneA }, pods: { p: { on: "n", spec: { affinity: apart("web") } } } },
    { labels: { app: "web" } },
    "n",
    "node(s) didn't satisfy existing pods anti-affinity rules",
  ],
  [
    "an even spread over zones",
    { nodes: { n: zoneA, m: zoneB }, pods: { p: { on: "n", labels: { app: "web" } } } },
    { ...spread(), spec: { ...spread().spec, nodeSelector: { "kubernetes.io/hostname": "n" } } },
    "n",
    "yes",
  ],
  [
    "a spread that would become uneven",
    {
      nodes: { n: { ...zoneA, cpu: "1" }, m: { ...zoneB, cpu: "0" } },
      pods: { p: { on: "n", labels: { app: "web" } } },
    },
    { ...spread(), cpu: "100m" },
    "n",
    "node(s) didn't match pod topology spread constraints",
  ],
  [
    "a node without the label of the spread",
    { nodes: { n: {} } },
    spread(),
    "n",
    "node(s) didn't match pod topology spread constraints (missing required label) (for good)",
  ],
  [
    "fewer domains than wanted",
    { nodes: { n: zoneA }, pods: { p: { on: "n", labels: { app: "web" } } } },
    spread({ minDomains: 2 }),
    "n",
    "node(s) didn't match pod topology spread constraints",
  ],
  [
    "devices",
    { nodes: { n: {} } },
    { spec: { resourceClaims: [{ name: "gpu" }] } },
    "n",
    "spec.resourceClaims is not supported by this scheduler (for good)",
  ],
];

for (const [title, world, pod, node, expected] of filterCases) {
  test(`filter: ${title}`, () => assert.equal(verdict(world, pod, node), expected));
}

const scoreCases: readonly [title: string, world: World, pod: PodOptions, chosen: string][] = [
  [
    "the emptier node",
    { nodes: { n: {}, m: {} }, pods: { p: { on: "n", cpu: "2", memory: "4Gi" } } },
    { cpu: "1" },
    "m",
  ],
  [
    "the node without an advising taint",
    { nodes: { n: { taints: [{ key: "x", effect: "PreferNoSchedule" }] }, m: {} } },
    {},
    "m",
  ],
  [
    "the node that it prefers",
    { nodes: { n: {}, m: { labels: { disk: "ssd" } } } },
    {
      spec: {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 5, preference: { matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] } },
            ],
          },
        },
      },
    },
    "m",
  ],
  [
    "the node with its image",
    { nodes: { n: {}, m: { images: { "app:latest": 900 * 1024 * 1024 } } } },
    { image: "app" },
    "m",
  ],
  [
    "the zone where fewer of its kind are",
    { nodes: { n: zoneA, m: zoneB }, pods: { p: { on: "n", labels: { app: "web" } } } },
    spread({ whenUnsatisfiable: "ScheduleAnyway" }),
    "m",
  ],
  [
    "the node where no other pod of its controller is",
    { nodes: { n: {}, m: {} }, pods: { p: { on: "n", owner: "rs" }, q: { on: "m" } } },
    { owner: "rs" },
    "m",
  ],
  [
    "the node near the pods that it prefers",
    { nodes: { n: zoneA, m: zoneB }, pods: { p: { on: "m", labels: { app: "db" } } } },
    {
      spec: {
        affinity: {
          podAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 100,
                podAffinityTerm: { labelSelector: { matchLabels: { app: "db" } }, topologyKey: "zone" },
              },
            ],
          },
        },
      },
    },
    "m",
  ],
];

for (const [title, world, pod, chosen] of scoreCases) {
  test(`score: a pod goes to ${title}`, () => assert.equal(choice(world, pod), chosen));
}

const claim = (spec: object, more: object = {}): PersistentVolumeClaim =>
  ({
    metadata: { name: "data", namespace: "default", uid: "c", ...more },
    spec: {
      storageClassName: "local",
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
      ...spec,
    },
  }) as unknown as PersistentVolumeClaim;
const volume = (name: string, zone: string, storage: string): PersistentVolume =>
  ({
    metadata: { name },
    spec: {
      accessModes: ["ReadWriteOnce"],
      capacity: { storage },
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values: [zone] }] }] },
      },
    },
  }) as unknown as PersistentVolume;
const storageClass = (provisioner: string, volumeBindingMode = "WaitForFirstConsumer"): StorageClass =>
  ({ metadata: { name: "local" }, provisioner, volumeBindingMode }) as StorageClass;
const boundTo = (name: string) =>
  claim({ volumeName: name }, { annotations: { "pv.kubernetes.io/bind-completed": "yes" } });

const volumeCases: readonly [title: string, volumes: Partial<VolumeView>, verdict: string][] = [
  ["a missing claim", {}, 'persistentvolumeclaim "data" not found (for good)'],
  ["a claim to be provisioned", { claim: () => claim({}), storageClass: () => storageClass("example.com/x") }, "yes"],
  [
    "an unbound claim that does not wait for the pod",
    { claim: () => claim({}), storageClass: () => storageClass("example.com/x", "Immediate") },
    "pod has unbound immediate PersistentVolumeClaims (for good)",
  ],
  [
    "a volume in another zone",
    { claim: () => boundTo("v"), volume: () => volume("v", "b", "1Gi") },
    "node(s) didn't match PersistentVolume's node affinity (for good)",
  ],
  ["a volume in the zone", { claim: () => boundTo("v"), volume: () => volume("v", "a", "1Gi") }, "yes"],
  [
    "a volume that is gone",
    { claim: () => boundTo("v") },
    "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s) (for good)",
  ],
  [
    "no volume of the size in the zone",
    {
      claim: () => claim({}),
      storageClass: () => storageClass("kubernetes.io/no-provisioner"),
      available: () => [volume("small", "a", "1Mi"), volume("far", "b", "2Gi")],
    },
    "node(s) didn't find available persistent volumes to bind (for good)",
  ],
  [
    "a volume of the size in the zone",
    {
      claim: () => claim({}),
      storageClass: () => storageClass("kubernetes.io/no-provisioner"),
      available: () => [volume("big", "a", "9Gi")],
    },
    "yes",
  ],
];

for (const [title, volumes, expected] of volumeCases) {
  test(`volumes: ${title}`, () => {
    assert.equal(verdict({ nodes: { n: zoneA }, volumes }, { claim: "data" }, "n"), expected);
  });
}
