import { test } from "node:test";
import assert from "node:assert/strict";
import type { Node, Pod, PodSpec, Taint } from "../../kinds/generated/core.v1.ts";
import { container, pod } from "../testing.ts";
import { admit } from "./admission.ts";

const node = (more: { taints?: Taint[]; allocatable?: Record<string, string> } = {}): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n", uid: "n", resourceVersion: "1", creationTimestamp: "", labels: { zone: "a" } },
  spec: { taints: more.taints ?? [] },
  status: {
    allocatable: { cpu: "2", memory: "1Gi", pods: "3", "example.com/device": "1", ...more.allocatable },
  },
});

const asks = (requests: Record<string, string>): Pod =>
  pod({ containers: [container("app", { resources: { requests } })] });
const onPort = (hostPort: number, more: { protocol?: string; hostIP?: string } = {}): Pod =>
  pod({ containers: [container("app", { ports: [{ containerPort: 80, hostPort, ...more }] })] });
const labelled = (labels: Record<string, string>): Pod => ({ ...pod(), metadata: { ...pod().metadata, labels } });
const noExecute: Taint = { key: "broken", effect: "NoExecute" };
const required = (values: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values }] }],
      },
    },
  },
});

const short = (resource: string, requested: number, used: number, capacity: number) =>
  `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
const ports = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
const affinity = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
const taints = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate";

const rows: [what: string, pod: Pod, others: Pod[], refusal?: [reason: string, message: string], node?: Node][] = [
  ["an ordinary pod", pod(), [pod()]],
  ["a pod too many", pod(), [pod(), pod(), pod()], ["OutOfpods", short("pods", 1, 3, 3)]],
  ["what just fits", asks({ cpu: "1500m", memory: "1Gi" }), [asks({ cpu: "500m" })]],
  ["too much CPU", asks({ cpu: "1600m" }), [asks({ cpu: "500m" })], ["OutOfcpu", short("cpu", 1600, 500, 2000)]],
  [
    "too much memory",
    asks({ memory: "1Gi" }),
    [asks({ memory: "1Ki" })],
    ["OutOfmemory", short("memory", 2 ** 30, 1024, 2 ** 30)],
  ],
  ["CPU comes before memory", asks({ memory: "9Gi", cpu: "3" }), [], ["OutOfcpu", short("cpu", 3000, 0, 2000)]],
  [
    "a device that is taken",
    asks({ "example.com/device": "1" }),
    [asks({ "example.com/device": "1" })],
    ["OutOfexample.com/device", short("example.com/device", 1, 1, 1)],
  ],
  ["a device that the node does not know", asks({ "example.com/other": "1" }), []],
  ["another selector", pod({ nodeSelector: { zone: "b" } }), [], ["NodeAffinity", affinity]],
  ["the node's selector", pod({ nodeSelector: { zone: "a" } }), []],
  ["another affinity", pod(required(["b"])), [], ["NodeAffinity", affinity]],
  ["the node's affinity", pod(required(["a", "b"])), []],
  ["a taken host port", onPort(80), [onPort(80)], ["NodePorts", ports]],
  ["another host port", onPort(81), [onPort(80)]],
  ["another protocol", onPort(80, { protocol: "UDP" }), [onPort(80)]],
  ["another address", onPort(80, { hostIP: "127.0.0.1" }), [onPort(80, { hostIP: "127.0.0.2" })]],
  ["an address of all", onPort(80, { hostIP: "127.0.0.1" }), [onPort(80)], ["NodePorts", ports]],
  ["an intolerable taint", pod(), [], ["TaintToleration", taints], node({ taints: [noExecute] })],
  ["a tolerated taint", pod({ tolerations: [{ operator: "Exists" }] }), [], undefined, node({ taints: [noExecute] })],
  ["a taint against scheduling", pod(), [], undefined, node({ taints: [{ key: "k", effect: "NoSchedule" }] })],
  [
    "another system's label",
    labelled({ "kubernetes.io/os": "windows" }),
    [],
    [
      "PodOSSelectorNodeLabelDoesNotMatch",
      "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    ],
  ],
  ["this system's label", labelled({ "kubernetes.io/os": "linux" }), []],
  [
    "another system",
    pod({ os: { name: "windows" } }),
    [],
    ["PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"],
  ],
];

for (const [what, candidate, others, refusal, where = node()] of rows)
  test(`${what}: ${refusal ? refusal[0] : "admitted"}`, () => {
    const [reason, message] = refusal ?? [];
    assert.deepEqual(admit(candidate, others, where), reason && { reason, message });
  });
