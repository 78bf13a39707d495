// From a checked tree to a function: every node becomes a closure that knows its types, slots and price beforehand.
import type { Bind, Call, Fold, Node, Select, Struct } from "./ast.ts";
import { BudgetError, spend } from "./budget.ts";
import { costOf, costs, foldCosts } from "./cost.ts";
import { isLoose, TypeValue, type Type } from "./type.ts";
import {
  adopterOf,
  celEqual,
  CelError,
  Constructed,
  entryOf,
  fail,
  isMap,
  isOf,
  keysOf,
  LazyFields,
  mapValue,
  Optional,
  sizeOf,
  Uint,
} from "./value.ts";

export interface Frame {
  readonly variables: Readonly<Record<string, unknown>>;
  /** Values of loop variables. */
  readonly slots: unknown[];
}

export type Evaluate = (frame: Frame) => unknown;

/** `locals` are the names of loop variables around the node, outermost first. */
export function evaluator(node: Node, locals: readonly string[] = []): Evaluate {
  const of = (inner: Node) => evaluator(inner, locals);
  switch (node.op) {
    case "const":
      return () => node.value;
    case "ident":
      return variable(node.name, node.type!, locals);
    case "select":
      return node.qualified ? variable(node.qualified, node.type!, locals) : select(node, of(node.operand));
    case "list": {
      const elements = node.elements.map(({ value, optional }) => ({ run: of(value), optional }));
      return (frame) => {
        spend(costs.list);
        const list: unknown[] = [];
        for (const { run, optional } of elements) {
          const value = run(frame);
          if (!optional) list.push(value);
          else if ((value as Optional).hasValue) list.push((value as Optional).value);
        }
        return list;
      };
    }
    case "map": {
      const entries = node.entries.map(({ key, value, optional }) => ({ key: of(key), value: of(value), optional }));
      return (frame) => {
        spend(costs.map);
        const pairs: [unknown, unknown][] = [];
        for (const { key, value, optional } of entries) {
          const inner = value(frame);
          if (!optional) pairs.push([key(frame), inner]);
          else if ((inner as Optional).hasValue) pairs.push([key(frame), (inner as Optional).value]);
        }
        return mapValue(pairs);
      };
    }
    case "struct":
      return construct(node, of);
    case "bind":
      return bind(node, locals);
    case "fold":
      return fold(node, locals);
    default:
      return call(node, of);
  }
}

function variable(name: string, type: Type, locals: readonly string[]): Evaluate {
  const slot = locals.lastIndexOf(name);
  if (slot >= 0) {
    return ({ slots }) => {
      spend(costs.read);
      return slots[slot];
    };
  }
  const itself = new TypeValue(name);
  const adopt = adopterOf(type);
  return ({ variables }) => {
    spend(costs.read);
    const value = variables[name];
    if (value === undefined) return type.kind === "type" ? itself : fail(`no such attribute(s): ${name}`);
    return adopt ? adopt(value) : value;
  };
}

/** The value of a field or entry; undefined when it is absent. */
function member(holder: unknown, key: unknown): unknown {
  if (Array.isArray(holder)) {
    const index = key instanceof Uint ? Number(key.value) : Number(key);
    if (typeof key === "string" || !Number.isInteger(index)) return fail("no such overload");
    return holder[index];
  }
  if (isMap(holder)) return entryOf(holder, key);
  if (holder instanceof LazyFields) return holder.field(String(key));
  if (holder instanceof Constructed) return entryOf(holder.fields, key);
  return fail("no such overload");
}

