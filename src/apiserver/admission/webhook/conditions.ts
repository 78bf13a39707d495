// Match conditions: CEL expressions that spare a webhook requests that it need not see.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go.
import { compilePolicy, type CompiledPolicy } from "../../../kinds/admissionregistration/expressions.ts";
import { forbidden } from "../../../machinery/errors.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { ask, askQuickly } from "../policy/ask.ts";
import { decideFor, RequestData, Subject } from "../policy/evaluation.ts";
import type { Outcome } from "../policy/outcome.ts";
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

function prepared({ candidate, request, seen, type }: Asked, world: AdmissionWorld) {
  const { hook, kind } = candidate;
  const { matchConditions } = hook.webhook;
  let known = compiled.get(hook);
  if (!known) compiled.set(hook, (known = compilePolicy({ matchConditions: matchConditions ?? [] })));
  const policy = { spec: { matchConditions: matchConditions ?? [] } };
  const subject = new Subject(new RequestData(seen, request, kind, type, world), decideFor(request, world));
  return { asked: { policy, compiled: known }, subject };
}

const isUnconditional = ({ candidate }: Asked): boolean => !candidate.hook.webhook.matchConditions?.length;

/** An error is the failure policy's business, unless another condition is false. */
function decided({ candidate, request }: Asked, outcome: Outcome<boolean>): boolean {
  if ("value" in outcome) return outcome.value;
  if (candidate.hook.webhook.failurePolicy === "Ignore") return false;
  const { group, plural } = request.kind;
  throw forbidden({ group, resource: plural }, request.name, outcome.error);
}

/** Whether all hold. Rejects with Forbidden when that cannot be said and the failure policy is Fail. */
export async function conditionsHold(about: Asked, world: AdmissionWorld): Promise<boolean> {
  if (isUnconditional(about)) return true;
  const { asked, subject } = prepared(about, world);
  return decided(about, await ask<boolean>("conditions", asked, subject, null));
}

/** False when it is clear at once that not all hold. Throws Forbidden likewise. */
export function conditionsMayHold(about: Asked, world: AdmissionWorld): boolean {
  if (isUnconditional(about)) return true;
  const { asked, subject } = prepared(about, world);
  const outcome = askQuickly<boolean>("conditions", asked, subject, null);
  return outcome === undefined || decided(about, outcome);
}
