// What tests of kinds share: objects as the server would make them, and the paths that validation complains about.
import type { KubeObject, ObjectMeta } from "../machinery/object.ts";
import { apiVersionOf } from "./kind.ts";
import type { AnyKind } from "./registry.ts";

// oxlint-disable-next-line typescript/no-explicit-any
type Body = Record<string, any>;

/** A new object of a kind, with defaults, ready for validation. */
export function made<T extends KubeObject>(kind: AnyKind, body: Body, metadata: Partial<ObjectMeta> = {}): T {
  const draft = {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    ...structuredClone(body),
    metadata: {
      name: "x",
      ...(kind.namespaced ? { namespace: "default" } : {}),
      uid: "uid-1",
      resourceVersion: "",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...metadata,
    },
  };
  kind.defaults?.(draft);
  kind.prepareForCreate?.(draft);
  return draft as unknown as T;
}

/** Paths of the complaints about a new object. */
export const faults = (kind: AnyKind, body: Body, metadata: Partial<ObjectMeta> = {}): string[] =>
  (kind.validate?.(made(kind, body, metadata)) ?? []).map(({ field }) => field);

/** Complaints about a change, as texts. */
export const changeFaults = (kind: AnyKind, old: KubeObject, next: KubeObject): string[] =>
  (kind.validateUpdate?.(next, old) ?? []).map(({ field, message }) => `${field}: ${message}`);

/** What `kubectl get -o wide` shows of an object. */
export const cells = (kind: AnyKind, object: KubeObject, now = "2026-01-01T00:10:00Z"): Record<string, unknown> =>
  Object.fromEntries((kind.columns ?? []).map(({ name, value }) => [name, value(object, Date.parse(now))]));

/** A copy with the value at a path such as `spec.rules.0.host` replaced; undefined removes. */
export function changed<T>(body: T, path: string, value: unknown): T {
  const copy = structuredClone(body);
  const steps = path.split(".");
  const last = steps.pop()!;
  let node = copy as Body;
  for (const step of steps) node = node[step] ??= {};
  if (value === undefined) delete node[last];
  else node[last] = value;
  return copy;
}