function select(node: Select, operand: Evaluate): Evaluate {
  const { operand: from, field, test, optional } = node;
  const holderType = from.type!.kind === "optional" ? from.type!.elem! : from.type!;
  const key = holderType.fields?.get(field)?.json ?? field;
  const valueType = node.type!.kind === "optional" ? node.type!.elem! : node.type!;
  const adopt = adopterOf(valueType) ?? ((value: unknown) => value);
  return (frame) => {
    let holder = operand(frame);
    if (!test) spend(costs.read);
    const chained = optional || holder instanceof Optional;
    if (holder instanceof Optional) {
      if (!holder.hasValue) return test ? false : Optional.none;
      holder = holder.value;
    }
    // Of null there is nothing to select, but an optional selection may ask.
    const value = chained && holder === null ? undefined : member(holder, key);
    if (test) return value !== undefined;
    if (chained) return value === undefined ? Optional.none : Optional.of(adopt(value));
    return value === undefined ? fail(`no such key: ${field}`) : adopt(value);
  };
}

function index(node: Call, operand: Evaluate, key: Evaluate): Evaluate {
  const type = node.type!.kind === "optional" ? node.type!.elem! : node.type!;
  const adopt = adopterOf(type) ?? ((value: unknown) => value);
  return (frame) => {
    let holder = operand(frame);
    const at = key(frame);
    spend(costs.read);
    const chained = node.name === "_[?_]" || holder instanceof Optional;
    if (holder instanceof Optional) {
      if (!holder.hasValue) return holder;
      holder = holder.value;
    }
    const value = member(holder, at);
    if (chained) return value === undefined ? Optional.none : Optional.of(adopt(value));
    if (value !== undefined) return adopt(value);
    return fail(Array.isArray(holder) ? `index out of bounds: ${String(at)}` : `no such key: ${String(at)}`);
  };
}

function construct(node: Struct, of: (node: Node) => Evaluate): Evaluate {
  const entries = node.entries.map(({ field, value, optional }) => ({ field, run: of(value), optional }));
  return (frame) => {
    spend(costs.struct);
    // Names such as __proto__ are names like others.
    const fields = Object.create(null) as Record<string, unknown>;
    for (const { field, run, optional } of entries) {
      const value = run(frame);
      if (!optional) fields[field] = value;
      else if ((value as Optional).hasValue) fields[field] = (value as Optional).value;
    }
    return new Constructed(node.name, fields);
  };
}

function bind(node: Bind, locals: readonly string[]): Evaluate {
  const slot = locals.length;
  const value = evaluator(node.value, locals);
  const body = evaluator(node.body, [...locals, node.variable]);
  return (frame) => {
    spend(costs.list + 2);
    const bound = value(frame);
    if (node.of === "value") {
      frame.slots[slot] = bound;
      return body(frame);
    }
    if (!(bound instanceof Optional)) return fail("no such overload");
    if (!bound.hasValue) return bound;
    frame.slots[slot] = bound.value;
    const result = body(frame);
    return node.of === "flat" ? result : Optional.of(result);
  };
}

const isFatal = (error: unknown) => error instanceof BudgetError || error instanceof RangeError;

/** `decides` ends it: true for `||`, false for `&&`. An error counts only when the other side does not decide. */
function logic(decides: boolean, left: Evaluate, right: Evaluate): Evaluate {
  const bool = (value: unknown) => (typeof value === "boolean" ? value : fail("no such overload"));
  return (frame) => {
    let error: unknown;
    try {
      if (bool(left(frame)) === decides) return decides;
    } catch (problem) {
      if (isFatal(problem)) throw problem;
      error = problem;
    }
    if (bool(right(frame)) === decides) return decides;
    if (error !== undefined) throw error;
    return !decides;
  };
}

function equality(node: Call, left: Evaluate, right: Evaluate): Evaluate {
  const wanted = node.name === "_==_";
  const { setKeys } = node.args[0]!.type!;
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (typeof a === "string" ? typeof b === "string" : false) {
      spend(Math.ceil(Math.min((a as string).length, (b as string).length) * 0.1));
      return (a === b) === wanted;
    }
    spend(1);
    const same = setKeys && Array.isArray(a) && Array.isArray(b) ? sameMembers(a, b, setKeys) : celEqual(a, b);
    return same === wanted;
  };
}

