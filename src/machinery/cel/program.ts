// Compiles CEL expressions with Kubernetes' functions and runs them within a budget.
import { issuesText, type Issue, type Node } from "./ast.ts";
import { stepsPerCall, withBudget } from "./budget.ts";
import { check } from "./check.ts";
import { maxCost } from "./cost.ts";
import { Environment } from "./environment.ts";
import { evaluate, evaluator, type Evaluate } from "./evaluate.ts";
import { registerFunctions } from "./functions.ts";
import { SyntaxIssue } from "./lex.ts";
import { parse } from "./parse.ts";
import { registerStandard } from "./standard.ts";
import type { Type } from "./type.ts";
import { registerValues } from "./values.ts";

export interface Program {
  /** Name of the type of the result: `bool`, `string`, `list(int)`, `dyn` … */
  readonly type: string;
  readonly result: Type;
  /** The most that a run can cost, by the bounds of the variables' types. */
  maxCost(): number;
  /** True when the expression reads a variable of the environment. */
  uses(variable: string): boolean;
  /**
   * Runs with the variables, which may be plain JSON. Throws CelError that says what went wrong, BudgetError when it costs
   * more than `steps`.
   */
  run(
    variables: Readonly<Record<string, unknown>>,
    steps?: number,
  ): { readonly value: unknown; readonly spent: number };
}

/** An expression that cannot be compiled; the message says where and why. */
class CompileError extends Error {}

let base: Environment | undefined;

/** A new environment with everything that Kubernetes offers, for variables of its own. */
export function newEnvironment(): Environment {
  if (!base) {
    base = new Environment();
    registerStandard(base);
    registerValues(base);
    registerFunctions(base);
  }
  return base.clone();
}

/** Compiles and type-checks; throws CompileError. */
export function compile(environment: Environment, expression: string): Program {
  const refuse = (issues: readonly Issue[]) => new CompileError(issuesText(expression, issues));
  let node: Node;
  try {
    node = parse(expression);
    const issues = check(environment, node);
    if (issues.length > 0) throw refuse(issues);
  } catch (error) {
    if (error instanceof SyntaxIssue) throw refuse([error.issue]);
    if (error instanceof RangeError) throw refuse([{ at: 0, message: "expression recursion limit exceeded" }]);
    throw error;
  }
  let run: Evaluate | undefined;
  return {
    type: node.type!.name,
    result: node.type!,
    maxCost: () => maxCost(node),
    uses: (variable) => mentions(node, variable),
    run: (variables, steps = stepsPerCall) => withBudget(steps, () => evaluate((run ??= evaluator(node)), variables)),
  };
}

/** Whether an identifier of that name is anywhere in the tree; loop variables of the same name count too. */
function mentions(value: unknown, variable: string): boolean {
  if (Array.isArray(value)) return value.some((item) => mentions(item, variable));
  if (typeof value !== "object" || value === null || !("op" in value || "value" in value || "key" in value))
    return false;
  const node = value as Node;
  if (node.op === "ident" && node.name === variable) return true;
  return Object.entries(node).some(
    ([name, inner]) => name !== "type" && name !== "overloads" && mentions(inner, variable),
  );
}
