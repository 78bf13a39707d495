// ValidatingAdmissionPolicy: expressions may refuse a request, warn, or leave a note for audit.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy/validating (dispatcher.go, validator.go).
import type { AnyKind } from "../../../kinds/registry.ts";
import { forbidden, statusCodes, StatusError, type StatusReason } from "../../../machinery/errors.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { shownObject } from "../webhook/review.ts";
import type { Seen } from "../webhook/selection.ts";
import { ask, settle, waited, type Steps } from "./ask.ts";
import { decideFor, RequestData, Subject, viewIn } from "./evaluation.ts";
import type { Assessment, Fault, Outcome } from "./outcome.ts";
import { paramsOf } from "./params.ts";
import { matchedKind, policiesFor, type Candidate } from "./policies.ts";

export const validatingPolicies: AdmissionPlugin = {
  name: "ValidatingAdmissionPolicy",
  operations: ["CREATE", "UPDATE", "DELETE", "CONNECT"],
  subresources: "all",
  validate(request, world) {
    const candidates = policiesFor("validating", request, world);
    if (candidates.length > 0) return settle(new Judgement(request, world).judge(candidates));
    return undefined;
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
  *judge(candidates: readonly Candidate[]): Steps<void> {
    for (const candidate of candidates) yield* this.#policy(candidate);
    if (this.#failures.length > 0) {
      const text = JSON.stringify(this.#failures);
      this.#request.auditAnnotations?.set("validation.policy.admission.k8s.io/validation_failure", text);
    }
    if (this.#denial) throw refusal(this.#request, this.#denial.message, this.#denial.reason);
  }

  *#policy(candidate: Candidate): Steps<void> {
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
          const outcome = yield* waited(ask<Assessment>("assessment", candidate, this.#subject(kind), params));
          this.#consider(candidate, bound, outcome);
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
      const data = new RequestData(seen, this.#request, kind, "validating", this.#world);
      this.#subjects.set(kind, (subject = new Subject(data, decideFor(this.#request, this.#world))));
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

  #consider(candidate: Candidate, bound: Candidate["bindings"][number], outcome: Outcome<Assessment>): void {
    const isStrict = candidate.policy.spec?.failurePolicy !== "Ignore";
    if ("error" in outcome) {
      if (isStrict) this.#deny(candidate.name, bound.name, { message: outcome.error, reason: "Invalid" });
      return;
    }
    for (const fault of outcome.value.faults) this.#act(candidate, bound, fault);
    for (const { key, outcome: note } of outcome.value.notes) {
      if ("value" in note) this.#annotate(`${candidate.name}/${key}`, note.value);
      else if (isStrict) this.#deny(candidate.name, bound.name, { message: note.error, reason: "Invalid" });
    }
  }

  #act(candidate: Candidate, { binding, name }: Candidate["bindings"][number], fault: Fault): void {
    const actions = binding.spec?.validationActions ?? [];
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

  #annotate(key: string, value: string): void {
    const notes = this.#request.auditAnnotations;
    if (!notes) return;
    const before = notes.get(key);
    const texts = new Set(before === undefined ? [] : before.split(", "));
    notes.set(key, [...texts.add(value)].join(", "));
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
