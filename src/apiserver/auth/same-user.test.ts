// Equal users are one object, and not too many of them are kept.
import { test } from "node:test";
import assert from "node:assert/strict";
import { sameUser } from "./same-user.ts";

const user = (name: string) => ({ name, groups: ["a", "b"], extra: { key: ["value"] } });

test("equal users are one object; who differs in anything is another", () => {
  const jane = sameUser(user("jane"));
  assert.equal(sameUser(user("jane")), jane);
  assert.notEqual(sameUser({ ...user("jane"), groups: ["a"] }), jane);
  assert.notEqual(sameUser({ ...user("jane"), extra: { key: ["other"] } }), jane);
});

test("of very many users the oldest is forgotten, and found equal again", () => {
  const jane = sameUser(user("jane"));
  for (let n = 0; n < 1000; n++) sameUser(user(`user-${n}`));
  const again = sameUser(user("jane"));
  assert.notEqual(again, jane);
  assert.deepEqual(again, jane);
});
