// Match conditions: CEL expressions that spare a webhook requests that it need not see.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go.
import { compilePolicy, type CompiledPolicy } from "../../../kinds/admissionregistration/expressions.ts";
import { forbidden } from "../../../machinery/errors.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { Evaluation, Subject } from "../policy/evaluation.ts";
import type { Candidate, Hook } from "./hooks.ts";
import type { HookType } from "./review.ts";
import type { Seen } from "./selection.ts";

interface Asked {
  readonly candidate: Candidate;
  readonly request: AdmissionRequest;
  /** In the version that the webhook asks for. */
  readonly seen: Seen;
  readonly type: HookType;
}

const compiled = new WeakMap<Hook, CompiledPolicy>();

/** True when all hold. An error is the failure policy's business, unless another condition is false. Throws Forbidden. */
export function conditionsHold({ candidate, request, seen, type }: Asked, world: AdmissionWorld): boolean {
  const { hook, kind } = candidate;
  const { matchConditions, failurePolicy } = hook.webhook;
  if (!matchConditions?.length) return true;
  let policy = compiled.get(hook);
  if (!policy) compiled.set(hook, (policy = compilePolicy({ matchConditions })));
  try {
    const evaluation = new Evaluation(policy, new Subject(seen, request, kind, type, world), null);
    return evaluation.conditionsHold(policy.matchConditions);
  } catch (error) {
    if (failurePolicy === "Ignore") return false;
    const { group, plural } = request.kind;
    throw forbidden({ group, resource: plural }, request.name, (error as Error).message);
  }
}
