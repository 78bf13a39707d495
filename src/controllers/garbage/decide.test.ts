// The garbage collector's decisions, one row per situation.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../../machinery/object.ts";
import { meta } from "../testing.ts";
import { decideGarbage, type OwnerState } from "./decide.ts";

const thing = (name: string, more: Partial<KubeObject["metadata"]> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: meta(name, more),
});

const reference = (name: string, blockOwnerDeletion = true) => ({
  apiVersion: "v1",
  kind: "Thing",
  name,
  uid: `uid-${name}`,
  blockOwnerDeletion,
});

const owned = thing("child", { ownerReferences: [reference("a"), reference("b")] });
const going = { deletionTimestamp: "2026-01-01T11:00:00Z" };

test("an object goes when its last owner does", () => {
  const rows: [owners: OwnerState[], dependents: KubeObject[], wanted: string][] = [
    [["solid", "solid"], [], ""],
    [["solid", "absent"], [], "setOwners a"],
    [["solid", "waiting"], [], "setOwners a"],
    [["absent", "absent"], [], "delete Background"],
    [["absent", "waiting"], [], "delete Background"],
    [["waiting", "absent"], [thing("grandchild")], "delete Foreground"],
  ];
  for (const [owners, dependents, wanted] of rows) {
    const steps = decideGarbage({ object: owned, owners, dependents }).map((step) => {
      if (step.type === "delete") return `delete ${step.policy}`;
      return step.type === "setOwners" ? `setOwners ${step.owners.map(({ name }) => name).join()}` : step.type;
    });
    assert.equal(steps.join(), wanted);
  }
});

test("a foreground deletion waits for those that block it, and only for those", () => {
  const owner = thing("a", { ...going, finalizers: ["foregroundDeletion"] });
  const decide = (blocking: boolean) => {
    const dependents = [thing("child", { ownerReferences: [reference("a", blocking)] })];
    return decideGarbage({ object: owner, owners: [], dependents }).map(({ type }) => type);
  };
  assert.deepEqual(decide(true), ["wakeDependents"]);
  assert.deepEqual(decide(false), ["removeFinalizer"]);
});

test("an orphaning deletion lets the dependents go first", () => {
  const owner = thing("a", { ...going, finalizers: ["orphan"] });
  const steps = decideGarbage({ object: owner, owners: [], dependents: [owned] });
  assert.deepEqual(
    steps.map(({ type }) => type),
    ["releaseDependents", "removeFinalizer"],
  );
});

test("two objects that block each other are parted", () => {
  const dependents = [thing("child", { ...going, finalizers: ["foregroundDeletion"] })];
  const steps = decideGarbage({ object: owned, owners: ["waiting", "waiting"], dependents });
  assert.deepEqual(
    steps.map(({ type }) => type),
    ["setOwners", "delete"],
  );
});

test("what is being deleted already is left alone", () => {
  const object = thing("child", { ...going, ownerReferences: [reference("a")] });
  assert.deepEqual(decideGarbage({ object, owners: ["absent"], dependents: [] }), []);
});
