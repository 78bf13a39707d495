// ValidatingAdmissionPolicy: expressions may refuse a request, warn, or leave a note for audit.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy/validating (dispatcher.go, validator.go).
import type { Validation } from "../../../kinds/generated/admissionregistration.v1.ts";
import type { AnyKind } from "../../../kinds/registry.ts";
import { forbidden, statusCodes, StatusError, type StatusReason } from "../../../machinery/errors.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { shownObject } from "../webhook/review.ts";
import type { Seen } from "../webhook/selection.ts";
import { Evaluation, failureText, OutOfBudget, Subject, viewIn } from "./evaluation.ts";
import { paramsOf } from "./params.ts";
import { matchedKind, policiesFor, type Candidate } from "./policies.ts";

/** What one validation found wrong. */
interface Fault {
  readonly message: string;
  readonly reason: StatusReason;
  /** Its place in the policy; absent for what is wrong with the policy itself. */
  readonly index?: number;
}

export const validatingPolicies: AdmissionPlugin = {
  name: "ValidatingAdmissionPolicy",
  operations: ["CREATE", "UPDATE", "DELETE", "CONNECT"],
  subresources: "all",
  validate(request, world) {
    const candidates = policiesFor("validating", request, world);
    if (candidates.length > 0) new Judgement(request, world).judge(candidates);
  },
};

class Judgement {
  readonly #request: AdmissionRequest;
  readonly #world: AdmissionWorld;
  readonly #seen: Seen;
  readonly #subjects = new Map<AnyKind, Subject>();
  readonly #failures: unknown[] = [];
  #denial: { readonly message: string; readonly reason: StatusReason } | undefined;

  constructor(request: AdmissionRequest, world: AdmissionWorld) {
    this.#request = request;
    this.#world = world;
    this.#seen = { object: shownObject(request, "validating"), old: request.old };
  }

  /** Throws the first denial, when all have been heard. */
  judge(candidates: readonly Candidate[]): void {
    for (const candidate of candidates) this.#policy(candidate);
    if (this.#failures.length > 0) {
      const text = JSON.stringify(this.#failures);
      this.#request.auditAnnotations?.set("validation.policy.admission.k8s.io/validation_failure", text);
    }
    if (this.#denial) throw refusal(this.#request, this.#denial.message, this.#denial.reason);
  }

  #policy(candidate: Candidate): void {
    let kind: AnyKind | undefined;
    try {
      kind = matchedKind(candidate.matcher, this.#seen, this.#request, this.#world);
    } catch (error) {
      this.#misconfigured(candidate, undefined, `failed to configure policy: ${(error as Error).message}`);
    }
    if (!kind) return;
    for (const bound of candidate.bindings) {
      try {
        if (!matchedKind(bound.matcher, this.#seen, this.#request, this.#world)) continue;
        for (const params of paramsOf(candidate.policy, bound.binding, this.#request, this.#world)) {
          this.#evaluate(candidate, bound, new Evaluation(candidate.compiled, this.#subject(kind), params));
        }
      } catch (error) {
        this.#misconfigured(candidate, bound.name, `failed to configure binding: ${(error as Error).message}`);
      }
    }
  }

  #subject(kind: AnyKind): Subject {
    let subject = this.#subjects.get(kind);
    if (!subject) {
      const seen = viewIn(this.#seen, this.#request, kind);
      this.#subjects.set(kind, (subject = new Subject(seen, this.#request, kind, "validating", this.#world)));
    }
    return subject;
  }

  #misconfigured({ policy, name }: Candidate, binding: string | undefined, message: string): void {
    if (policy.spec?.failurePolicy !== "Ignore") this.#deny(name, binding, { message, reason: "Invalid" });
  }

  #deny(policy: string, binding: string | undefined, { message, reason }: Fault): void {
    const by = binding === undefined ? "" : ` with binding '${binding}'`;
    this.#denial ??= { message: `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`, reason };
  }

  #evaluate(candidate: Candidate, { binding, name }: Candidate["bindings"][number], evaluation: Evaluation): void {
    const actions = binding.spec?.validationActions ?? [];
    for (const fault of faultsOf(candidate, evaluation)) {
      if (actions.includes("Deny")) this.#deny(candidate.name, name, fault);
      if (actions.includes("Warn")) {
        this.#request.warnings.push(
          `Validation failed for ValidatingAdmissionPolicy '${candidate.name}' with binding '${name}': ${fault.message}`,
        );
      }
      if (actions.includes("Audit")) {
        this.#failures.push({
          message: fault.message,
          policy: candidate.name,
          binding: name,
          expressionIndex: fault.index ?? 0,
          validationActions: actions,
        });
      }
    }
    this.#annotate(candidate, name, evaluation);
  }

  #annotate(candidate: Candidate, binding: string, evaluation: Evaluation): void {
    const { compiled, name, policy } = candidate;
    for (const annotation of compiled.auditAnnotations) {
      try {
        const value = evaluation.run(annotation);
        const notes = this.#request.auditAnnotations;
        if (typeof value !== "string" || !value.trim() || !notes) continue;
        const key = `${name}/${annotation.key}`;
        const before = notes.get(key);
        const texts = new Set(before === undefined ? [] : before.split(", "));
        notes.set(key, [...texts.add(value.trim().slice(0, maxAnnotation))].join(", "));
      } catch (error) {
        if (policy.spec?.failurePolicy === "Ignore") continue;
        this.#deny(name, binding, { message: failureText("valueExpression", annotation, error), reason: "Invalid" });
      }
    }
  }
}

