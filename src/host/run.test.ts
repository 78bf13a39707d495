import assert from "node:assert/strict";
import { test } from "node:test";
import { run, runOrThrow } from "./run.ts";

test("a command's output, errors and exit code come back", async () => {
  const result = await run("sh", ["-c", "cat; echo problem >&2; exit 3"], { input: "hello" });
  assert.deepEqual(result, { code: 3, stdout: "hello", stderr: "problem\n" });
});

test("large input and output pass whole", async () => {
  const input = "x".repeat(3_000_000);
  assert.equal((await run("cat", [], { input })).stdout.length, input.length);
});

test("a missing command is a system error, a failing one a CommandError that says why", async () => {
  await assert.rejects(run("no-such-command-here"), { code: "ENOENT" });
  await assert.rejects(runOrThrow("sh", ["-c", "echo bad luck >&2; exit 1"]), /bad luck/);
});

test("a command that takes too long is killed", async () => {
  assert.equal((await run("sleep", ["60"], { timeoutMs: 20 })).code, 137);
});

test("environment and working directory are those asked for", async () => {
  const { stdout } = await run("sh", ["-c", "pwd; echo $GREETING"], {
    cwd: "/",
    env: { GREETING: "hi", PATH: process.env.PATH },
  });
  assert.equal(stdout, "/\nhi\n");
});

test("many commands at once all end", async () => {
  const results = await Promise.all(Array.from({ length: 50 }, (_, i) => run("echo", [String(i)])));
  assert.deepEqual(
    results.map(({ stdout }) => Number(stdout)),
    Array.from({ length: 50 }, (_, i) => i),
  );
});
