// `authorizer`: expressions ask what the user of the request may do. Follows kubernetes v1.36 apiserver/pkg/cel/library/authz.go.
import type { Environment } from "./environment.ts";
import { fail } from "./value.ts";

/** One question; `path` is set for requests of no resource. */
export interface AuthorizationQuestion {
  readonly verb: string;
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** `namespace` and `name` of the ServiceAccount that is meant instead of the user. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
}

interface Answer {
  readonly allowed: boolean;
  readonly reason: string;
}

type Decide = (question: AuthorizationQuestion) => Answer;
type Attributes = Partial<AuthorizationQuestion>;

/** The parts of a question so far; its methods are what expressions call. */
class Check {
  readonly decide: Decide;
  readonly attributes: Attributes;
  constructor(decide: Decide, attributes: Attributes) {
    this.decide = decide;
    this.attributes = attributes;
  }
}

export class Authorizer extends Check {}
class PathCheck extends Check {}
class GroupCheck extends Check {}
export class ResourceCheck extends Check {}

class Decision {
  readonly answer: Answer;
  readonly error: string;
  constructor(answer: Answer, error: string) {
    this.answer = answer;
    this.error = error;
  }
}

function decided({ decide, attributes }: Check, verb: string): Decision {
  try {
    return new Decision(decide({ ...attributes, verb }), "");
  } catch (error) {
    return new Decision({ allowed: false, reason: "" }, (error as Error).message);
  }
}

const prefix = "kubernetes.authorization";

/** Declares the functions; the variables are the environment's own. */
export function registerAuthorizer(environment: Environment): void {
  for (const [name, type] of Object.entries({ Authorizer, PathCheck, GroupCheck, ResourceCheck, Decision })) {
    environment.registerType(`${prefix}.${name}`, type);
  }
  const method = (signature: string, run: (...args: never[]) => unknown) =>
    environment.registerFunction(
      signature.replaceAll(/\b(Authorizer|PathCheck|GroupCheck|ResourceCheck|Decision)\b/g, `${prefix}.$1`),
      run,
    );
  method("Authorizer.path(string): PathCheck", ({ decide, attributes }: Check, path: string) =>
    path ? new PathCheck(decide, { ...attributes, path }) : fail("path must not be empty"),
  );
  method(
    "Authorizer.group(string): GroupCheck",
    ({ decide, attributes }: Check, group: string) => new GroupCheck(decide, { ...attributes, group }),
  );
  method(
    "Authorizer.serviceAccount(string, string): Authorizer",
    ({ decide, attributes }: Check, namespace: string, name: string) =>
      new Authorizer(decide, { ...attributes, serviceAccount: { namespace, name } }),
  );
  method(
    "GroupCheck.resource(string): ResourceCheck",
    ({ decide, attributes }: Check, resource: string) => new ResourceCheck(decide, { ...attributes, resource }),
  );
  for (const part of ["subresource", "namespace", "name", "fieldSelector", "labelSelector"] as const) {
    method(
      `ResourceCheck.${part}(string): ResourceCheck`,
      ({ decide, attributes }: Check, value: string) => new ResourceCheck(decide, { ...attributes, [part]: value }),
    );
  }
  method("ResourceCheck.check(string): Decision", decided);
  method("PathCheck.check(string): Decision", decided);
  method("Decision.allowed(): bool", ({ answer }: Decision) => answer.allowed);
  method("Decision.reason(): string", ({ answer }: Decision) => answer.reason);
  method("Decision.errored(): bool", ({ error }: Decision) => error !== "");
  method("Decision.error(): string", ({ error }: Decision) => error);
}
