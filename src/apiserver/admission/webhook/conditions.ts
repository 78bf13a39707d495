// Match conditions: CEL expressions that spare a webhook requests that it need not see.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go.
import { compile, newEnvironment, type Program } from "../../../machinery/cel/program.ts";
import { forbidden } from "../../../machinery/errors.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import type { Candidate, Hook } from "./hooks.ts";
import { requestOf, type HookType } from "./review.ts";
import type { Seen } from "./selection.ts";

interface Subject {
  readonly candidate: Candidate;
  readonly request: AdmissionRequest;
  /** In the version that the webhook asks for. */
  readonly seen: Seen;
  readonly type: HookType;
}

/** One that does not compile fails at every evaluation. */
type Condition = { readonly expression: string; readonly run: Program["run"] };

const compiled = new WeakMap<Hook, readonly Condition[]>();

function conditionsOf(hook: Hook): readonly Condition[] {
  let known = compiled.get(hook);
  if (!known) {
    const environment = newEnvironment();
    for (const name of ["object", "oldObject", "request"]) environment.registerVariable(name, "dyn");
    known = hook.webhook.matchConditions!.map(({ expression }) => {
      let program: Program | undefined;
      return {
        expression,
        run: (variables) => (program ??= compile(environment, expression)).run(variables),
      };
    });
    compiled.set(hook, known);
  }
  return known;
}

/**
 * True when all hold. One that is false decides whatever the others are; otherwise an error is the failure policy's
 * business. Throws Forbidden.
 */
export function conditionsHold({ candidate, request, seen, type }: Subject, _world: AdmissionWorld): boolean {
  const { hook, kind } = candidate;
  if (!hook.webhook.matchConditions?.length) return true;
  const variables = {
    object: seen.object ?? null,
    oldObject: seen.old ?? null,
    request: requestOf(request, kind, type),
  };
  const errors: string[] = [];
  for (const { expression, run } of conditionsOf(hook)) {
    try {
      const { value } = run(variables);
      if (value === false) return false;
      if (value !== true) errors.push(`expression '${expression}' resulted in no bool`);
    } catch (error) {
      errors.push(`expression '${expression}' resulted in error: ${(error as Error).message}`);
    }
  }
  if (errors.length === 0) return true;
  if (hook.webhook.failurePolicy === "Ignore") return false;
  const text = errors.length === 1 ? errors[0]! : `[${errors.join(", ")}]`;
  throw forbidden({ group: request.kind.group, resource: request.kind.plural }, request.name, text);
}
