// What a line of the log shows of errors and of text from elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, type LogFormat } from "./logger.ts";

function written(format: LogFormat, fields: object): string {
  let text = "";
  const logger = createLogger({ level: "info", format, write: (line) => (text += line) });
  logger.child({ component: "part" }).warn(fields, "it went wrong");
  return text;
}

const wrong = Object.assign(new Error("outer", { cause: new Error("inner") }), {
  headers: { authorization: "hidden" },
});

test("errors tell message, place and cause, and nothing that hangs on them", () => {
  const { error, component } = JSON.parse(written("json", { error: wrong })) as {
    error: { message: string; stack: string };
    component: string;
  };
  assert.deepEqual([component, error.message, Object.keys(error)], ["part", "outer", ["message", "stack"]]);
  for (const text of [error.stack, written("pretty", { error: wrong })]) {
    assert.match(text, /Error: outer\n {4}at .*logger\.test\.ts.*\ncaused by Error: inner\n/s);
    assert.doesNotMatch(text, /hidden/);
  }
  assert.match(written("pretty", { error: "in words" }), /part: it went wrong error=in words\n$/);
});

test("text from elsewhere gives no commands to a terminal", () => {
  const text = written("pretty", { path: "/\u001B[31m", error: new Error("\u001B[31m"), plain: "a b" });
  assert.ok(!text.includes("\u001B"));
  assert.match(text, /plain=a b/);
});