const maxAnnotation = 10 * 1024;
const maxMessage = 5 * 1024;

/** What does not hold; nothing when the match conditions leave the request out. Errors count as the failure policy says. */
function faultsOf({ policy, compiled }: Candidate, evaluation: Evaluation): Fault[] {
  const strict = policy.spec?.failurePolicy !== "Ignore";
  const faults: Fault[] = [];
  try {
    if (!evaluation.conditionsHold(compiled.matchConditions)) return [];
  } catch (error) {
    return strict ? [{ message: (error as Error).message, reason: "Invalid" }] : [];
  }
  const validations = (policy.spec as { validations?: readonly Validation[] } | undefined)?.validations ?? [];
  for (const [index, { expression, message }] of compiled.validations.entries()) {
    try {
      if (evaluation.run(expression) === true) continue;
      const { message: fixed, reason = "Invalid" } = validations[index]!;
      const said = message && messageFrom(evaluation, message);
      const text = said ?? (fixed?.trim() || `failed expression: ${expression.text.trim()}`);
      faults.push({ message: text, reason: reason as StatusReason, index });
    } catch (error) {
      const text = error instanceof OutOfBudget ? error.message : failureText("expression", expression, error);
      if (strict) faults.push({ message: text, reason: "Invalid", index });
      if (error instanceof OutOfBudget) break;
    }
  }
  return faults;
}

/** What the message expression says; undefined when that is of no use. */
function messageFrom(evaluation: Evaluation, expression: Parameters<Evaluation["run"]>[0]): string | undefined {
  try {
    const value = evaluation.run(expression);
    const text = typeof value === "string" ? value.trim() : "";
    return text === "" || text.includes("\n") || Buffer.byteLength(text) > maxMessage ? undefined : text;
  } catch (error) {
    if (error instanceof OutOfBudget) throw error;
    return undefined;
  }
}

/** Forbidden in form, with the reason that the policy gives. */
export function refusal({ kind, name }: AdmissionRequest, message: string, reason: StatusReason): StatusError {
  const { status } = forbidden({ group: kind.group, resource: kind.plural }, name, message);
  return new StatusError({
    ...status,
    reason,
    code: statusCodes[reason] ?? statusCodes.Invalid,
    details: { ...status.details, causes: [{ message }] },
  });
}
