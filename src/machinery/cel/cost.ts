// What operations cost, by the sizes of what they work on: counted while an expression runs, and estimated beforehand
// from the bounds in a schema. Follows cel-go interpreter/runtimecost.go, checker/cost.go and kubernetes v1.36
// apiserver/pkg/cel/library/cost.go.
import type { Call, FoldName, Node } from "./ast.ts";
import type { Type } from "./type.ts";
import { sizeOf } from "./value.ts";

type Sizes = readonly number[];
type CallCost = (sizes: Sizes) => number;

/** Going through a text or list, a tenth of its length. */
const traversal = (size: number) => Math.ceil(size * 0.1);
/** Nothing is nothing, however often. */
const times = (a: number, b: number) => (a === 0 || b === 0 ? 0 : a * b);

const linear: CallCost = ([size = 0]) => traversal(size);
const both: CallCost = ([a = 0, b = 0]) => traversal(a + b);
const regex: CallCost = ([text = 0, pattern = 0]) => times(traversal(1 + text), Math.ceil(pattern * 0.25));
const pairs: CallCost = ([a = 0, b = 0]) => times(a, b);
const replacing: CallCost = ([text = 0, from = 0, to = 0]) =>
  2 * traversal(text) + times(traversal(text), traversal(from === 0 ? to : to / from));

const compared: CallCost = ([a = 0, b = 0]) => traversal(Math.min(a, b));

const callCosts: ReadonlyMap<string, CallCost> = new Map([
  ..."startsWith endsWith bytes string quote charAt indexOf lastIndexOf lowerAscii upperAscii substring trim split reverse format url isURL ip isIP cidr isCIDR quantity isQuantity semver isSemver sum min max isSorted sort distinct flatten slice join encode decode escapeKey timestamp duration"
    .split(" ")
    .map((name): [string, CallCost] => [name, linear]),
  ..."_<_ _<=_ _>_ _>=_ _==_ _!=_".split(" ").map((name): [string, CallCost] => [name, compared]),
  ["_+_", both],
  ["matches", regex],
  ["find", regex],
  ["findAll", regex],
  ["contains", ([text = 0, part = 0]) => times(traversal(text), traversal(part))],
  ["replace", replacing],
  ["sets.contains", pairs],
  ["sets.equivalent", pairs],
  ["sets.intersects", pairs],
  ["validate", ([, text = 0]) => times(traversal(1 + text), 20)],
  ["check", () => 350_000],
]);

/** Values of these have no size. */
const fixed = new Set(["bool", "int", "uint", "double", "timestamp", "duration", "null", "type"]);

/** The price of a call by the sizes of its arguments; undefined where it is 1 whatever they are. */
export function costOf({ name, qualified }: Call, args: readonly Node[]): CallCost | undefined {
  if (args.every(({ type }) => fixed.has(type!.kind))) return undefined;
  return (qualified === undefined ? undefined : callCosts.get(qualified)) ?? callCosts.get(name);
}

export const costs = { read: 1, list: 10, map: 30, struct: 40 } as const;

/** What a loop costs at each turn and once, besides its parts. */
export const foldCosts: Readonly<Record<FoldName, { readonly turn: number; readonly once: number }>> = {
  all: { turn: 3, once: 1 },
  exists: { turn: 4, once: 1 },
  exists_one: { turn: 2, once: 2 },
  map: { turn: 12, once: 11 },
  filter: { turn: 13, once: 11 },
  transformList: { turn: 12, once: 11 },
  transformMap: { turn: 3, once: 31 },
  transformMapEntry: { turn: 3, once: 31 },
  sortBy: { turn: 14, once: 11 },
};

interface Estimate {
  readonly cost: number;
  /** Most characters, elements or entries of the outcome. */
  readonly size: number;
}

/** The most that a checked expression can cost; Infinity when nothing bounds it. */
export const maxCost = (node: Node): number => estimate(node).cost;

const unbounded = new Set(["string", "bytes", "list", "map", "dyn", "optional", "struct"]);
const sizeOfType = (type: Type | undefined): number =>
  type?.max ?? (type && unbounded.has(type.kind) && type.kind !== "struct" ? Number.POSITIVE_INFINITY : 1);

const total = (nodes: readonly Node[]) => nodes.reduce((sum, node) => sum + estimate(node).cost, 0);

function estimate(node: Node): Estimate {
  const size = sizeOfType(node.type);
  switch (node.op) {
    case "const":
      return { cost: 0, size: sizeOf(node.value) };
    case "ident":
      return { cost: costs.read, size };
    case "select": {
      if (node.qualified) return { cost: costs.read, size };
      return { cost: estimate(node.operand).cost + (node.test ? 0 : costs.read), size };
    }
    case "list":
      return { cost: costs.list + total(node.elements.map(({ value }) => value)), size: node.elements.length };
    case "map":
      return {
        cost: costs.map + total(node.entries.flatMap(({ key, value }) => [key, value])),
        size: node.entries.length,
      };
    case "struct":
      return { cost: costs.struct + total(node.entries.map(({ value }) => value)), size: 1 };
    case "bind": {
      const body = estimate(node.body);
      return { cost: estimate(node.value).cost + body.cost + costs.list + 2, size: body.size };
    }
    case "fold": {
      const range = estimate(node.range);
      const { turn, once } = foldCosts[node.macro];
      const each = turn + estimate(node.body).cost + (node.filter ? estimate(node.filter).cost : 0);
      const isScalar = node.type?.kind === "bool";
      return { cost: range.cost + once + times(range.size, each), size: isScalar ? 1 : range.size };
    }
    default:
      return estimateCall(node, node.target && !node.qualified ? [node.target, ...node.args] : node.args);
  }
}

/** Names whose outcome is at most as long as their first argument. */
const shortening = new Set(
  "lowerAscii upperAscii substring trim find findAll split reverse slice distinct sort string bytes".split(" "),
);

function estimateCall(node: Call, args: readonly Node[]): Estimate {
  const { name } = node;
  const type = node.type!;
  const parts = args.map(estimate);
  const sizes = parts.map(({ size }) => size);
  const sum = parts.reduce((all, { cost }) => all + cost, 0);
  const [first = 0, second = 0, third = 0] = sizes;
  switch (name) {
    case "_?_:_":
      return { cost: parts[0]!.cost + Math.max(parts[1]!.cost, parts[2]!.cost), size: Math.max(second, third) };
    case "_&&_":
    case "_||_":
      return { cost: sum, size: 1 };
    case "@in":
      return { cost: sum + (args[1]!.type!.kind === "map" ? 1 : second), size: 1 };
    case "_+_":
      return {
        cost: sum + (type.kind === "list" ? 1 : both(sizes)),
        size: unbounded.has(type.kind) ? first + second : 1,
      };
    case "replace":
      return {
        cost: sum + replacing(sizes),
        size: second === 0 ? times(first + 1, third + 1) : times(first, Math.max(1, third)),
      };
    default: {
      const price = costOf(node, args)?.(sizes) ?? 1;
      const isShortened = shortening.has(name) && unbounded.has(type.kind) && Number.isFinite(first);
      return { cost: sum + price, size: isShortened ? first : sizeOfType(type) };
    }
  }
}
