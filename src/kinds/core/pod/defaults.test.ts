import { test } from "node:test";
import assert from "node:assert/strict";
import type { Pod, PodSpec, ResourceRequirements } from "../../generated/core.v1.ts";
import { defaultPod, defaultPodSpec, imageTag } from "./defaults.ts";
import { qosClassOf } from "./qos.ts";
import { podLimits, podRequests } from "./resources.ts";
import { podDeletionGraceSeconds, preparePodForCreate } from "./strategy.ts";

const podOf = (spec: object, more: object = {}): Pod =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec, ...more }) as unknown as Pod;

const tags: readonly [string | undefined, string][] = [
  ["nginx", "latest"],
  ["nginx:1.2", "1.2"],
  ["localhost:5000/a/b", "latest"],
  ["localhost:5000/a/b:v1", "v1"],
  ["a@sha256:0123", ""],
  ["a:latest@sha256:0123", "latest"],
  ["", ""],
  [undefined, ""],
];
for (const [image, tag] of tags) {
  test(`the tag of ${image} is ${JSON.stringify(tag)}`, () => assert.equal(imageTag(image), tag));
}

test("a pod gets upstream's defaults, and getting them twice changes nothing more", () => {
  const pod = podOf({
    serviceAccount: "robot",
    initContainers: [{ name: "i", image: "i:1" }],
    containers: [
      {
        name: "c",
        image: "web",
        ports: [{ containerPort: 80 }],
        livenessProbe: { httpGet: { port: 80 } },
        startupProbe: { grpc: { port: 81 } },
        lifecycle: { preStop: { httpGet: { port: 80 } } },
        env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
        resources: { limits: { cpu: "1" }, requests: { memory: "1Gi" } },
      },
    ],
    volumes: [{ name: "e" }, { name: "h", hostPath: { path: "/x" } }, { name: "s", secret: { secretName: "s" } }],
  });
  defaultPod(pod);
  assert.deepEqual(pod.spec, {
    serviceAccount: "robot",
    serviceAccountName: "robot",
    dnsPolicy: "ClusterFirst",
    restartPolicy: "Always",
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: "default-scheduler",
    enableServiceLinks: true,
    initContainers: [
      {
        name: "i",
        image: "i:1",
        imagePullPolicy: "IfNotPresent",
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        resources: {},
      },
    ],
    containers: [
      {
        name: "c",
        image: "web",
        imagePullPolicy: "Always",
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        ports: [{ containerPort: 80, protocol: "TCP" }],
        livenessProbe: {
          httpGet: { port: 80, path: "/", scheme: "HTTP" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        startupProbe: {
          grpc: { port: 81, service: "" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        lifecycle: { preStop: { httpGet: { port: 80, path: "/", scheme: "HTTP" } } },
        env: [{ name: "N", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } }],
        resources: { limits: { cpu: "1" }, requests: { cpu: "1", memory: "1Gi" } },
      },
    ],
    volumes: [
      { name: "e", emptyDir: {} },
      { name: "h", hostPath: { path: "/x", type: "" } },
      { name: "s", secret: { secretName: "s", defaultMode: 420 } },
    ],
  });
  const once = structuredClone(pod);
  defaultPod(pod);
  assert.deepEqual(pod, once);
});

test("a template keeps what only pods have filled in open", () => {
  const spec = {
    hostNetwork: true,
    containers: [{ name: "c", ports: [{ containerPort: 80 }], resources: { limits: { cpu: "1" } } }],
  } as PodSpec;
  defaultPodSpec(spec);
  assert.equal(spec.enableServiceLinks, undefined);
  assert.equal(spec.containers[0]!.ports![0]!.hostPort, undefined);
  assert.equal(spec.containers[0]!.resources!.requests, undefined);
});

test("in the host's network ports are host ports", () => {
  const pod = podOf({ hostNetwork: true, containers: [{ name: "c", ports: [{ containerPort: 80 }] }] });
  defaultPod(pod);
  assert.equal(pod.spec!.containers[0]!.ports![0]!.hostPort, 80);
});

test("pod-level limits make pod-level requests, of what the containers ask where they ask", () => {
  const pod = podOf({
    resources: { limits: { cpu: "2", memory: "2Gi" } },
    containers: [{ name: "c", resources: { requests: { cpu: "500m" } } }],
  });
  defaultPod(pod);
  assert.deepEqual(pod.spec!.resources, {
    limits: { cpu: "2", memory: "2Gi" },
    requests: { cpu: "500m", memory: "2Gi" },
  });
});

const both = { cpu: "1", memory: "1Gi" };
const classes: readonly [string, ResourceRequirements, string][] = [
  ["nothing", {}, "BestEffort"],
  ["equal requests and limits", { requests: both, limits: both }, "Guaranteed"],
  ["limits only", { limits: both }, "Guaranteed"],
  ["a request only", { requests: { cpu: "1" } }, "Burstable"],
  ["a limit on one resource", { limits: { cpu: "1" } }, "Burstable"],
  ["other resources", { limits: { "a.b/c": "1" } }, "BestEffort"],
];
for (const [name, resources, expected] of classes) {
  test(`a pod with ${name} is ${expected}`, () => {
    assert.equal(qosClassOf({ containers: [{ name: "c", resources }] }), expected);
  });
}

test("requests: containers add up, init containers count one by one on top of sidecars, overhead is added", () => {
  const requests = (cpu: string) => ({ resources: { requests: { cpu }, limits: { cpu } } });
  const pod = podOf({
    overhead: { cpu: "10m", memory: "1Mi" },
    containers: [
      { name: "a", ...requests("100m") },
      { name: "b", ...requests("200m") },
    ],
    initContainers: [
      { name: "s", restartPolicy: "Always", ...requests("50m") },
      { name: "i", ...requests("600m") },
    ],
  });
  assert.deepEqual(podRequests(pod), { cpu: "660m", memory: "1Mi" });
  assert.deepEqual(podLimits(pod), { cpu: "660m" });
});

test("a new pod is Pending whatever the client says, and gated pods say why they wait", () => {
  const pod = podOf({ containers: [{ name: "c" }] }, { status: { phase: "Running" } });
  preparePodForCreate(pod);
  assert.deepEqual(pod.status, { phase: "Pending", qosClass: "BestEffort" });
  const gated = podOf({ containers: [{ name: "c" }], schedulingGates: [{ name: "x" }] });
  preparePodForCreate(gated);
  assert.equal(gated.status!.conditions![0]!.reason, "SchedulingGated");
});

test("label keys of affinity and spread become requirements on the pod's own values", () => {
  const spread = {
    maxSkew: 1,
    topologyKey: "z",
    whenUnsatisfiable: "DoNotSchedule",
    labelSelector: {},
    matchLabelKeys: ["v", "absent"],
  };
  const pod = podOf(
    { containers: [], topologySpreadConstraints: [spread] },
    { metadata: { name: "p", labels: { v: "1" } } },
  );
  preparePodForCreate(pod);
  assert.deepEqual(pod.spec!.topologySpreadConstraints![0]!.labelSelector, {
    matchExpressions: [{ key: "v", operator: "In", values: ["1"] }],
  });
});

const graces: readonly [string, object, string, number | undefined, number][] = [
  ["no node", {}, "Pending", undefined, 0],
  ["a node", { nodeName: "n", terminationGracePeriodSeconds: 30 }, "Running", undefined, 30],
  ["another wish", { nodeName: "n", terminationGracePeriodSeconds: 30 }, "Running", 5, 5],
  ["no patience", { nodeName: "n", terminationGracePeriodSeconds: 30 }, "Running", 0, 0],
  ["an end already", { nodeName: "n", terminationGracePeriodSeconds: 30 }, "Succeeded", 9, 0],
  ["a negative period", { nodeName: "n", terminationGracePeriodSeconds: -3 }, "Running", undefined, 1],
];
for (const [name, spec, phase, requested, expected] of graces) {
  test(`a pod with ${name} has ${expected} s to end`, () => {
    assert.equal(podDeletionGraceSeconds(podOf(spec, { status: { phase } }), requested), expected);
  });
}
