// Deployments: the arithmetic of rollouts as tables, and the order of steps.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment, ReplicaSet } from "../../kinds/index.ts";
import type { Action } from "../framework/controller.ts";
import { deployment, now, replicaSet, templateOf } from "../testing.ts";
import { decideDeployment } from "./decide.ts";
import { nextRevision } from "./revision.ts";
import { maxSurge, maxUnavailable, scaledSizes, shrunkSizes } from "./size.ts";

const rolling = (surge: number | string, unavailable: number | string) => ({
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
});

const decide = (object: Deployment, sets: readonly ReplicaSet[], namesake?: ReplicaSet) =>
  decideDeployment({ deployment: object, claim: { owned: sets, changes: [] }, podsOf: new Map(), namesake }, now)
    .actions;

const words = (actions: readonly Action[]): string[] =>
  actions.map((action) => {
    if (action.type === "event") return action.message;
    if (action.type === "effect") return "effect";
    const name = action.object.metadata.name;
    const replicas =
      action.type === "patch" ? (action.patch.spec as { replicas?: number } | undefined)?.replicas : undefined;
    return `${action.type} ${action.kind.kind}${replicas === undefined ? "" : ` ${name} to ${replicas}`}`;
  });

test("surge is rounded up, unavailability down, and one of them always moves", () => {
  const rows: [replicas: number, surge: number | string, unavailable: number | string, wanted: [number, number]][] = [
    [10, "25%", "25%", [3, 2]],
    [1, "25%", "25%", [1, 0]],
    [4, 0, "10%", [0, 1]],
    [3, 2, 5, [2, 3]],
    [0, "25%", "25%", [0, 0]],
  ];
  for (const [replicas, surge, unavailable, wanted] of rows) {
    const object = deployment({ replicas, ...rolling(surge, unavailable) });
    assert.deepEqual([maxSurge(object), maxUnavailable(object)], wanted);
  }
});

test("old sets shrink first by what is broken, then by what availability allows", () => {
  const object = deployment({ replicas: 10, ...rolling(3, 2) });
  const rows: [what: string, current: ReplicaSet, old: ReplicaSet[], wanted: Record<string, number>][] = [
    [
      "at the start",
      replicaSet("new", { replicas: 3, available: 0 }),
      [replicaSet("old", { replicas: 10 })],
      { old: 8 },
    ],
    ["surge is up", replicaSet("new", { replicas: 5, available: 5 }), [replicaSet("old", { replicas: 8 })], { old: 3 }],
    ["nothing spare", replicaSet("new", { replicas: 5, available: 0 }), [replicaSet("old", { replicas: 8 })], {}],
    [
      "broken pods go first, from the oldest",
      replicaSet("new", { replicas: 1, available: 1 }),
      [replicaSet("a", { replicas: 4, available: 1, revision: 1 }), replicaSet("b", { replicas: 8, revision: 2 })],
      { a: 0, b: 7 },
    ],
  ];
  for (const [what, current, old, wanted] of rows) {
    assert.deepEqual(Object.fromEntries(shrunkSizes(object, current, old)), wanted, what);
  }
});

test("a change of size in the middle of a rollout is shared in proportion", () => {
  const object = deployment({ replicas: 20, ...rolling(3, 2) });
  const current = replicaSet("new", { image: "app:2", replicas: 5, available: 2, revision: 2 });
  const old = replicaSet("old", { replicas: 8 });
  assert.deepEqual(Object.fromEntries(scaledSizes(object, current, [old])), { old: 14, new: 9 });
  const alone = replicaSet("new", { replicas: 10 });
  assert.deepEqual(Object.fromEntries(scaledSizes(object, alone, [])), { new: 20 });
});

test("revisions are counted as the 64-bit numbers they are", () => {
  const old = replicaSet("old", { replicas: 0 });
  const annotations = { "deployment.kubernetes.io/revision": "3546343826724305832" };
  const numbered = { ...old, metadata: { ...old.metadata, annotations } };
  assert.equal(nextRevision([replicaSet("first", { replicas: 0, revision: 1 }), numbered]), 3546343826724305833n);
});

test("a new template makes a set as large as the surge allows, and says so", () => {
  const object = deployment({ template: templateOf("app:2"), ...rolling(3, 2) });
  const steps = words(decide(object, [replicaSet("old", { replicas: 10 })]));
  assert.equal(steps[0], "create ReplicaSet");
  assert.match(steps[1]!, /^Scaled up replica set web-\w+ from 0 to 3$/);
  assert.deepEqual(steps.slice(2), ["updateStatus Deployment", "patch Deployment"]);
});

test("a name that another set has is counted as a collision", () => {
  const actions = decide(deployment(), [], replicaSet("web-other", { replicas: 0 }));
  assert.equal(actions.length, 1);
  const [action] = actions;
  assert.equal(action?.type === "updateStatus" && (action.object as Deployment).status?.collisionCount, 1);
});

test("Recreate ends the old pods before it starts new ones", () => {
  const object = deployment({ template: templateOf("app:2"), strategy: { type: "Recreate" } });
  const old = replicaSet("old", { replicas: 10 });
  assert.deepEqual(words(decide(object, [old])), [
    "patch ReplicaSet old to 0",
    "Scaled down replica set old from 10 to 0",
  ]);
  const stopping = { ...old, spec: { ...old.spec!, replicas: 0 } };
  assert.deepEqual(words(decide(object, [stopping])), ["updateStatus Deployment"]);
  const stopped = { ...stopping, status: { replicas: 0 } };
  assert.equal(words(decide(object, [stopped]))[0], "create ReplicaSet");
});

test("a rollout that makes no progress in time is said to have failed, and the deadline is waited for", () => {
  const conditions = (secondsAgo: number) => [
    {
      type: "Progressing",
      status: "True",
      reason: "ReplicaSetUpdated",
      lastUpdateTime: new Date(now - secondsAgo * 1000).toISOString(),
    },
  ];
  const set = replicaSet("web-1", { replicas: 10, available: 9 });
  const status = { replicas: 10, updatedReplicas: 10, readyReplicas: 9, availableReplicas: 9 };
  const observe = (secondsAgo: number) =>
    decideDeployment(
      {
        deployment: deployment(rolling(3, 2), { ...status, conditions: conditions(secondsAgo) }),
        claim: { owned: [set], changes: [] },
        podsOf: new Map(),
        namesake: undefined,
      },
      now,
    );
  const early = observe(100);
  assert.equal(early.requeueAfterMs, 501_000);
  const [action] = observe(700).actions.slice(-1);
  const after = action?.type === "updateStatus" ? (action.object as Deployment).status : undefined;
  const progress = after?.conditions?.find(({ type }) => type === "Progressing");
  assert.deepEqual([progress?.status, progress?.reason], ["False", "ProgressDeadlineExceeded"]);
});

test("old sets beyond the history limit are deleted once all is done", () => {
  const object = deployment({ revisionHistoryLimit: 1 });
  object.metadata.annotations!["deployment.kubernetes.io/revision"] = "4";
  const old = [1, 2, 3].map((revision) =>
    replicaSet(`old-${revision}`, { image: `app:0${revision}`, replicas: 0, revision }),
  );
  const current = replicaSet("web-1", { replicas: 10, revision: 4 });
  const deleted = decide(object, [...old, current]).flatMap((action) =>
    action.type === "delete" ? [action.object.metadata.name] : [],
  );
  assert.deepEqual(deleted, ["old-1", "old-2"]);
});
