import { test } from "node:test";
import assert from "node:assert/strict";
import type { Pod, PodStatus } from "../../generated/core.v1.ts";
import { Pod as PodKind } from "../pod.ts";
import {
  validateEphemeralContainersUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
  validateResize,
} from "./validate-update.ts";

type Change = (pod: Pod) => void;

function podWith(change: Change = () => {}): Pod {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", resourceVersion: "7" },
    spec: {
      containers: [{ name: "web", image: "web:1", resources: { requests: { cpu: "100m" } } }],
      tolerations: [{ key: "a", operator: "Exists" }],
    },
  } as unknown as Pod;
  change(pod);
  PodKind.defaults!(pod);
  return pod;
}

const fields = (errors: readonly { field: string }[]) => errors.map(({ field }) => field);

const allowed: readonly [string, Change, Change?][] = [
  ["nothing", () => {}],
  ["an image", (pod) => (pod.spec!.containers[0]!.image = "web:2")],
  ["labels", (pod) => (pod.metadata.labels = { a: "b" })],
  ["a new deadline", (pod) => (pod.spec!.activeDeadlineSeconds = 9)],
  [
    "a shorter deadline",
    (pod) => (pod.spec!.activeDeadlineSeconds = 8),
    (pod) => (pod.spec!.activeDeadlineSeconds = 9),
  ],
  ["one more toleration", (pod) => pod.spec!.tolerations!.push({ key: "b", operator: "Exists" })],
  ["a gate less", () => {}, (pod) => (pod.spec!.schedulingGates = [{ name: "g" }])],
  [
    "the choice of nodes while gated",
    (pod) => {
      pod.spec!.schedulingGates = [{ name: "g" }];
      pod.spec!.nodeSelector = { disk: "ssd" };
    },
    (pod) => (pod.spec!.schedulingGates = [{ name: "g" }]),
  ],
];
for (const [name, next, old] of allowed) {
  test(`an update may change ${name}`, () => assert.deepEqual(validatePodUpdate(podWith(next), podWith(old)), []));
}

const forbidden: readonly [string, string, Change, Change?][] = [
  ["the node", "spec", (pod) => (pod.spec!.nodeName = "n")],
  ["the restart policy", "spec", (pod) => (pod.spec!.restartPolicy = "Never")],
  ["a command", "spec", (pod) => (pod.spec!.containers[0]!.command = ["x"])],
  ["resources", "spec", (pod) => (pod.spec!.containers[0]!.resources = { requests: { cpu: "1" } })],
  ["the number of containers", "spec.containers", (pod) => pod.spec!.containers.push({ name: "b", image: "b:1" })],
  ["a toleration away", "spec.tolerations", (pod) => (pod.spec!.tolerations = [])],
  [
    "a longer deadline",
    "spec.activeDeadlineSeconds",
    (pod) => (pod.spec!.activeDeadlineSeconds = 9),
    (pod) => (pod.spec!.activeDeadlineSeconds = 8),
  ],
  ["a deadline away", "spec.activeDeadlineSeconds", () => {}, (pod) => (pod.spec!.activeDeadlineSeconds = 8)],
  ["a new gate", "spec.schedulingGates", (pod) => (pod.spec!.schedulingGates = [{ name: "g" }])],
  ["the choice of nodes", "spec", (pod) => (pod.spec!.nodeSelector = { disk: "ssd" })],
  ["the grace period", "spec", (pod) => (pod.spec!.terminationGracePeriodSeconds = 1)],
];
for (const [name, field, next, old] of forbidden) {
  test(`an update may not change ${name}`, () => {
    assert.deepEqual(fields(validatePodUpdate(podWith(next), podWith(old))), [field]);
  });
}

test("ephemeral containers are only ever added", () => {
  const debug = (image: string) => (pod: Pod) => (pod.spec!.ephemeralContainers = [{ name: "debug", image }]);
  const update = (next: Change, old: Change) => fields(validateEphemeralContainersUpdate(podWith(next), podWith(old)));
  assert.deepEqual(
    update(debug("d:1"), () => {}),
    [],
  );
  assert.deepEqual(update(debug("d:2"), debug("d:1")), ["spec.ephemeralContainers"]);
  assert.deepEqual(
    update(() => {}, debug("d:1")),
    ["spec.ephemeralContainers"],
  );
});

test("a resize changes CPU and memory within the same quality of service", () => {
  const sized = (resources: object) => (pod: Pod) => (pod.spec!.containers[0]!.resources = resources);
  const resize = (next: Change) => fields(validateResize(podWith(next), podWith()));
  assert.deepEqual(resize(sized({ requests: { cpu: "2" } })), []);
  assert.deepEqual(resize(sized({ limits: { cpu: "2", memory: "1Gi" } })), ["spec"]);
  assert.deepEqual(resize(sized({ requests: { cpu: "100m", "ephemeral-storage": "1Gi" } })), ["spec"]);
  assert.deepEqual(
    resize((pod) => (pod.spec!.containers[0]!.image = "web:2")),
    ["spec"],
  );
});

test("what ended for good stays ended", () => {
  const state = (value: object): PodStatus => ({
    containerStatuses: [{ name: "web", state: value, ready: false, restartCount: 0, image: "", imageID: "" }],
  });
  const withStatus = (restartPolicy: string, status: PodStatus) =>
    podWith((pod) => {
      pod.spec!.restartPolicy = restartPolicy;
      pod.status = status;
    });
  const revive = (policy: string, exitCode: number) =>
    fields(
      validatePodStatusUpdate(
        withStatus(policy, state({ running: {} })),
        withStatus(policy, state({ terminated: { exitCode } })),
      ),
    );
  assert.deepEqual(revive("Always", 0), []);
  assert.deepEqual(revive("OnFailure", 1), []);
  assert.deepEqual(revive("OnFailure", 0), ["status.containerStatuses[0].state"]);
  assert.deepEqual(revive("Never", 1), ["status.containerStatuses[0].state"]);
  const bad = withStatus("Always", { podIPs: [{ ip: "x" }], nominatedNodeName: "A" });
  assert.deepEqual(fields(validatePodStatusUpdate(bad, podWith())), ["status.nominatedNodeName", "status.podIPs[0]"]);
});
