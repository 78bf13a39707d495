// npm test: unit tests, then the tests that start processes (one file at a time: the machine is theirs). Installs missing
// Debian packages first, after saying so. Arguments choose files: npm test -- test/store-crash.test.ts
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { canInstallPackages, installCommand, installPackages, missingRequirements } from "../src/host/packages.ts";

const root = join(import.meta.dirname, "..");
const chosen = process.argv.slice(2);

if (chosen.length === 0 || chosen.some((file) => file.startsWith("test/"))) {
  const missing = missingRequirements();
  if (missing.length > 0) {
    if (!canInstallPackages()) {
      console.error(`The tests run real containers and need root and these packages:\n  ${installCommand(missing)}`);
      process.exit(1);
    }
    console.log(`installing Debian packages: ${missing.map((r) => r.package).join(", ")} …`);
    await installPackages(missing);
  }
}

function runTests(title: string, files: string[], flags: string[]): boolean {
  console.log(`\n── ${title}`);
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--max-semi-space-size=2",
    "--test",
    "--test-reporter=spec",
    ...flags,
    ...files,
  ];
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status === 0;
}

const perProcess = ["--test-concurrency=1", "--test-timeout=900000"];
const passed =
  chosen.length > 0
    ? [runTests("chosen tests", chosen, perProcess)]
    : [
        runTests("unit tests", ["src/**/*.test.ts"], []),
        runTests("API and container tests", ["test/**/*.test.ts"], perProcess),
      ];
process.exit(passed.every(Boolean) ? 0 : 1);
