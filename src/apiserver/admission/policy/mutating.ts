// MutatingAdmissionPolicy: expressions that change a request, by configurations to be merged or by JSON patches.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy/mutating (dispatcher.go, patch/*.go, reinvocationcontext.go).
import type { PolicySpec } from "../../../kinds/admissionregistration/expressions.ts";
import type { AnyKind } from "../../../kinds/registry.ts";
import { propertySchema, mergeTyped, type TypedSchema } from "../../../machinery/apply/typed.ts";
import { deepEqual } from "../../../machinery/equal.ts";
import type { StatusError } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { applyJsonPatch } from "../../../machinery/patch/json-patch.ts";
import { cloneJson } from "../../core/entries.ts";
import { applySchemaOf } from "../../core/managers.ts";
import { roundsOf, type AdmissionPlugin, type AdmissionRequest, type AdmissionWorld } from "../chain.ts";
import { decoded } from "../webhook/mutating.ts";
import { restoredObject, shownObject } from "../webhook/review.ts";
import { ask, settle, waited, type Steps } from "./ask.ts";
import { decideFor, fromVersion, RequestData, Subject, viewIn } from "./evaluation.ts";
import type { Question } from "./outcome.ts";
import { paramsOf } from "./params.ts";
import { matchedKind, policiesFor, type Candidate } from "./policies.ts";
import { refusal } from "./validating.ts";

const name = "MutatingAdmissionPolicy";

/** What the second round must know of the first. */
interface Kept {
  /** Names of policies that want to run again when something changes after them. */
  readonly again: Set<string>;
  /** Those of them after which something has changed. */
  readonly due: Set<string>;
  /** The object as the first round left it. */
  output: KubeObject;
}

export const mutatingPolicies: AdmissionPlugin = {
  name,
  operations: ["CREATE", "UPDATE", "CONNECT"],
  subresources: "all",
  mutate(request, world) {
    const candidates = policiesFor("mutating", request, world);
    return candidates.length > 0 ? settle(mutateBy(candidates, request, world)) : undefined;
  },
};

function* mutateBy(candidates: readonly Candidate[], request: AdmissionRequest, world: AdmissionWorld): Steps<void> {
  const second = request.rounds?.current === 1;
  const before = second ? (request.rounds!.kept.get(name) as Kept | undefined) : undefined;
  if (second && !before) return;
  const kept = before ?? { again: new Set(), due: new Set(), output: request.object };
  if (before && !deepEqual(before.output, request.object)) moveAll(kept);
  for (const candidate of candidates) {
    if (second && !kept.due.has(candidate.name)) continue;
    yield* run(candidate, kept, request, world);
  }
  if (!second && kept.again.size + kept.due.size > 0) {
    kept.output = cloneJson(request.object);
    roundsOf(request).kept.set(name, kept);
  }
}

function moveAll({ again, due }: Kept): void {
  for (const policy of again) due.add(policy);
  again.clear();
}

function* run(candidate: Candidate, kept: Kept, request: AdmissionRequest, world: AdmissionWorld): Steps<void> {
  const { policy } = candidate;
  const strict = policy.spec?.failurePolicy !== "Ignore";
  const seen = () => ({ object: shownObject(request, "admit"), old: request.old });
  const refuse = (error: unknown, binding?: string) => {
    const by = binding === undefined ? "" : ` with binding '${binding}'`;
    const message = `policy '${candidate.name}'${by} denied request: ${(error as Error).message}`;
    if (strict) throw refusal(request, message, "Invalid");
  };
  let kind: AnyKind | undefined;
  try {
    kind = matchedKind(candidate.matcher, seen(), request, world);
  } catch (error) {
    refuse(error);
  }
  if (!kind) return;
  for (const { binding, name: bindingName, matcher } of candidate.bindings) {
    try {
      if (!matchedKind(matcher, seen(), request, world)) continue;
      for (const params of paramsOf(policy, binding, request, world)) {
        if (!(yield* mutate(candidate, kind, params, request, world))) continue;
        moveAll(kept);
        roundsOf(request).another = true;
      }
    } catch (error) {
      refuse(error, bindingName);
    }
  }
  if (policy.spec && "reinvocationPolicy" in policy.spec && policy.spec.reinvocationPolicy === "IfNeeded") {
    kept.again.add(candidate.name);
  }
}

/** True when the request's object is another one now. Throws an Error that the failure policy decides on. */
function* mutate(
  candidate: Candidate,
  kind: AnyKind,
  params: KubeObject | null,
  request: AdmissionRequest,
  world: AdmissionWorld,
): Steps<boolean> {
  const original = { object: shownObject(request, "admit"), old: request.old };
  const start = viewIn(original, request, kind);
  if (!start.object) return false;
  let { object } = start;
  function* askAbout<T>(question: Question): Steps<T> {
    const data = new RequestData({ object, old: start.old }, request, kind, "admit", world);
    const outcome = yield* waited(ask<T>(question, candidate, new Subject(data, decideFor(request, world)), params));
    if ("error" in outcome) throw new Error(outcome.error);
    return outcome.value;
  }
  if (!(yield* askAbout<boolean>("conditions"))) return false;
  const { mutations = [] } = (candidate.policy.spec ?? {}) as PolicySpec;
  for (const [i, { patchType }] of mutations.entries()) {
    const value = yield* askAbout<unknown>({ mutation: i });
    const next: KubeObject = patchType === "JSONPatch" ? patched(object, value) : merged(object, value, request);
    if (next === object) continue;
    object = decoded(cloneJson(next), request.objectKind ?? kind, request.objectKind ? undefined : kind);
  }
  if (object === start.object || deepEqual(object, start.object)) return false;
  request.object = restoredObject(request, fromVersion(object, request, kind));
  return true;
}

/** The object with the operations applied; itself when a test among them fails. */
function patched(object: KubeObject, operations: unknown): KubeObject {
  const patch = operations as { readonly op?: string }[];
  try {
    return patch.length === 0 ? object : (applyJsonPatch(object, patch) as KubeObject);
  } catch (error) {
    const cause = (error as StatusError).status?.details?.causes?.[0]?.message;
    if (cause?.startsWith("testing value")) return object;
    throw new Error(`JSON Patch: ${cause ?? (error as Error).message}`, { cause: error });
  }
}

/** The object with a configuration merged into it as server-side apply merges. */
function merged(object: KubeObject, value: unknown, request: AdmissionRequest): KubeObject {
  const schema = request.objectKind ? ({ type: "deduced" } as const) : applySchemaOf(request.kind);
  const config = value as Record<string, unknown>;
  const { apiVersion, kind } = object;
  const atomic = atomicPart(config, schema, "");
  if (atomic !== undefined) {
    throw new Error(`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomic}`);
  }
  return mergeTyped(object, { ...config, apiVersion, kind }, schema) as KubeObject;
}

/** The path of a list or object that would have to be replaced as a whole. */
function atomicPart(value: unknown, schema: TypedSchema, path: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const isList = Array.isArray(value);
  if (schema.type === "leaf" || (isList && schema.type !== "set" && schema.type !== "listMap")) return path;
  if (schema.type === "set") return undefined;
  const parts: [string, unknown, TypedSchema][] = isList
    ? value.map((item) => [path, item, schema.type === "listMap" ? schema.items : schema])
    : Object.entries(value).map(([key, inner]) => [`${path}.${key}`, inner, propertySchema(schema, key)]);
  for (const [at, inner, part] of parts) {
    const found = atomicPart(inner, part, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