const isSameMember = (a: unknown, b: unknown, keys: readonly string[]) =>
  keys.every((key) => celEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));

/** Sets and maps by keys are equal in any order. */
function sameMembers(a: readonly unknown[], b: readonly unknown[], keys: NonNullable<Type["setKeys"]>): boolean {
  if (a.length !== b.length) return false;
  spend(a.length * b.length * 0.1);
  return a.every((item) => {
    const other = keys === "set" ? b : b.filter((candidate) => isSameMember(item, candidate, keys));
    return other.some((candidate) => celEqual(item, candidate));
  });
}

/** Joins sets, and maps by keys: an entry of the second replaces the one of the same key. */
function joinMembers(a: readonly unknown[], b: readonly unknown[], keys: NonNullable<Type["setKeys"]>): unknown[] {
  spend(a.length * b.length * 0.1);
  const joined = [...a];
  for (const item of b) {
    const at = joined.findIndex((other) => (keys === "set" ? celEqual(item, other) : isSameMember(item, other, keys)));
    if (at < 0) joined.push(item);
    else joined[at] = item;
  }
  return joined;
}

function call(node: Call, of: (node: Node) => Evaluate): Evaluate {
  const nodes = node.target && !node.qualified ? [node.target, ...node.args] : node.args;
  const args = nodes.map(of);
  const [first, second, third] = args;
  switch (node.name) {
    case "_&&_":
      return logic(false, first!, second!);
    case "_||_":
      return logic(true, first!, second!);
    case "_?_:_":
      return (frame) => {
        const condition = first!(frame);
        if (typeof condition !== "boolean") return fail("no such overload");
        return condition ? second!(frame) : third!(frame);
      };
    case "_==_":
    case "_!=_":
      return equality(node, first!, second!);
    case "_[_]":
    case "_[?_]":
      return index(node, first!, second!);
    default:
      return plainCall(node, nodes, args);
  }
}

function plainCall(node: Call, nodes: readonly Node[], args: readonly Evaluate[]): Evaluate {
  const fitting = node.overloads!;
  const loose = fitting.length > 1 || nodes.some(({ type }) => isLoose(type!));
  const price = costOf(node, nodes);
  const adopt = fitting.some(({ gives }) => gives === "element") ? adopterOf(node.type!) : undefined;
  const { setKeys } = nodes[0]?.type ?? {};
  return (frame) => {
    const values: unknown[] = [];
    for (const run of args) values.push(run(frame));
    spend(price ? price(values.map(sizeOf)) : 1);
    if (setKeys && node.name === "_+_") {
      return joinMembers(values[0] as unknown[], values[1] as unknown[], setKeys);
    }
    const overload = loose
      ? fitting.find(({ parameters }) => parameters.every((type, i) => isOf(type, values[i])))
      : fitting[0];
    if (!overload) return fail("no such overload");
    const result = overload.run(...values);
    return adopt ? adopt(result) : result;
  };
}

interface Turn {
  /** The values of the loop variables. */
  readonly first: unknown;
  readonly second: unknown;
  readonly body: () => unknown;
}

type Step = (turn: Turn, state: FoldState) => boolean;

interface FoldState {
  result: unknown;
  /** What failed in a turn of a quantifier that another turn may still decide. */
  error?: unknown;
}

const quantifier =
  (decides: boolean): Step =>
  ({ body }, state) => {
    try {
      const holds = body();
      if (typeof holds !== "boolean") return fail("no such overload");
      if (holds !== decides) return true;
    } catch (error) {
      if (isFatal(error)) throw error;
      state.error ??= error;
      return true;
    }
    state.result = decides;
    delete state.error;
    return false;
  };

const isTrue = (value: unknown) => (typeof value === "boolean" ? value : fail("no such overload"));

