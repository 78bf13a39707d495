// Holds the import directions of docs/architecture.md: a room may import itself and the rooms in its row, nothing else.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { test } from "node:test";

const src = import.meta.dirname;

const allowed: Record<string, readonly string[]> = {
  machinery: [],
  kinds: ["machinery"],
  store: ["machinery"],
  host: ["machinery"],
  client: ["machinery", "kinds"],
  apiserver: ["machinery", "kinds", "store", "client"],
  controllers: ["machinery", "kinds", "client"],
  scheduler: ["machinery", "kinds", "client"],
  kubelet: ["machinery", "kinds", "client", "host"],
  network: ["machinery", "kinds", "client", "host"],
};

/** Tests may put rooms together to show that they fit. */
const isTest = (file: string) => /\.test\.ts$|[/]testing[^/]*\.ts$/.test(file);

test("imports go one way between the rooms", () => {
  const wrong: string[] = [];
  for (const file of globSync("**/*.ts", { cwd: src })) {
    const room = file.split(sep)[0]!;
    const permitted = allowed[room];
    if (permitted === undefined || isTest(file)) continue;
    for (const [, target] of readFileSync(join(src, file), "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const to = relative(src, join(src, dirname(file), target!)).split(sep)[0]!;
      if (to !== room && !permitted.includes(to)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every room has a row, and only cluster.ts and cli/ know them all", () => {
  const rooms = new Set(globSync("*/", { cwd: src }).map((name) => name.replace(/\/$/, "")));
  assert.deepEqual([...rooms].filter((room) => !allowed[room] && room !== "cli").toSorted(), []);
});

test("the paths that the documents name exist", () => {
  const root = join(src, "..");
  const missing: string[] = [];
  for (const document of [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/compatibility.md",
    "docs/conformance.md",
    "examples/README.md",
  ]) {
    for (const [, path] of readFileSync(join(root, document), "utf8").matchAll(
      /`((?:src|test|docs|examples|scripts)\/[\w./-]+)`/g,
    )) {
      if (!existsSync(join(root, path!))) missing.push(`${document}: ${path}`);
    }
  }
  assert.deepEqual(missing, []);
});

test("the tests that docs/conformance.md names exist", () => {
  const root = join(src, "..");
  const rows = readFileSync(join(root, "docs/conformance.md"), "utf8").matchAll(/`([^`]+\.test\.ts)` \| (.+) \|$/gm);
  const missing: string[] = [];
  for (const [, file, title] of rows) {
    const titles = readFileSync(join(root, file!), "utf8").matchAll(/^\s*(?:test|withEach)\(\s*(["`])(.+?)\1/gm);
    const matches = ([, , own]: RegExpExecArray) =>
      new RegExp(
        `^${own!
          .split(/\$\{[^}]*\}/)
          .map(RegExp.escape)
          .join(".+")}$`,
      ).test(title!);
    if (!titles.some(matches)) missing.push(`${file}: ${title}`);
  }
  assert.deepEqual(missing, []);
});
