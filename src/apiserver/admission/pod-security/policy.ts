// What the labels of a namespace say about pods: a level and a version of the standards for each mode.
// Follows kubernetes v1.36 staging/src/k8s.io/pod-security-admission/api (helpers.go).
import type { FieldError } from "../../../machinery/errors.ts";
import { invalidValue, keyed } from "../../../machinery/field.ts";
import type { Level } from "./checks.ts";

const prefix = "pod-security.kubernetes.io";
const levels: readonly Level[] = ["privileged", "baseline", "restricted"];
const modes = ["enforce", "audit", "warn"] as const;

/** `text` is what messages call it: `restricted:latest`. */
export interface Standard {
  readonly level: Level;
  /** Minor version of Kubernetes 1; Infinity is the latest. */
  readonly minor: number;
  readonly text: string;
}

export type Policy = Readonly<Record<(typeof modes)[number], Standard>>;

const standard = (level: Level, version: string): Standard => ({
  level,
  minor: version === "latest" ? Infinity : Number(version.slice(3)),
  text: `${level}:${version}`,
});

/** How much stricter `a` is. */
export const compareLevels = (a: Level, b: Level): number => levels.indexOf(a) - levels.indexOf(b);

/** Undefined when no label is about pod security. Bad labels enforce the strictest level, but neither warn nor audit. */
export function policyOf(
  labels: Readonly<Record<string, string>> | undefined,
): { readonly policy: Policy; readonly errors: readonly FieldError[] } | undefined {
  if (!labels || !Object.keys(labels).some((key) => key.startsWith(`${prefix}/`))) return undefined;
  const errors: FieldError[] = [];
  const parse = (key: string, isGood: (value: string) => boolean, must: string) => {
    const value = labels[`${prefix}/${key}`];
    if (value === undefined) return undefined;
    if (isGood(value)) return value;
    errors.push(invalidValue(keyed("metadata.labels", `${prefix}/${key}`), value, must));
    return "";
  };
  const isLevel = (value: string) => (levels as readonly string[]).includes(value);
  const isVersion = (value: string) => value === "latest" || /^v1\.(0|[1-9]\d*)$/.test(value);
  const of = (mode: string, fallback: Standard | undefined) => {
    const level = parse(mode, isLevel, `must be one of ${levels.join(", ")}`);
    const version = parse(`${mode}-version`, isVersion, 'must be "latest" or "v1.x"');
    const otherwise = level === undefined && fallback ? fallback.text.slice(fallback.level.length + 1) : "latest";
    const failed = mode === "enforce" ? "restricted" : "privileged";
    const chosen = level === undefined ? (fallback?.level ?? "privileged") : ((level || failed) as Level);
    return standard(chosen, version || otherwise);
  };
  const enforce = of("enforce", undefined);
  // Who only enforces wants to hear of workloads whose pods will be refused.
  const isValid = errors.length === 0;
  return {
    policy: { enforce, audit: of("audit", undefined), warn: of("warn", isValid ? enforce : undefined) },
    errors,
  };
}
