// Compiles CEL expressions with Kubernetes' functions and runs them within a budget of steps.
import type { ASTNode, Environment, ParseResult } from "@marcbachmann/cel-js";
import { spend, stepsPerCall, withBudget } from "./budget.ts";
import { matchesName, registerFunctions } from "./functions.ts";
import { celLibrary } from "./library.ts";
import { registerValues } from "./values.ts";

export interface Program {
  /** Name of the type of the result: `bool`, `string`, `dyn` … */
  readonly type: string;
  /** Runs with the variables; throws an Error that says what went wrong, BudgetError when it takes too long. */
  run(
    variables: Readonly<Record<string, unknown>>,
    steps?: number,
  ): { readonly value: unknown; readonly spent: number };
}

/** An expression that cannot be compiled; the message says where and why. */
class CompileError extends Error {}

let base: Environment | undefined;

/** A new environment with everything that Kubernetes offers, for types and variables of its own. */
export function newEnvironment(): Environment {
  if (!base) {
    const { Environment } = celLibrary();
    base = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false });
    registerFunctions(base);
    registerValues(base);
  }
  return base.clone();
}

/** Compiles and type-checks; throws CompileError. */
export function compile(environment: Environment, expression: string): Program {
  const parsed = parse(environment, expression);
  const checked = parsed.check();
  if (!checked.valid) throw new CompileError(checked.error!.message);
  countSteps(parsed.ast);
  return {
    type: checked.type!,
    run: (variables, steps = stepsPerCall) => withBudget(steps, () => evaluated(parsed, variables)),
  };
}

function parse(environment: Environment, expression: string): ParseResult {
  try {
    const parsed = environment.parse(expression);
    visit(parsed.ast, (node) => {
      if (node.op === "rcall" && node.args[0] === "matches") node.args[0] = matchesName;
    });
    return parsed;
  } catch (error) {
    throw new CompileError((error as Error).message, { cause: error });
  }
}

function evaluated(parsed: ParseResult, variables: Readonly<Record<string, unknown>>): unknown {
  try {
    return parsed(variables);
  } catch (error) {
    const summary = (error as { summary?: string }).summary;
    if (summary === undefined) throw error;
    throw new Error(summary.replace(/^No such/, "no such"), { cause: error });
  }
}

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

/** The library's nodes, with what its types leave out. */
interface Node {
  readonly op: string;
  args: unknown[];
  readonly meta: { evaluate?: Evaluate } & Record<string, unknown>;
  setMeta(key: string, value: unknown): void;
}

/** Calls back for every node below a value, through lists and what macros were expanded to. */
function visit(value: unknown, found: (node: Node) => void, seen = new Set<unknown>()): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value)) return value.forEach((item) => visit(item, found, seen));
  if ("op" in value && "args" in value && "setMeta" in value) {
    const node = value as unknown as Node;
    found(node);
    visit(node.args, found, seen);
    visit(node.meta.alternate, found, seen);
    visit(node.meta.macro, found, seen);
    return;
  }
  if (Object.getPrototypeOf(value) === Object.prototype) visit(Object.values(value), found, seen);
}

/** Makes each turn of a loop count; the loops are known only after the types are. */
function countSteps(ast: ASTNode): void {
  visit(ast, (node) => {
    if (node.op !== "comprehension") return;
    const { step } = node.args as unknown as { step: Node };
    const evaluate = step.meta.evaluate!;
    step.setMeta("evaluate", (evaluator: unknown, at: unknown, context: unknown) => {
      spend(1);
      return evaluate(evaluator, at, context);
    });
  });
}
