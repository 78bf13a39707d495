import { test } from "node:test";
import assert from "node:assert/strict";
import { staticTokens } from "./static-tokens.ts";

test("rows may have groups in quotes, and no more than they need", async () => {
  const tokens = staticTokens('a,alice,1,"x,y ""z"""\n\nb,bob,\r\nc, carol , 3 ,single\n', ["api"]);
  const user = async (token: string) => (await tokens.authenticateToken(token))?.user;
  assert.deepEqual(await user("a"), { name: "alice", uid: "1", groups: ["x", 'y "z"'] });
  assert.deepEqual(await user("b"), { name: "bob", groups: [] });
  assert.deepEqual(await user("c"), { name: "carol", uid: "3", groups: ["single"] });
  assert.equal(await user("d"), undefined);
});

test("a bad row is named by its line and never shown", () => {
  const rows: [string, RegExp][] = [
    ["secret-a,alice,1\nsecret-b,bob", /^Error: line 2: 2 columns/],
    ["secret-a,,1", /^Error: line 1: the token or the user name is empty/],
    ['secret-a,alice,1,"x', /^Error: line 1: quotes do not match/],
  ];
  for (const [text, expected] of rows) {
    assert.throws(
      () => staticTokens(text, []),
      (error) => expected.test(String(error)) && !String(error).includes("secret"),
    );
  }
});
