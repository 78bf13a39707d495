// Completion indexes of Jobs: their text form (`0-2,5`), and which pod works on which.
// Follows kubernetes v1.36 pkg/controller/job/indexed_job_utils.go.
import type { Pod } from "../../kinds/index.ts";

export const indexAnnotation = "batch.kubernetes.io/job-completion-index";

/** `0-2,5` → 0, 1, 2, 5; indexes from `completions` on are left out. */
export function parseIndexes(text: string | undefined, completions: number): Set<number> {
  const found = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const [first, last = first] = part.split("-");
    if (!first) continue;
    for (let index = Number(first); index <= Math.min(Number(last), completions - 1); index++) found.add(index);
  }
  return found;
}

/** 0, 1, 2, 5 → `0-2,5`. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...indexes].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i]!;
    while (sorted[i + 1] === sorted[i]! + 1) i++;
    const last = sorted[i]!;
    parts.push(first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`);
  }
  return parts.join(",");
}

/** Undefined when the pod carries none. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
