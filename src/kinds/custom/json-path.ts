// The JSONPath subset of printer columns, scale and selectable fields: fields, indexes, wildcards, slices and filters by equality.
// Follows kubernetes v1.36 client-go/util/jsonpath (syntax).
import { isObject } from "./schema.ts";

type Step =
  | { readonly type: "field"; readonly name: string }
  | { readonly type: "index"; readonly index: number }
  | { readonly type: "slice"; readonly from: number; readonly to: number | undefined }
  | { readonly type: "all" }
  | { readonly type: "below" }
  | { readonly type: "filter"; readonly path: readonly Step[]; readonly op: string; readonly value: unknown };

const steps =
  /\.\.|\.\*|\.?\[\*\]|\.?\[(-?\d+)\]|\.?\[(-?\d*):(-?\d*)\]|\.?\[['"]((?:[^'"\\]|\\.)+)['"]\]|\.?\[\?\(\s*@(.*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.*?)\s*)?\)\]|\.((?:[^.[\]\\]|\\.)+)|^([^.[\]]+)|(?<=\.\.)([^.[\]]+)/gy;

/** Every value that the path finds, in order. Compiles once; throws an Error for what it cannot read. */
export function compileJsonPath(text: string): (root: unknown) => unknown[] {
  const path = parse(text.replace(/^\{(.*)\}$/s, "$1").replace(/^\$/, ""));
  return (root) => path.reduce<unknown[]>((values, step) => values.flatMap((value) => take(value, step)), [root]);
}

function parse(text: string): Step[] {
  const found: Step[] = [];
  steps.lastIndex = 0;
  while (steps.lastIndex < text.length) {
    const at = steps.lastIndex;
    const match = steps.exec(text);
    if (!match)
      throw new Error(`the JSONPath ${JSON.stringify(text)} cannot be read from ${JSON.stringify(text.slice(at))}`);
    const [whole, index, from, to, quoted, path, op, value, field, first, deep] = match;
    if (whole === "..") found.push({ type: "below" });
    else if (whole.endsWith("*") || whole.endsWith("[*]")) found.push({ type: "all" });
    else if (index !== undefined) found.push({ type: "index", index: Number(index) });
    else if (from !== undefined) found.push({ type: "slice", from: Number(from), to: to ? Number(to) : undefined });
    else if (path !== undefined) {
      const after = steps.lastIndex;
      found.push({ type: "filter", path: parse(path), op: op ?? "exists", value: literal(value) });
      steps.lastIndex = after;
    } else found.push({ type: "field", name: unescaped(quoted ?? field ?? first ?? deep!) });
  }
  return found;
}

const unescaped = (name: string) => name.replaceAll(/\\(.)/g, "$1");

function literal(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (/^['"].*['"]$/s.test(text)) return unescaped(text.slice(1, -1));
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function take(value: unknown, step: Step): unknown[] {
  switch (step.type) {
    case "field":
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case "index":
      return Array.isArray(value) && value.at(step.index) !== undefined ? [value.at(step.index)] : [];
    case "slice":
      return Array.isArray(value) ? value.slice(step.from, step.to) : [];
    case "all":
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case "below":
      return descendants(value);
    case "filter":
      return Array.isArray(value) ? value.filter((item) => passes(item, step)) : [];
  }
}

function descendants(value: unknown): unknown[] {
  const children = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  return [value, ...children.flatMap(descendants)];
}

function passes(item: unknown, { path, op, value }: Step & { type: "filter" }): boolean {
  const [found] = path.reduce<unknown[]>((values, step) => values.flatMap((one) => take(one, step)), [item]);
  if (found === undefined) return false;
  const [a, b] = [found, value] as [number, number];
  switch (op) {
    case "exists":
      return true;
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    default:
      return a >= b;
  }
}
