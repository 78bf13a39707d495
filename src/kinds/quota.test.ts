import { test } from "node:test";
import assert from "node:assert/strict";
import type { KubeObject } from "../machinery/object.ts";
import { quotaMatches, quotaUsage } from "./quota.ts";
import { createQuotaSums } from "./quota-sums.ts";
import type { ResourceQuota } from "./generated/core.v1.ts";

const object = (fields: object): KubeObject =>
  ({ metadata: { name: "o", namespace: "n" }, ...fields }) as unknown as KubeObject;
const quota = (spec: object): ResourceQuota => object({ spec }) as unknown as ResourceQuota;
const resources = {
  requests: { cpu: "1", memory: "1Gi", "ephemeral-storage": "2Gi", "hugepages-2Mi": "4Mi", "example.com/gpu": "2" },
  limits: { cpu: "2" },
};

const usages: readonly [title: string, collection: string, fields: object, usage: object][] = [
  [
    "a pod by requests and limits, extended resources by requests only",
    "/pods",
    { spec: { containers: [{ name: "c", resources }], overhead: { cpu: "500m" } } },
    {
      "count/pods": "1",
      pods: "1",
      cpu: "1500m",
      "requests.cpu": "1500m",
      memory: "1Gi",
      "requests.memory": "1Gi",
      "ephemeral-storage": "2Gi",
      "requests.ephemeral-storage": "2Gi",
      "hugepages-2Mi": "4Mi",
      "requests.hugepages-2Mi": "4Mi",
      "requests.example.com/gpu": "2",
      "limits.cpu": "2500m",
    },
  ],
  [
    "a finished pod by its number only",
    "/pods",
    { spec: { containers: [] }, status: { phase: "Failed" } },
    { "count/pods": "1" },
  ],
  [
    "a claim by size, also in its class",
    "/persistentvolumeclaims",
    { spec: { storageClassName: "fast", resources: { requests: { storage: "3Gi" } } } },
    {
      "count/persistentvolumeclaims": "1",
      persistentvolumeclaims: "1",
      "requests.storage": "3Gi",
      "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
      "fast.storageclass.storage.k8s.io/requests.storage": "3Gi",
    },
  ],
  [
    "a load balancer by its node ports",
    "/services",
    { spec: { type: "LoadBalancer", ports: [{ port: 1 }, { port: 2 }] } },
    { "count/services": "1", services: "1", "services.nodeports": "2", "services.loadbalancers": "1" },
  ],
  ["a secret", "/secrets", {}, { "count/secrets": "1", secrets: "1" }],
  ["anything else by its number", "example.com/widgets", {}, { "count/widgets.example.com": "1" }],
];

for (const [title, collection, fields, expected] of usages) {
  test(`counts ${title}`, () => {
    const usage = quotaUsage(collection, object(fields));
    assert.deepEqual({ ...usage }, expected);
  });
}

const pod = (spec: object, qosClass = "Burstable") =>
  object({ spec: { containers: [], ...spec }, status: { qosClass } });
const scope = (scopeName: string, operator = "Exists", values?: string[]) => ({
  scopeName,
  operator,
  ...(values ? { values } : {}),
});
const crossing = {
  affinity: {
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "a", namespaces: ["b"] }] },
  },
};

const scopes: readonly [requirement: ReturnType<typeof scope>, inside: KubeObject, outside: KubeObject][] = [
  [scope("Terminating"), pod({ activeDeadlineSeconds: 1 }), pod({})],
  [scope("NotTerminating"), pod({}), pod({ activeDeadlineSeconds: 1 })],
  [scope("BestEffort"), pod({}, "BestEffort"), pod({})],
  [scope("NotBestEffort"), pod({}), pod({}, "BestEffort")],
  [scope("PriorityClass", "In", ["high"]), pod({ priorityClassName: "high" }), pod({ priorityClassName: "low" })],
  [scope("PriorityClass", "NotIn", ["high"]), pod({}), pod({ priorityClassName: "high" })],
  [scope("PriorityClass"), pod({ priorityClassName: "low" }), pod({})],
  [scope("PriorityClass", "DoesNotExist"), pod({}), pod({ priorityClassName: "low" })],
  [scope("CrossNamespacePodAffinity"), pod(crossing), pod({})],
];

for (const [requirement, inside, outside] of scopes) {
  test(`the scope ${requirement.scopeName} ${requirement.operator} chooses pods`, () => {
    const limited = quota({ scopeSelector: { matchExpressions: [requirement] } });
    assert.equal(quotaMatches(limited, "/pods", inside), true);
    assert.equal(quotaMatches(limited, "/pods", outside), false);
    assert.equal(quotaMatches(limited, "/services", object({})), false);
  });
}

test("a claim that changes its attributes class counts in the old and the new one", () => {
  const spec = { volumeAttributesClassName: "new" };
  const claim = object({ spec, status: { currentVolumeAttributesClassName: "old" } });
  const limited = (name: string) =>
    quota({ scopeSelector: { matchExpressions: [scope("VolumeAttributesClass", "In", [name])] } });
  assert.equal(quotaMatches(limited("old"), "/persistentvolumeclaims", claim), true);
  assert.equal(quotaMatches(limited("new"), "/persistentvolumeclaims", claim), true);
  assert.equal(quotaMatches(limited("other"), "/persistentvolumeclaims", claim), false);
});

test("sums follow changes and are made anew when the quota changes", () => {
  let current = quota({ hard: { "count/pods": "9", "requests.cpu": "9" } });
  const sums = createQuotaSums(() => current);
  const sized = (cpu: string) => object({ spec: { containers: [{ name: "c", resources: { requests: { cpu } } }] } });
  const [one, two] = [sized("1"), sized("2")];
  const never = () => assert.fail("listed again");
  assert.deepEqual(
    sums.of(current, "/pods", () => [one]),
    { "count/pods": "1", "requests.cpu": "1" },
  );
  sums.changed("/pods", "n", undefined, two);
  assert.deepEqual(sums.of(current, "/pods", never), { "count/pods": "2", "requests.cpu": "3" });
  sums.changed("/pods", "n", one, undefined);
  sums.changed("/pods", "n", two, sized("250m"));
  sums.changed("/pods", "elsewhere", undefined, one);
  assert.deepEqual(sums.of(current, "/pods", never), { "count/pods": "1", "requests.cpu": "250m" });
  current = quota({ hard: { pods: "9" } });
  sums.changed("/pods", "n", undefined, one);
  assert.deepEqual(
    sums.of(current, "/pods", () => [one]),
    { pods: "1" },
  );
});
