// What a container said about its end: the file at its termination message path, or the last lines of its log.
// Follows kubernetes v1.36 pkg/kubelet/kuberuntime/kuberuntime_container.go (getTerminationMessage: limits).
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import type { AnyContainer, RuntimeContainer } from "./model.ts";
import { parseLogLine } from "../logs/format.ts";
import { terminationMessageFile } from "../volumes/mounts.ts";

const longestMessage = 4096;
const longestLogTail = 2048;
const mostLogLines = 80;

/** "" when there is none. */
export function readTerminationMessage(podDir: string, spec: AnyContainer, container: RuntimeContainer): string {
  const file = terminationMessageFile(podDir, spec.name, container.restartCount);
  const said = spec.terminationMessagePath === "" ? "" : readEnd(file, longestMessage);
  if (said || spec.terminationMessagePolicy !== "FallbackToLogsOnError" || container.exitCode === 0) return said;
  const lines = readEnd(container.logPath, 2 * longestMessage)
    .split("\n")
    .filter(Boolean)
    .slice(-mostLogLines);
  const text = lines.map((line) => parseLogLine(line)?.text ?? "").join("");
  return text.slice(-longestLogTail);
}

function readEnd(file: string, limit: number): string {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    const { size } = fstatSync(fd);
    if (size <= limit) return readFileSync(fd, "utf8");
    const bytes = Buffer.alloc(limit);
    const count = readSync(fd, bytes, 0, limit, size - limit);
    return bytes.toString("utf8", 0, count);
  } catch {
    return "";
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
