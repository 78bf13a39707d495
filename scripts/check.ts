// npm run check: format, lint, types, unused code, imports and unit tests. Prints one line per step; stops at the first failure.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules/.bin", name);
const steps: [string, string, string[]][] = [
  ["format", bin("oxfmt"), ["--check", "src", "test", "scripts", "bench"]],
  ["lint", bin("oxlint"), ["--deny-warnings", "src", "test", "scripts", "bench"]],
  ["types", bin("tsc"), ["-p", "."]],
  ["unused", bin("knip"), ["--no-progress"]],
  [
    "unit tests",
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--test", "--test-reporter=dot", "src/**/*.test.ts"],
  ],
];
for (const [name, command, args] of steps) {
  const started = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = (Number(process.hrtime.bigint() - started) / 1e9).toFixed(1);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (status !== 0) {
    console.log(`${stdout}${stderr}`);
    process.exit(1);
  }
}
