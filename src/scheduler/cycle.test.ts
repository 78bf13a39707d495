// A transcript of scheduling decisions: the story is the input, `cycle.golden.txt` what came of it. To accept a change:
// GOLDEN=write scripts/node.sh --test src/scheduler/cycle.test.ts, and review the difference.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ClusterState } from "./cluster-state.ts";
import { feasibleNodesToFind, findNode } from "./cycle.ts";
import { failureMessage } from "./messages.ts";
import { allPlugins } from "./plugins/index.ts";
import { podInfo } from "./pod-info.ts";
import { planPreemption } from "./preemption.ts";
import { builtNode, builtPod, type NodeOptions, type PodOptions } from "./testing.ts";

const plugins = allPlugins({
  claim: () => undefined,
  volume: () => undefined,
  storageClass: () => undefined,
  available: () => [],
});

type Step = { readonly node: string; readonly is: NodeOptions } | { readonly pod: string; readonly is: PodOptions };

const web: PodOptions = {
  cpu: "500m",
  memory: "256Mi",
  owner: "web",
  labels: { app: "web" },
};
const database: PodOptions = {
  cpu: "1",
  memory: "1Gi",
  labels: { app: "db" },
  spec: {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: "db" } }, topologyKey: "kubernetes.io/hostname" },
        ],
      },
    },
  },
};

const story: readonly Step[] = [
  { pod: "too-early", is: {} },
  { node: "one", is: { cpu: "2", memory: "4Gi", labels: { "topology.kubernetes.io/zone": "a" } } },
  { node: "two", is: { cpu: "2", memory: "4Gi", labels: { "topology.kubernetes.io/zone": "b" } } },
  {
    node: "gpu",
    is: { cpu: "8", memory: "16Gi", taints: [{ key: "gpu", value: "only", effect: "NoSchedule" }] },
  },
  { pod: "web-1", is: web },
  { pod: "web-2", is: web },
  { pod: "web-3", is: web },
  { pod: "db-1", is: database },
  { pod: "db-2", is: database },
  { pod: "db-3", is: database },
  { pod: "training", is: { cpu: "6", spec: { tolerations: [{ key: "gpu", operator: "Exists" }] } } },
  { pod: "giant", is: { cpu: "64", memory: "1Ti" } },
  { pod: "picky", is: { spec: { nodeSelector: { disk: "ssd" } } } },
  { pod: "urgent", is: { cpu: "2", priority: 1000 } },
  { node: "three", is: { labels: { disk: "ssd" } } },
  { pod: "picky", is: { spec: { nodeSelector: { disk: "ssd" } } } },
];

function tell(steps: readonly Step[]): string {
  const cluster = new ClusterState();
  const lines: string[] = [];
  for (const step of steps) {
    if ("node" in step) {
      cluster.setNode(builtNode(step.node, step.is));
      lines.push(`node ${step.node}`);
      continue;
    }
    const info = podInfo(builtPod(step.pod, step.is));
    const decision = findNode(info, cluster, { plugins });
    if (decision.type === "fits") {
      cluster.assume(info.pod, decision.node.name);
      lines.push(`pod ${step.pod} → ${decision.node.name} (${decision.feasible} suit)`);
      continue;
    }
    const { failure } = decision;
    const plan = planPreemption(info, cluster, failure, { plugins, budgets: [] });
    const message = failureMessage(failure, plan.type === "none" && failure.nodeCount > 0 ? plan.message : undefined);
    lines.push(`pod ${step.pod}: ${message}`, `  rejected by ${[...failure.plugins].join(", ") || "nobody"}`);
    if (plan.type === "evict") {
      const names = plan.victims.pods.map(({ pod }) => pod.metadata.name).join(", ");
      lines.push(`  evicts ${names} from ${plan.victims.nodeName}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

test("the story of a small cluster goes as it did", () => {
  const file = join(import.meta.dirname, "cycle.golden.txt");
  const told = tell(story);
  if (process.env.GOLDEN === "write") writeFileSync(file, told);
  assert.equal(told, readFileSync(file, "utf8"));
});

test("of many nodes only a part is looked at", () => {
  assert.deepEqual([1, 100, 101, 1000, 5000, 20_000].map(feasibleNodesToFind), [1, 100, 100, 420, 500, 1000]);
});

test("a node is kept free for pods that were promised it, unless the pod is more important", () => {
  const cluster = new ClusterState();
  cluster.setNode(builtNode("n", { cpu: "1" }));
  const promised = podInfo(builtPod("promised", { cpu: "1", priority: 5 }));
  const nominations = () => [promised];
  const fits = (priority: number) =>
    findNode(podInfo(builtPod(`p${priority}`, { cpu: "1", priority })), cluster, { plugins, nominations }).type;
  assert.deepEqual([1, 5, 6].map(fits), ["failed", "failed", "fits"]);
  assert.equal(findNode(promised, cluster, { plugins, nominations }).type, "fits");
});

test("equal nodes take turns", () => {
  const cluster = new ClusterState();
  for (const name of ["a", "b", "c"]) cluster.setNode(builtNode(name));
  const chosen = [0, 1, 2].map((start) => {
    const decision = findNode(podInfo(builtPod("p")), cluster, { plugins, start });
    return decision.type === "fits" ? decision.node.name : "none";
  });
  assert.deepEqual(chosen, ["a", "b", "c"]);
});
