import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, changed, changeFaults, faults, made } from "../testing.ts";
import { ControllerRevision } from "./controller-revision.ts";
import { DaemonSet } from "./daemon-set.ts";
import { Deployment } from "./deployment.ts";
import { ReplicaSet } from "./replica-set.ts";
import { StatefulSet } from "./stateful-set.ts";

const good = {
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "a", image: "img:1" }] } },
  },
};
const kinds = [Deployment, ReplicaSet, StatefulSet, DaemonSet];

test("a plain workload is good, and gets the defaults of its kind", () => {
  for (const kind of kinds) assert.deepEqual(faults(kind, good), [], kind.kind);
  const { spec } = made<Deployment>(Deployment, good);
  assert.equal(spec?.replicas, 1);
  assert.deepEqual(spec?.strategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" },
  });
  assert.equal(spec?.progressDeadlineSeconds, 600);
  assert.equal(spec?.revisionHistoryLimit, 10);
  assert.equal(spec?.template.spec?.containers[0]?.imagePullPolicy, "IfNotPresent");
  const set = made<StatefulSet>(StatefulSet, good);
  assert.equal(set.spec?.podManagementPolicy, "OrderedReady");
  assert.deepEqual(set.spec?.updateStrategy, { type: "RollingUpdate", rollingUpdate: { partition: 0 } });
  assert.deepEqual(made<DaemonSet>(DaemonSet, good).spec?.updateStrategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
  });
});

test("a status that a client sends on create is dropped", () => {
  assert.deepEqual(made<Deployment>(Deployment, { ...good, status: { replicas: 5 } }).status, {});
});

test("each fault of a workload is named by its path", () => {
  const shared: [string, unknown, string][] = [
    ["spec.selector", undefined, "spec.selector"],
    ["spec.selector", {}, "spec.selector"],
    ["spec.selector.matchLabels.app", "other", "spec.template.metadata.labels"],
    ["spec.template", undefined, "spec.template"],
    ["spec.template.spec.restartPolicy", "Never", "spec.template.spec.restartPolicy"],
    ["spec.template.spec.activeDeadlineSeconds", 5, "spec.template.spec.activeDeadlineSeconds"],
    ["spec.template.spec.containers.0.name", "A", "spec.template.spec.containers[0].name"],
    ["spec.minReadySeconds", -1, "spec.minReadySeconds"],
  ];
  for (const kind of kinds) {
    for (const [at, value, field] of shared) {
      assert.ok(faults(kind, changed(good, at, value)).includes(field), `${kind.kind} ${at}`);
    }
  }
  const own: [(typeof kinds)[number], string, unknown, string][] = [
    [Deployment, "spec.replicas", -1, "spec.replicas"],
    [Deployment, "spec.strategy", { type: "Recreate", rollingUpdate: {} }, "spec.strategy.rollingUpdate"],
    [Deployment, "spec.strategy", { type: "Other" }, "spec.strategy"],
    [
      Deployment,
      "spec.strategy.rollingUpdate",
      { maxSurge: 0, maxUnavailable: "0%" },
      "spec.strategy.rollingUpdate.maxUnavailable",
    ],
    [Deployment, "spec.strategy.rollingUpdate.maxSurge", "abc", "spec.strategy.rollingUpdate.maxSurge"],
    [Deployment, "spec.strategy.rollingUpdate.maxUnavailable", "101%", "spec.strategy.rollingUpdate.maxUnavailable"],
    [Deployment, "spec.progressDeadlineSeconds", 0, "spec.progressDeadlineSeconds"],
    [StatefulSet, "spec.podManagementPolicy", "Other", "spec.podManagementPolicy"],
    [StatefulSet, "spec.updateStrategy", { type: "Other" }, "spec.updateStrategy"],
    [StatefulSet, "spec.ordinals.start", -1, "spec.ordinals.start"],
    [StatefulSet, "spec.volumeClaimTemplates", [{ spec: {} }], "spec.volumeClaimTemplates[0].metadata.name"],
    [
      DaemonSet,
      "spec.updateStrategy.rollingUpdate",
      { maxUnavailable: 0 },
      "spec.updateStrategy.rollingUpdate.maxUnavailable",
    ],
    [DaemonSet, "spec.updateStrategy.rollingUpdate", { maxSurge: 1 }, "spec.updateStrategy.rollingUpdate.maxSurge"],
  ];
  for (const [kind, at, value, field] of own) {
    assert.ok(faults(kind, changed(good, at, value)).includes(field), `${kind.kind} ${at} ${JSON.stringify(value)}`);
  }
});

test("selectors are immutable, and of a StatefulSet most other fields too", () => {
  for (const kind of [Deployment, ReplicaSet, DaemonSet]) {
    const old = made(kind, good);
    const next = changed(old, "spec.selector.matchLabels.app", "x");
    assert.match(changeFaults(kind, old, next)[0]!, /^spec.selector: .*field is immutable$/);
    assert.deepEqual(changeFaults(kind, old, changed(old, "spec.template.metadata.labels.b", "c")), []);
  }
  const old = made(StatefulSet, good);
  assert.deepEqual(changeFaults(StatefulSet, old, changed(old, "spec.replicas", 3)), []);
  assert.deepEqual(changeFaults(StatefulSet, old, changed(old, "spec.serviceName", "x")), [
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  ]);
});

test("a DaemonSet counts the changes of its template", () => {
  const key = "deprecated.daemonset.template.generation";
  const old = made<DaemonSet>(DaemonSet, good);
  assert.equal(old.metadata.annotations?.[key], "1");
  const next = changed(old, "spec.template.metadata.labels.b", "c");
  DaemonSet.prepareForUpdate?.(next, old);
  assert.equal(next.metadata.annotations?.[key], "2");
});

test("scale reads and sets the replicas", () => {
  const object = { ...made<Deployment>(Deployment, good), status: { replicas: 3 } };
  assert.deepEqual(Deployment.subresources?.scale?.get(object), {
    specReplicas: 1,
    statusReplicas: 3,
    selector: "app=web",
  });
  Deployment.subresources?.scale?.set(object, 7);
  assert.equal(object.spec?.replicas, 7);
});

test("the tables show what kubectl prints", () => {
  const status = { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1, replicas: 2 };
  assert.deepEqual(cells(Deployment, Object.assign(made<Deployment>(Deployment, good), { status })), {
    Name: "x",
    Ready: "1/1",
    "Up-to-date": 2,
    Available: 1,
    Age: "10m",
    Containers: "a",
    Images: "img:1",
    Selector: "app=web",
  });
  const owner = { apiVersion: "apps/v1", kind: "StatefulSet", name: "db", uid: "1", controller: true };
  const revision = made(ControllerRevision, { revision: 3, data: {} }, { ownerReferences: [owner] });
  assert.deepEqual(cells(ControllerRevision, revision), {
    Name: "x",
    Controller: "statefulset.apps/db",
    Revision: 3,
    Age: "10m",
  });
});

test("a status may not claim more ready pods than there are", () => {
  const old = made<Deployment>(Deployment, good);
  const next = { ...old, status: { replicas: 1, readyReplicas: 2 } };
  assert.deepEqual(
    Deployment.validateStatusUpdate?.(next, old).map(({ field }) => field),
    ["status.readyReplicas"],
  );
});
