// One evaluation of a policy: its variables, its budget, and what expressions see of the request.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/cel (activation.go, composition.go, condition.go).
import type { CompiledPolicy, Expression } from "../../../kinds/admissionregistration/expressions.ts";
import type { AnyKind } from "../../../kinds/registry.ts";
import { Authorizer, ResourceCheck, type AuthorizationQuestion } from "../../../machinery/cel/authorizer.ts";
import { BudgetError, stepsPerCall } from "../../../machinery/cel/budget.ts";
import { LazyFields } from "../../../machinery/cel/value.ts";
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

type Decide = (question: AuthorizationQuestion) => { readonly allowed: boolean; readonly reason: string };

/** What the expressions' questions about rights get for an answer. */
export function decideFor({ user }: AdmissionRequest, { authorizer }: AdmissionWorld): Decide {
  return (question) => {
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

/** What one request looks like to expressions. */
export interface SubjectData {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: unknown;
  readonly namespaceObject: unknown;
  /** The resource of the request, for `authorizer.requestResource`. */
  readonly resource: Readonly<Record<"group" | "resource" | "subresource" | "namespace" | "name", string>>;
}

/** The same in the version `asked`; few expressions look at more than the objects, so the rest is made when it is read. */
export class RequestData implements SubjectData {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly #request: AdmissionRequest;
  readonly #asked: AnyKind;
  readonly #type: HookType;
  readonly #world: AdmissionWorld;
  #shown: object | undefined;

  constructor(seen: Seen, request: AdmissionRequest, asked: AnyKind, type: HookType, world: AdmissionWorld) {
    this.object = seen.object ?? null;
    this.oldObject = seen.old ?? null;
    this.#request = request;
    this.#asked = asked;
    this.#type = type;
    this.#world = world;
  }

  get request(): unknown {
    // Absent texts are empty in a typed request.
    const empty = { subResource: "", requestSubResource: "", name: "", namespace: "" };
    return (this.#shown ??= { ...empty, ...requestOf(this.#request, this.#asked, this.#type) });
  }

  get namespaceObject(): unknown {
    const { namespace: name, resource } = this.#request;
    if (!name || resource === "/namespaces") return null;
    return this.#world.store.latest({ collection: "/namespaces", namespace: "", name })?.object ?? null;
  }

  get resource(): SubjectData["resource"] {
    const { kind, subresource, namespace, name } = this.#request;
    return { group: kind.group, resource: kind.plural, subresource, namespace, name };
  }
}

/** What expressions may refer to; shared by all policies that ask for the same version. */
export class Subject {
  readonly data: SubjectData;
  readonly decide: Decide;

  constructor(data: SubjectData, decide: Decide) {
    this.data = data;
    this.decide = decide;
  }

  get authorizer(): unknown {
    return new Authorizer(this.decide, {});
  }

  get "authorizer.requestResource"(): unknown {
    const { subresource, ...own } = this.data.resource;
    return new ResourceCheck(this.decide, subresource ? { ...own, subresource } : own);
  }
}

type Values = Readonly<Record<string, unknown>>;

/** A subject with what one evaluation adds to it. */
class Activation {
  readonly subject: Subject;
  readonly params: KubeObject | null;
  readonly variables: Variables;

  constructor(subject: Subject, params: KubeObject | null, variables: Variables) {
    this.subject = subject;
    this.params = params;
    this.variables = variables;
  }
  get object(): unknown {
    return this.subject.data.object;
  }
  get oldObject(): unknown {
    return this.subject.data.oldObject;
  }
  get request(): unknown {
    return this.subject.data.request;
  }
  get namespaceObject(): unknown {
    return this.subject.data.namespaceObject;
  }
  get authorizer(): unknown {
    return this.subject.authorizer;
  }
  get "authorizer.requestResource"(): unknown {
    return this.subject["authorizer.requestResource"];
  }
}

/** Thrown when all expressions of a policy together have cost too much. */
export class OutOfBudget extends Error {
  constructor() {
    super("validation failed due to running out of cost budget, no further validation rules will be run");
  }
}

/** `variables`: each is evaluated when first asked for; a failure stays one. */
class Variables extends LazyFields {
  readonly #evaluation: Evaluation;
  readonly #expressions: CompiledPolicy["variables"];
  readonly #known: unknown[] = [];

  constructor(evaluation: Evaluation, expressions: CompiledPolicy["variables"]) {
    super();
    this.#evaluation = evaluation;
    this.#expressions = expressions;
  }

  field(name: string): unknown {
    const i = this.#expressions.findIndex((one) => one.name === name);
    if (i < 0) return undefined;
    if (this.#known[i] === undefined) {
      try {
        this.#known[i] = this.#evaluation.run(this.#expressions[i]!);
      } catch (error) {
        this.#known[i] = new Failed(error);
      }
    }
    const value = this.#known[i];
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
  readonly #values: Values;
  #left: number = budget;
  #leftOfTurn: number;
  #isCutShort = false;

  /** With `stepsOfTurn`, it ends when that many are taken. */
  constructor(compiled: CompiledPolicy, subject: Subject, params: KubeObject | null, stepsOfTurn = Infinity) {
    this.#values = new Activation(subject, params, new Variables(this, compiled.variables)) as unknown as Values;
    this.#leftOfTurn = stepsOfTurn;
  }

  /** Whether something has failed only because it would have taken too long for one turn of the event loop. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** The value of an expression. Throws CelError, BudgetError, OutOfBudget, or an Error for one that is not compiled. */
  run({ program, error }: Expression): unknown {
    if (!program) throw new Error(error);
    const allowed = Math.min(this.#left, stepsPerCall);
    const most = Math.min(allowed, this.#leftOfTurn);
    try {
      const { value, spent } = program.run(this.#values, most);
      this.#spend(spent);
      return value;
    } catch (problem) {
      if (problem instanceof BudgetError) {
        this.#isCutShort ||= most < allowed;
        this.#spend(most);
      }
      if (this.#left <= 0) throw new OutOfBudget();
      throw problem;
    }
  }

  #spend(steps: number): void {
    this.#left -= steps;
    this.#leftOfTurn = Math.max(0, this.#leftOfTurn - steps);
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
