// CEL expressions of the configuration files of authentication and authorization.
import { compile, newEnvironment } from "../../machinery/cel/program.ts";
import { listOf, mapOf, structOf, types, type Type } from "../../machinery/cel/type.ts";

/** Runs with the JSON value of its variable; throws an Error that says what went wrong, also when it takes too long. */
export type Expression = (value: unknown) => unknown;

const { string, dyn } = types;
const struct = (name: string, fields: Readonly<Record<string, Type>>) =>
  structOf(name, new Map(Object.entries(fields).map(([json, type]) => [json, { type, json }])));
const strings = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, string]));
const extra = mapOf(string, listOf(string));

const variables = {
  claims: mapOf(string, dyn),
  user: struct("kubernetes.UserInfo", { ...strings("username", "uid"), groups: listOf(string), extra }),
  request: struct("kubernetes.SubjectAccessReviewSpec", {
    ...strings("user", "uid"),
    groups: listOf(string),
    extra,
    resourceAttributes: struct(
      "kubernetes.ResourceAttributes",
      strings("namespace", "verb", "group", "version", "resource", "subresource", "name"),
    ),
    nonResourceAttributes: struct("kubernetes.NonResourceAttributes", strings("path", "verb")),
  }),
} as const;

/** Compiles an expression over one variable; throws when it is wrong or its result is surely none of `results`. */
export function compileExpression(
  variable: keyof typeof variables,
  expression: string,
  results: readonly string[],
): Expression {
  const environment = newEnvironment().registerVariable(variable, variables[variable]);
  const program = compile(environment, expression);
  const result = program.type.replace(/\(.*/, "");
  if (result !== "dyn" && !results.includes(result)) throw new Error(`must evaluate to ${results.join(" or ")}`);
  return (value) => program.run({ [variable]: value }).value;
}
