import assert from "node:assert/strict";
import { test } from "node:test";
import { planRotation } from "./certs.ts";
import { formatTable } from "./table.ts";

test("certificates change in one step, CAs in two, and revoking a certificate is rotating its CA", () => {
  const plan = (names: string[], flags = {}) => planRotation({ names, ...flags });
  assert.deepEqual(plan([], { all: true }), {
    names: ["serving", "admin", "front-proxy-client"],
    steps: ["rotate"],
  });
  assert.deepEqual(plan(["ca"]), { names: ["ca"], steps: ["rotate"] });
  assert.deepEqual(plan(["ca"], { finish: true }), { names: ["ca"], steps: ["finish"] });
  assert.deepEqual(plan(["serving", "admin"], { revoke: true }), { names: ["ca"], steps: ["rotate", "finish"] });
  assert.deepEqual(plan(["front-proxy-client"], { revoke: true }).names, ["front-proxy-ca"]);
});

test("what does not go together is refused", () => {
  for (const [flags, why] of [
    [{ names: [] }, /say what to rotate/],
    [{ names: ["kubelet"] }, /there is no "kubelet"/],
    [{ names: ["ca"], all: true }, /say no names/],
    [{ names: ["ca"], finish: true, revoke: true }, /finishes by itself/],
    [{ names: ["admin"], caCert: "c", caKey: "k" }, /go with `knarr certs rotate ca`/],
    [{ names: ["ca"], finish: true, caCert: "c", caKey: "k" }, /go with `knarr certs rotate ca`/],
  ] as const) {
    assert.throws(() => planRotation(flags), why);
  }
});

test("columns are as wide as their widest cell", () => {
  assert.equal(
    formatTable(
      [
        ["A", "B"],
        ["long", ""],
        ["", "x"],
      ],
      1,
    ),
    "A    B\nlong\n     x",
  );
});
