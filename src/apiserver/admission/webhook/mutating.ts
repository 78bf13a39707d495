// MutatingAdmissionWebhook: others may change a request, one after the other; once more when their basis has changed.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/mutating (dispatcher.go, reinvocationcontext.go).
import type { AnyKind } from "../../../kinds/registry.ts";
import { decodeObject } from "../../../kinds/schema.ts";
import { apiVersionOf } from "../../../kinds/kind.ts";
import { deepEqual } from "../../../machinery/equal.ts";
import { internalError, statusError } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { applyJsonPatch } from "../../../machinery/patch/json-patch.ts";
import { cloneJson } from "../../core/entries.ts";
import { roundsOf, type AdmissionPlugin, type AdmissionRequest, type AdmissionWorld } from "../chain.ts";
import { ask, converted, failedCall, seenIn } from "./ask.ts";
import { conditionsHold, conditionsMayHold } from "./conditions.ts";
import type { Candidate, Hook } from "./hooks.ts";
import { restoredObject, shownObject, type Verdict } from "./review.ts";
import { selects } from "./selection.ts";

const name = "MutatingAdmissionWebhook";
const type = "admit";
/** All webhooks of a request together, as long as upstream lets a request take. */
const requestMs = 34_000;

/** What the second round must know of the first. */
interface Kept {
  readonly deadline: number;
  /** Hooks that want to be asked again when something changes after them. */
  readonly again: Set<Hook>;
  /** Those of them after which something has changed. */
  readonly due: Set<Hook>;
  /** The object as the first round left it. */
  output: KubeObject;
}

export const mutatingWebhooks: AdmissionPlugin = {
  name,
  operations: ["CREATE", "UPDATE", "DELETE", "CONNECT"],
  subresources: "all",
  mutate(request, world) {
    const candidates = world.webhooks.mutating.matching(request);
    if (candidates.length === 0) return undefined;
    const kept = request.rounds?.current === 1 ? (request.rounds.kept.get(name) as Kept | undefined) : undefined;
    if (request.rounds?.current === 1) {
      if (!kept) return undefined;
      if (!deepEqual(kept.output, request.object)) moveAll(kept);
      return kept.due.size > 0 ? askInTurn(candidates, 0, kept, request, world) : undefined;
    }
    const seen = { object: shownObject(request, type), old: request.old };
    const first = candidates.findIndex(
      (candidate) =>
        selects(candidate.hook, seen, request, world.store) &&
        (candidate.kind !== request.kind || conditionsMayHold({ candidate, request, seen, type }, world)),
    );
    if (first < 0) return undefined;
    const deadline = world.clock.now() + requestMs;
    const begun: Kept = { deadline, again: new Set(), due: new Set(), output: request.object };
    return askInTurn(candidates, first, begun, request, world);
  },
};

function moveAll({ again, due }: Kept): void {
  for (const hook of again) due.add(hook);
  again.clear();
}

async function askInTurn(
  candidates: readonly Candidate[],
  first: number,
  kept: Kept,
  request: AdmissionRequest,
  world: AdmissionWorld,
): Promise<void> {
  const rounds = roundsOf(request);
  const original = { object: shownObject(request, type), old: request.old };
  /** The object as the webhooks have made it so far, in the version that the last of them asked for. */
  let current = original.object;
  let version = request.kind;
  for (let i = first; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const { hook, kind } = candidate;
    if (!selects(hook, { object: current, old: request.old }, request, world.store)) continue;
    if (rounds.current === 1 && !kept.due.has(hook)) continue;
    if (current && !request.objectKind) current = await converted(current, version, kind);
    version = kind;
    const { old } = await seenIn({ object: undefined, old: original.old }, request, kind);
    const leftMs = kept.deadline - world.clock.now();
    const position = `round_${rounds.current}_index_${i}`;
    const question = { candidate, request, seen: { object: current, old }, type, leftMs, position } as const;
    if (!(await conditionsHold(question, world))) continue;
    if (leftMs <= 0) throw statusError("Timeout", "Timeout: request did not complete within requested timeout");
    const before = current;
    await ask(question, world, (verdict) => {
      current = mutated(verdict, candidate, before, request);
    });
    const changed = current !== before && !deepEqual(current, before);
    note(request, candidate, position, changed);
    if (changed) {
      moveAll(kept);
      rounds.another = true;
    }
    if (hook.webhook.reinvocationPolicy === "IfNeeded") kept.again.add(hook);
  }
  if (current && current !== original.object) {
    const object = request.objectKind ? current : await converted(current, version, request.kind);
    request.object = restoredObject(request, object);
  }
  if (rounds.current === 0 && (kept.again.size > 0 || kept.due.size > 0)) {
    kept.output = cloneJson(request.object);
    rounds.kept.set(name, kept);
  }
}

function note(request: AdmissionRequest, { hook }: Candidate, position: string, changed: boolean): void {
  const { configuration, webhook } = hook;
  const value = JSON.stringify({ configuration, webhook: webhook.name, mutated: changed });
  request.auditAnnotations?.set(`mutation.webhook.admission.k8s.io/${position}`, value);
}

/** The object with the webhook's patch in it, decoded and with its defaults: a private copy. Throws InternalError. */
function mutated(
  { patch, patchType }: Verdict,
  { hook, kind }: Candidate,
  object: KubeObject | undefined,
  request: AdmissionRequest,
): KubeObject | undefined {
  if (patch === undefined || (Array.isArray(patch) && patch.length === 0)) return object;
  const { name: hookName } = hook.webhook;
  if (!object) {
    const text = `admission webhook ${JSON.stringify(hookName)} attempted to modify the object, which is not supported for this operation`;
    throw internalError(text);
  }
  if (patchType !== "JSONPatch") throw failedCall(hookName, `unsupported patch type ${JSON.stringify(patchType)}`);
  let next: unknown;
  try {
    next = cloneJson(applyJsonPatch(object, patch));
  } catch (error) {
    const { message, status } = error as Error & { status?: { details?: { causes?: { message?: string }[] } } };
    throw internalError(status?.details?.causes?.[0]?.message ?? message);
  }
  return decoded(next, request.objectKind ?? kind, request.objectKind ? undefined : kind);
}

/** What a mutation made of an object, checked by its type and with its defaults. Throws InternalError. */
export function decoded(
  value: unknown,
  type: Pick<AnyKind, "group" | "version" | "kind" | "schema">,
  kind: AnyKind | undefined,
): KubeObject {
  const { object, errors } = kind?.custom
    ? kind.custom.decode(value)
    : type.schema
      ? decodeObject(value, type.schema, { unknown: "ignore" })
      : { object: value, errors: [] };
  if (errors.length > 0) throw internalError(errors.join(", "));
  const next = object as KubeObject;
  if (next.apiVersion !== apiVersionOf(type) || next.kind !== type.kind) {
    throw internalError(`${next.apiVersion}, Kind=${next.kind} is not what was to be changed`);
  }
  if (kind) {
    next.metadata ??= {} as KubeObject["metadata"];
    kind.defaults?.(next);
  }
  return next;
}
