// What a conversion webhook may answer.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { KubeObject } from "../../machinery/object.ts";
import { checkedAnswer } from "./conversion.ts";

const boat = (apiVersion: string, metadata: object = {}): KubeObject => ({
  apiVersion,
  kind: "Boat",
  metadata: { name: "b", uid: "u", resourceVersion: "7", creationTimestamp: "2024-01-01T00:00:00Z", ...metadata },
});

const answer = (convertedObjects: KubeObject[], more: object = {}) => ({
  response: { uid: "1", result: { status: "Success" }, convertedObjects, ...more },
});

const check = (given: Parameters<typeof checkedAnswer>[0]) => checkedAnswer(given, "1", [boat("g/v1")], "g/v2");

test("labels and annotations may change, all other metadata stays", () => {
  const [converted] = check(answer([boat("g/v2", { labels: { a: "b" }, resourceVersion: "8", finalizers: ["x/y"] })]));
  assert.deepEqual(converted, boat("g/v2", { labels: { a: "b" } }));
});

test("answers that break the rules are refused", () => {
  const rows: [Parameters<typeof checkedAnswer>[0], RegExp][] = [
    [{}, /no response/],
    [answer([boat("g/v2")], { uid: "2" }), /response\.uid/],
    [answer([], { result: { status: "Failure", message: "no way" } }), /no way/],
    [answer([]), /expected 1 converted objects, got 0/],
    [answer([boat("g/v3")]), /has the version g\/v3/],
    [answer([boat("g/v2", { name: "c" })]), /another one/],
    [answer([boat("g/v2", { uid: "w" })]), /another one/],
  ];
  for (const [given, message] of rows) assert.throws(() => check(given), message);
});
