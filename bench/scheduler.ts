// Scheduling decisions per second, without API and disk: pods of one controller onto many nodes.
// Usage: scripts/node.sh bench/scheduler.ts [NODES] [PODS]
import { ClusterState } from "../src/scheduler/cluster-state.ts";
import { findNode } from "../src/scheduler/cycle.ts";
import { allPlugins } from "../src/scheduler/plugins/index.ts";
import { podInfo } from "../src/scheduler/pod-info.ts";
import { builtNode, builtPod, type PodOptions } from "../src/scheduler/testing.ts";

const nodes = Number(process.argv[2] ?? 1000);
const pods = Number(process.argv[3] ?? 5000);
const plugins = allPlugins({
  claim: () => undefined,
  volume: () => undefined,
  storageClass: () => undefined,
  available: () => [],
});

function run(what: string, options: (i: number) => PodOptions) {
  const cluster = new ClusterState();
  for (let i = 0; i < nodes; i++) {
    cluster.setNode(builtNode(`n${i}`, { cpu: "32", memory: "64Gi", labels: { zone: `z${i % 3}` } }));
  }
  const started = performance.now();
  let placed = 0;
  for (let i = 0; i < pods; i++) {
    const info = podInfo(builtPod(`p${i}`, options(i)));
    const decision = findNode(info, cluster, { plugins, start: i });
    if (decision.type !== "fits") continue;
    cluster.assume(info.pod, decision.node.name);
    placed++;
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    what,
    nodes,
    placed,
    "pods/s": Math.round(pods / seconds),
    "ms/pod": Math.round((seconds * 1e6) / pods) / 1000,
  };
}

const base = { cpu: "100m", memory: "128Mi" };
const near = [{ labelSelector: { matchLabels: { app: "x" } }, topologyKey: "kubernetes.io/hostname" }];
console.table([
  run("bare pods", () => base),
  run("of 50 controllers", (i) => ({ ...base, owner: `rs-${i % 50}` })),
  run("spread over zones", (i) => ({
    ...base,
    owner: `rs-${i % 50}`,
    labels: { app: `a${i % 50}` },
    spec: {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "zone",
          whenUnsatisfiable: "DoNotSchedule",
          labelSelector: { matchLabels: { app: `a${i % 50}` } },
        },
      ],
    },
  })),
  run("anti-affinity by host", (i) => ({
    ...base,
    labels: { app: i % 100 === 0 ? "x" : "y" },
    spec:
      i % 100 === 0 ? { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: near } } } : {},
  })),
]);
