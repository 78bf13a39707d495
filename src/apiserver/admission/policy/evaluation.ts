// One evaluation of a policy: its variables, its budget, and what expressions see of the request.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/cel (activation.go, composition.go, condition.go).
import type { CompiledPolicy, Expression } from "../../../kinds/admissionregistration/expressions.ts";
import type { AnyKind } from "../../../kinds/registry.ts";
import { Authorizer, ResourceCheck, type AuthorizationQuestion } from "../../../machinery/cel/authorizer.ts";
import { BudgetError, stepsPerCall } from "../../../machinery/cel/budget.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { parseFieldSelector, parseSelector } from "../../../machinery/selector.ts";
import { toStored } from "../../core/entries.ts";
import type { UserInfo } from "../../types.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { requestOf, type HookType } from "../webhook/review.ts";
import type { Seen } from "../webhook/selection.ts";

const budget = 10_000_000;
const conditionsBudget = 2_500_000;

/** The object in another version of its kind; what a webhook would have to convert is only renamed. */
function inVersion(object: KubeObject | undefined, from: AnyKind, to: AnyKind): KubeObject | undefined {
  if (!object || from === to) return object;
  const stored = toStored(from, object);
  return to.storage ? to.storage.fromStored(stored) : stored;
}

/** Both objects as a policy that asks for `to` sees them. */
export const viewIn = (seen: Seen, request: AdmissionRequest, to: AnyKind): Seen =>
  request.objectKind || request.kind === to
    ? seen
    : { object: inVersion(seen.object, request.kind, to), old: inVersion(seen.old, request.kind, to) };

/** The reverse, for an object that a policy has changed. */
export const fromVersion = (object: KubeObject, request: AdmissionRequest, from: AnyKind): KubeObject =>
  request.objectKind ? object : inVersion(object, from, request.kind)!;

const serviceAccountUser = ({ namespace, name }: { namespace: string; name: string }): UserInfo => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
});

function authorizerOf({ user }: AdmissionRequest, { authorizer }: AdmissionWorld) {
  return (question: AuthorizationQuestion) => {
    const { verb, path, group = "", resource = "", subresource = "", namespace = "", name = "" } = question;
    const { fieldSelector, labelSelector, serviceAccount } = question;
    return authorizer.authorize({
      user: serviceAccount ? serviceAccountUser(serviceAccount) : user,
      verb,
      group,
      version: "*",
      resource,
      subresource,
      namespace,
      name,
      ...(path === undefined ? {} : { path }),
      ...(fieldSelector ? { fieldSelector: parseFieldSelector(fieldSelector) } : {}),
      ...(labelSelector ? { labelSelector: parseSelector(labelSelector) } : {}),
    });
  };
}

/** What one request looks like to expressions; shared by all policies that ask for the same version. */
export function subjectOf(
  seen: Seen,
  request: AdmissionRequest,
  asked: AnyKind,
  type: HookType,
  world: AdmissionWorld,
): Readonly<Record<string, unknown>> {
  const decide = authorizerOf(request, world);
  const { kind, subresource, namespace, name, resource } = request;
  let shown: object | undefined;
  // Few expressions look at more than the objects.
  return {
    object: seen.object ?? null,
    oldObject: seen.old ?? null,
    get request() {
      // Absent texts are empty in a typed request.
      const empty = { subResource: "", requestSubResource: "", name: "", namespace: "" };
      return (shown ??= { ...empty, ...requestOf(request, asked, type) });
    },
    get namespaceObject() {
      if (!namespace || resource === "/namespaces") return null;
      return world.store.latest({ collection: "/namespaces", namespace: "", name: namespace })?.object ?? null;
    },
    get authorizer() {
      return new Authorizer(decide, {});
    },
    get "authorizer.requestResource"() {
      const own = { group: kind.group, resource: kind.plural, namespace, name };
      return new ResourceCheck(decide, subresource ? { ...own, subresource } : own);
    },
  };
}

/** Thrown when all expressions of a policy together have cost too much. */
export class OutOfBudget extends Error {
  constructor() {
    super("validation failed due to running out of cost budget, no further validation rules will be run");
  }
}

/** `variables`: each is evaluated when first asked for; a failure stays one. */
class Variables extends Map<string, unknown> {
  readonly #evaluation: Evaluation;
  readonly #expressions: CompiledPolicy["variables"];

  constructor(evaluation: Evaluation, expressions: CompiledPolicy["variables"]) {
    super();
    this.#evaluation = evaluation;
    this.#expressions = expressions;
  }

  override get(name: string): unknown {
    if (!this.has(name)) {
      const expression = this.#expressions.find((one) => one.name === name);
      if (!expression) return undefined;
      try {
        this.set(name, this.#evaluation.run(expression));
      } catch (error) {
        this.set(name, new Failed(error));
      }
    }
    const value = super.get(name);
    if (value instanceof Failed) throw value.error;
    return value;
  }
}

class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

export class Evaluation {
  readonly #values: Readonly<Record<string, unknown>>;
  #left: number = budget;

  constructor(compiled: CompiledPolicy, subject: Readonly<Record<string, unknown>>, params: KubeObject | null) {
    this.#values = Object.create(subject) as Record<string, unknown>;
    Object.assign(this.#values, { params, variables: new Variables(this, compiled.variables) });
  }

  /** The value of an expression. Throws CelError, BudgetError, OutOfBudget, or an Error for one that is not compiled. */
  run({ program, error }: Expression): unknown {
    if (!program) throw new Error(error);
    const most = Math.min(this.#left, stepsPerCall);
    try {
      const { value, spent } = program.run(this.#values, most);
      this.#left -= spent;
      return value;
    } catch (problem) {
      if (problem instanceof BudgetError) this.#left -= most;
      if (this.#left <= 0) throw new OutOfBudget();
      throw problem;
    }
  }

  /**
   * True when all conditions hold, false as soon as one does not. An error is the failure policy's business; throws one
   * Error for all.
   */
  conditionsHold(conditions: readonly Expression[]): boolean {
    const errors: string[] = [];
    this.#left = conditionsBudget;
    for (const condition of conditions) {
      try {
        if (this.run(condition) === false) return false;
      } catch (error) {
        errors.push(failureText("expression", condition, error));
      }
    }
    this.#left = budget;
    if (errors.length > 0) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(", ")}]`);
    return true;
  }
}

export const failureText = (what: string, { text }: Expression, error: unknown): string =>
  `${what} '${text}' resulted in error: ${(error as Error).message}`;
