// What expressions of a policy come to for one request: a pure function, so that it can be asked in any thread.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy/validating/validator.go (order, messages, failure policy).
import type { CompiledPolicy, PolicySpec } from "../../../kinds/admissionregistration/expressions.ts";
import type { StatusReason } from "../../../machinery/errors.ts";
import { Constructed, toJson } from "../../../machinery/cel/value.ts";
import { failureText, OutOfBudget, type Evaluation } from "./evaluation.ts";

/** What is asked: everything that a validating policy says, whether the match conditions hold, or one mutation. */
export type Question = "assessment" | "conditions" | { readonly mutation: number };

/** The value is plain JSON. */
export type Outcome<T = unknown> = { readonly value: T } | { readonly error: string };

/** What one validation found wrong. */
export interface Fault {
  readonly message: string;
  readonly reason: StatusReason;
  /** Its place in the policy; absent for what is wrong with the policy itself. */
  readonly index?: number;
}

export interface Assessment {
  readonly faults: readonly Fault[];
  /** Values of the audit annotations by key; what is wrong with one denies whatever the binding's actions are. */
  readonly notes: readonly { readonly key: string; readonly outcome: Outcome<string> }[];
}

const maxAnnotation = 10 * 1024;
const maxMessage = 5 * 1024;

export function outcomeOf(
  question: Question,
  spec: PolicySpec,
  compiled: CompiledPolicy,
  evaluation: Evaluation,
): Outcome {
  try {
    if (question === "conditions") return { value: evaluation.conditionsHold(compiled.matchConditions) };
    if (question === "assessment") {
      return { value: { faults: faultsOf(spec, compiled, evaluation), notes: notesOf(compiled, evaluation) } };
    }
    return { value: mutationOf(question.mutation, spec, compiled, evaluation) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** What does not hold; nothing when the match conditions leave the request out. Errors count as the failure policy says. */
function faultsOf(spec: PolicySpec, compiled: CompiledPolicy, evaluation: Evaluation): Fault[] {
  const strict = spec.failurePolicy !== "Ignore";
  const faults: Fault[] = [];
  try {
    if (!evaluation.conditionsHold(compiled.matchConditions)) return [];
  } catch (error) {
    return strict ? [{ message: (error as Error).message, reason: "Invalid" }] : [];
  }
  for (const [index, { expression, message }] of compiled.validations.entries()) {
    try {
      if (evaluation.run(expression) === true) continue;
      const { message: fixed, reason = "Invalid" } = spec.validations![index]!;
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

function notesOf({ auditAnnotations }: CompiledPolicy, evaluation: Evaluation): Assessment["notes"] {
  return auditAnnotations.flatMap((annotation): Assessment["notes"] => {
    const { key } = annotation;
    try {
      const value = evaluation.run(annotation);
      return typeof value === "string" && value.trim()
        ? [{ key, outcome: { value: value.trim().slice(0, maxAnnotation) } }]
        : [];
    } catch (error) {
      return [{ key, outcome: { error: failureText("valueExpression", annotation, error) } }];
    }
  });
}

function mutationOf(i: number, spec: PolicySpec, { mutations }: CompiledPolicy, evaluation: Evaluation): unknown {
  const expression = mutations[i]!;
  let value: unknown;
  try {
    value = evaluation.run(expression);
  } catch (error) {
    throw new Error(failureText("expression", expression, error), { cause: error });
  }
  if (spec.mutations![i]!.patchType !== "JSONPatch") checkTypes(value, "Object");
  return toJson(value);
}

/** Objects must be constructed by the name that their place has. */
function checkTypes(value: unknown, path: string): void {
  if (Array.isArray(value)) return value.forEach((item) => checkTypes(item, path));
  if (!(value instanceof Constructed)) return;
  if (value.typeName !== path) {
    throw new Error(
      `unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`,
    );
  }
  for (const [field, inner] of Object.entries(value.fields)) checkTypes(inner, `${path}.${field}`);
}