/** Each says whether to go on. */
const steps: Readonly<Record<Fold["macro"], { readonly start: () => unknown; readonly step: Step }>> = {
  all: { start: () => true, step: quantifier(false) },
  exists: { start: () => false, step: quantifier(true) },
  exists_one: {
    start: () => 0,
    step: ({ body }, state) => {
      if (isTrue(body())) state.result = (state.result as number) + 1;
      return true;
    },
  },
  map: collecting(({ body }) => body()),
  transformList: collecting(({ body }) => body()),
  sortBy: collecting(({ first, body }) => [body(), first]),
  filter: {
    start: () => [],
    step: ({ first, body }, state) => {
      if (isTrue(body())) (state.result as unknown[]).push(first);
      return true;
    },
  },
  transformMap: entering(({ first, body }) => [[first, body()]]),
  transformMapEntry: entering(({ body }) => {
    const made = body();
    return isMap(made) ? keysOf(made).map((key) => [key, entryOf(made, key)]) : fail("no such overload");
  }),
};

function collecting(value: (turn: Turn) => unknown) {
  const step: Step = (turn, state) => {
    (state.result as unknown[]).push(value(turn));
    return true;
  };
  return { start: (): unknown => [], step };
}

function entering(entries: (turn: Turn) => readonly (readonly unknown[])[]) {
  const step: Step = (turn, state) => {
    const map = state.result as Map<unknown, unknown>;
    for (const [key, value] of entries(turn)) {
      if (map.has(key)) fail(`insert failed: key ${String(key)} already exists`);
      map.set(key, value);
    }
    return true;
  };
  return { start: (): unknown => new Map(), step };
}

function finished(macro: Fold["macro"], { result, error }: FoldState): unknown {
  if (error !== undefined) throw error;
  if (macro === "exists_one") return result === 1;
  if (macro !== "sortBy") return result;
  const pairs = result as [bigint | number | string, unknown][];
  spend(pairs.length * Math.log2(pairs.length + 1));
  return pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
}

function fold(node: Fold, locals: readonly string[]): Evaluate {
  const range = evaluator(node.range, locals);
  const inner = [...locals, ...node.variables];
  const filter = node.filter && evaluator(node.filter, inner);
  const body = evaluator(node.body, inner);
  const slot = locals.length;
  const { turn, once } = foldCosts[node.macro];
  const { start, step } = steps[node.macro];
  const elem = node.range.type!.elem;
  const adopt = (elem ? adopterOf(elem) : adopterOf(node.range.type!)) ?? ((value: unknown) => value);
  const two = node.variables.length === 2;
  return (frame) => {
    const over = range(frame);
    spend(once);
    const isList = Array.isArray(over);
    if (!isList && !isMap(over)) return fail("no such overload");
    const keys = isList ? undefined : keysOf(over);
    const count = keys ? keys.length : (over as unknown[]).length;
    const state: FoldState = { result: start() };
    const run = () => body(frame);
    for (let i = 0; i < count; i++) {
      spend(turn);
      const key = keys ? keys[i] : BigInt(i);
      const value = keys ? (two ? adopt(entryOf(over as never, key)) : undefined) : adopt((over as unknown[])[i]);
      const first = two || keys ? key : value;
      frame.slots[slot] = first;
      if (two) frame.slots[slot + 1] = value;
      if (filter && !isTrue(filter(frame))) continue;
      if (!step({ first, second: value, body: run }, state)) break;
    }
    return finished(node.macro, state);
  };
}

/** Runs it; errors that are not CEL's own come from values that do not fit an overload's elements. */
export function evaluate(run: Evaluate, variables: Readonly<Record<string, unknown>>): unknown {
  try {
    return run({ variables, slots: [] });
  } catch (error) {
    if (error instanceof CelError || error instanceof BudgetError) throw error;
    if (error instanceof RangeError) throw new BudgetError();
    throw new CelError("no such overload", { cause: error });
  }
}
