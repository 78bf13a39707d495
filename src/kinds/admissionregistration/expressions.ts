// The CEL expressions of admission policies: what they may refer to, what they must evaluate to, and compiling them all.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/cel (compile.go, composition.go) and plugin/policy/*/accessor.go.
import { registerAuthorizer } from "../../machinery/cel/authorizer.ts";
import type { Environment } from "../../machinery/cel/environment.ts";
import { compile, newEnvironment, type Program } from "../../machinery/cel/program.ts";
import { schemaType, type CelSchema } from "../../machinery/cel/schema.ts";
import { structOf, types, type Field, type Type } from "../../machinery/cel/type.ts";
import { path } from "../../machinery/field.ts";
import type {
  MutatingAdmissionPolicySpec,
  ValidatingAdmissionPolicySpec,
} from "../generated/admissionregistration.v1.ts";

/** The parts of both sorts of policies. */
export type PolicySpec = Partial<
  Omit<ValidatingAdmissionPolicySpec, "matchConstraints"> & Omit<MutatingAdmissionPolicySpec, "matchConstraints">
>;

/** What is wrong with one expression. */
export interface ExpressionError {
  readonly field: string;
  readonly expression: string;
  readonly text: string;
}

/** An expression with its program, which is absent when it cannot be compiled. */
export interface Expression {
  readonly text: string;
  readonly program: Program | undefined;
  /** Why there is no program. */
  readonly error: string;
}

export interface CompiledPolicy {
  readonly variables: readonly (Expression & { readonly name: string })[];
  readonly matchConditions: readonly Expression[];
  readonly validations: readonly { readonly expression: Expression; readonly message: Expression | undefined }[];
  readonly auditAnnotations: readonly (Expression & { readonly key: string })[];
  readonly mutations: readonly Expression[];
  readonly errors: readonly ExpressionError[];
}

const text: CelSchema = { type: "string" };
const texts: CelSchema = { type: "array", items: text };
const textMap: CelSchema = { type: "object", additionalProperties: text };
const struct = (properties: Readonly<Record<string, CelSchema>>): CelSchema => ({ type: "object", properties });
const named = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, text]));
const kind = struct(named("group", "version", "kind"));
const resource = struct(named("group", "version", "resource"));

const request = struct({
  kind,
  resource,
  ...named("subResource", "requestSubResource", "name", "namespace", "operation"),
  requestKind: kind,
  requestResource: resource,
  userInfo: struct({
    ...named("username", "uid"),
    groups: texts,
    extra: { type: "object", additionalProperties: texts },
  }),
  dryRun: { type: "boolean" },
  options: {},
});

const namespaceObject: CelSchema = {
  ...struct({
    metadata: struct({
      ...named("name", "generateName", "namespace", "uid", "resourceVersion", "deletionTimestamp", "creationTimestamp"),
      labels: textMap,
      annotations: textMap,
      finalizers: texts,
      generation: { type: "integer" },
    }),
    spec: struct({ finalizers: texts }),
    status: struct(named("phase")),
  }),
  nullable: true,
};

export interface PolicyTypes {
  readonly object: Type;
  readonly params: Type;
}

const untyped: PolicyTypes = { object: types.dyn, params: types.dyn };

let shared: Environment | undefined;

function baseEnvironment(): Environment {
  if (shared) return shared;
  shared = newEnvironment()
    .registerVariable("request", schemaType(request, "kubernetes.AdmissionRequest"))
    .registerVariable("namespaceObject", schemaType(namespaceObject, "kubernetes.Namespace"));
  registerAuthorizer(shared);
  return shared;
}

const withObjects = ({ object }: PolicyTypes): Environment =>
  baseEnvironment()
    .clone({ constructs: true })
    .registerVariable("object", object)
    .registerVariable("oldObject", { ...object, nullable: true });

const withAuthorizer = (environment: Environment): Environment =>
  environment
    .clone()
    .registerVariable("authorizer", "kubernetes.authorization.Authorizer")
    .registerVariable("authorizer.requestResource", "kubernetes.authorization.ResourceCheck");

/** Match conditions of a webhook. */
export function compileConditions(conditions: readonly { readonly expression: string }[]): readonly Expression[] {
  const environment = withAuthorizer(withObjects(untyped));
  return conditions.map(({ expression }) => ({ text: expression, ...attempt(environment, expression, bool) }));
}

interface Results {
  readonly names: readonly string[];
  readonly text: string;
}

const exactly = (name: string): Results => ({ names: [name], text: `must evaluate to ${name}` });
const bool = exactly("bool");
const message = exactly("string");
const annotation: Results = { names: ["string", "null"], text: "must evaluate to one of [string null_type]" };
const mutationResults = { ApplyConfiguration: exactly("Object"), JSONPatch: exactly("list(JSONPatch)") } as const;

/** Compiles everything; the errors are in the order of the fields. */
export function compilePolicy(spec: PolicySpec, given: PolicyTypes = untyped): CompiledPolicy {
  const errors: ExpressionError[] = [];
  const fields = new Map<string, Field>();
  const plain = withObjects(given).registerVariable("variables", structOf("kubernetes.variables", fields));
  if (spec.paramKind) plain.registerVariable("params", { ...given.params, nullable: true });
  const full = withAuthorizer(plain);
  const make = (environment: Environment, field: string, expression: string, results?: Results): Expression => {
    const made = attempt(environment, expression, results);
    if (made.error) errors.push({ field, expression, text: made.error });
    return { text: expression, ...made };
  };
  return {
    variables: (spec.variables ?? []).map(({ name, expression }, i) => {
      const made = make(full, path("spec.variables", i, "expression"), expression);
      fields.set(name, { type: made.program?.result ?? types.dyn, json: name });
      return { ...made, name };
    }),
    matchConditions: (spec.matchConditions ?? []).map(({ expression }, i) =>
      make(full, path("spec.matchConditions", i, "expression"), expression, bool),
    ),
    validations: (spec.validations ?? []).map((validation, i) => ({
      expression: make(full, path("spec.validations", i, "expression"), validation.expression, bool),
      message: validation.messageExpression
        ? make(plain, path("spec.validations", i, "messageExpression"), validation.messageExpression, message)
        : undefined,
    })),
    auditAnnotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }, i) => ({
      ...make(full, path("spec.auditAnnotations", i, "valueExpression"), valueExpression, annotation),
      key,
    })),
    mutations: (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }, i) => {
      const field = patchType === "JSONPatch" ? "jsonPatch" : "applyConfiguration";
      const expression = (patchType === "JSONPatch" ? jsonPatch : applyConfiguration)?.expression ?? "";
      const results = mutationResults[patchType as keyof typeof mutationResults];
      return make(full, path("spec.mutations", i, field, "expression"), expression, results);
    }),
    errors,
  };
}

function attempt(environment: Environment, expression: string, results: Results | undefined) {
  try {
    const program = compile(environment, expression);
    const fits = !results || results.names.includes(program.type);
    return fits ? { program, error: "" } : { program: undefined, error: results.text };
  } catch (error) {
    return { program: undefined, error: `compilation failed: ${(error as Error).message}` };
  }
}
