import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodTemplateSpec } from "../../kinds/generated/core.v1.ts";
import type { ControllerRevision } from "../../kinds/index.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { findRevision } from "./revisions.ts";

const owner = { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: "d", namespace: "default", uid: "u" } };
const template = (image: string): PodTemplateSpec => ({
  spec: { terminationGracePeriodSeconds: 30, containers: [{ name: "c", image }] },
  metadata: { labels: { b: "2", a: "1" } },
});
const search = (image: string, revisions: readonly ControllerRevision[] = []) =>
  findRevision({
    owner: owner as KubeObject,
    template: template(image),
    revisions,
    collisionCount: undefined,
    countCollision: () => [],
  });

test("a revision holds its template as a patch with sorted keys, and is found by it", () => {
  const [action] = search("x").changes;
  assert.ok(action?.type === "create");
  const made = action.object as ControllerRevision;
  assert.equal(
    JSON.stringify(made.data),
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"1","b":"2"}},' +
      '"spec":{"containers":[{"image":"x","name":"c"}],"terminationGracePeriodSeconds":30}}}}',
  );
  assert.deepEqual(search("x", [made]), { revision: made, changes: [] });
  const [next] = search("y", [made]).changes;
  assert.ok(next?.type === "create");
  assert.equal((next.object as ControllerRevision).revision, 2);
});
