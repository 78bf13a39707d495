// The syntax tree of a CEL expression. Macros are nodes of their own, so that checking, costs and evaluation see loops as loops.
import type { Overload } from "./environment.ts";
import type { Type } from "./type.ts";

interface Base {
  /** Offset of the token that messages point at. */
  readonly at: number;
  /** Set by the checker. */
  type?: Type;
}

export interface Const extends Base {
  readonly op: "const";
  readonly value: unknown;
}

export interface Ident extends Base {
  readonly op: "ident";
  readonly name: string;
}

export interface Select extends Base {
  readonly op: "select";
  readonly operand: Node;
  readonly field: string;
  /** `has(a.b)`. */
  readonly test: boolean;
  /** `a.?b`. */
  readonly optional: boolean;
  /** Set by the checker when `a.b` is the name of a variable or type. */
  qualified?: string;
}

export interface Call extends Base {
  readonly op: "call";
  readonly name: string;
  readonly target: Node | undefined;
  readonly args: readonly Node[];
  /** Set by the checker: what may be called, the first that fits. */
  overloads?: readonly Overload[];
  /** Set by the checker when the target is the namespace of a function: its full name. */
  qualified?: string;
}

export interface List extends Base {
  readonly op: "list";
  readonly elements: readonly { readonly value: Node; readonly optional: boolean }[];
}

export interface Entry {
  readonly key: Node;
  readonly value: Node;
  readonly optional: boolean;
}

export interface MapNode extends Base {
  readonly op: "map";
  readonly entries: readonly Entry[];
}

export interface Struct extends Base {
  readonly op: "struct";
  readonly name: string;
  readonly entries: readonly { readonly field: string; readonly value: Node; readonly optional: boolean }[];
}

export type FoldName =
  | "all"
  | "exists"
  | "exists_one"
  | "map"
  | "filter"
  | "transformList"
  | "transformMap"
  | "transformMapEntry"
  | "sortBy";

/** A loop over a list or map. With two variables they are index or key, and value. */
export interface Fold extends Base {
  readonly op: "fold";
  readonly macro: FoldName;
  readonly range: Node;
  readonly variables: readonly string[];
  readonly filter: Node | undefined;
  readonly body: Node;
}

/** `cel.bind` and, when `of` is "optional", the optMap macros. */
export interface Bind extends Base {
  readonly op: "bind";
  readonly variable: string;
  readonly value: Node;
  readonly body: Node;
  readonly of: "value" | "optional" | "flat";
}

export type Node = Const | Ident | Select | Call | List | MapNode | Struct | Fold | Bind;

/** A mistake at an offset of the expression. */
export interface Issue {
  readonly at: number;
  readonly message: string;
}

/** Issues as cel-go words them: place, message, the line and a mark below it. */
export function issuesText(expression: string, issues: readonly Issue[]): string {
  return issues
    .map(({ at, message }) => {
      const start = expression.lastIndexOf("\n", at - 1) + 1;
      const line = expression.slice(0, start).split("\n").length;
      const end = expression.indexOf("\n", start);
      const text = expression.slice(start, end < 0 ? undefined : end);
      const column = at - start;
      return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${text}\n | ${".".repeat(column)}^`;
    })
    .join("\n");
}
