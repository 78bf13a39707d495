// From text to a syntax tree. Follows cel-go's grammar, operator names (`_+_`) and places of nodes.
import type { Entry, FoldName, Node } from "./ast.ts";
import { SyntaxIssue, tokensOf, type Token } from "./lex.ts";

const maxDepth = 250;
const startOfExpression =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

const reserved = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(" "),
);

/** Binary operators by how tightly they bind, loosest first. */
const levels: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["<", "<=", ">=", ">", "==", "!=", "in"],
  ["+", "-"],
  ["*", "/", "%"],
];

/** Throws SyntaxIssue. */
export function parse(source: string): Node {
  const parser = new Parser(tokensOf(source));
  const node = parser.expression();
  parser.expectEnd();
  return node;
}

const not = (at: number, operand: Node): Node => ({ op: "call", at, name: "!_", target: undefined, args: [operand] });

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(): Token {
    return this.#tokens[this.#next++]!;
  }

  #is(text: string): boolean {
    const { kind, text: word } = this.#token;
    return word === text && (kind === "symbol" || kind === "identifier");
  }

  #accept(text: string): Token | undefined {
    return this.#is(text) ? this.#take() : undefined;
  }

  #expect(text: string): Token {
    return this.#accept(text) ?? this.#mismatch(`'${text}'`);
  }

  #mismatch(expected: string): never {
    throw new SyntaxIssue(this.#token.at, `mismatched input '${this.#token.text}' expecting ${expected}`);
  }

  expectEnd(): void {
    if (this.#token.kind !== "end") this.#mismatch("<EOF>");
  }

  expression(): Node {
    if (++this.#depth > maxDepth)
      throw new SyntaxIssue(this.#token.at, `expression recursion limit exceeded: ${maxDepth}`);
    const condition = this.#binary(0);
    const mark = this.#accept("?");
    let node = condition;
    if (mark) {
      const then = this.#binary(0);
      this.#expect(":");
      node = { op: "call", at: mark.at, name: "_?_:_", target: undefined, args: [condition, then, this.expression()] };
    }
    this.#depth--;
    return node;
  }

  #binary(level: number): Node {
    const operators = levels[level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (let chain = 1; operators.includes(this.#token.text) && this.#token.kind !== "string"; chain++) {
      const { at, text } = this.#take();
      if (chain > maxDepth * 8) throw new SyntaxIssue(at, `expression recursion limit exceeded: ${maxDepth * 8}`);
      const args = [left, this.#binary(level + 1)];
      left = { op: "call", at, name: text === "in" ? "@in" : `_${text}_`, target: undefined, args };
    }
    return left;
  }

  #unary(): Node {
    const { at, text, kind } = this.#token;
    if (kind !== "symbol" || (text !== "!" && text !== "-")) return this.#member();
    this.#take();
    if (++this.#depth > maxDepth) throw new SyntaxIssue(at, `expression recursion limit exceeded: ${maxDepth}`);
    const negative = text === "-" && this.#token.kind === "number";
    const operand = negative ? this.#member(at) : this.#unary();
    this.#depth--;
    if (negative) return operand;
    return text === "!" ? not(at, operand) : { op: "call", at, name: "-_", target: undefined, args: [operand] };
  }

  /** `minusAt` when a number follows its sign. */
  #member(minusAt?: number): Node {
    let node = this.#primary(minusAt);
    for (;;) {
      const { at } = this.#token;
      if (this.#accept(".")) {
        const optional = this.#accept("?") !== undefined;
        if (this.#token.kind !== "identifier" || /^(in|true|false|null)$/.test(this.#token.text)) {
          this.#mismatch("IDENTIFIER");
        }
        const field = this.#take().text;
        const open = this.#accept("(");
        node = open
          ? this.#call(open.at, field, node)
          : { op: "select", at, operand: node, field, test: false, optional };
      } else if (this.#accept("[")) {
        const name = this.#accept("?") ? "_[?_]" : "_[_]";
        const index = this.expression();
        this.#expect("]");
        node = { op: "call", at, name, target: undefined, args: [node, index] };
      } else if (this.#is("{") && structName(node)) {
        node = this.#struct(structName(node)!);
      } else return node;
    }
  }

  #primary(minusAt?: number): Node {
    const token = this.#take();
    const { at, text, kind, value } = token;
    switch (kind) {
      case "number": {
        const signed = minusAt === undefined ? value : typeof value === "bigint" ? -value : -(value as number);
        if (typeof signed === "bigint" && BigInt.asIntN(64, signed) !== signed) {
          throw new SyntaxIssue(at, "invalid int literal");
        }
        return { op: "const", at: minusAt ?? at, value: signed };
      }
      case "string":
      case "bytes":
        return { op: "const", at, value };
      case "identifier":
        return this.#named(token);
      case "end":
        break;
      default:
        if (text === "(") {
          const inner = this.expression();
          this.#expect(")");
          return inner;
        }
        if (text === "[") return this.#list(at);
        if (text === "{") return { op: "map", at, entries: this.#entries() };
        if (text === "." && this.#token.kind === "identifier") return this.#named(this.#take());
    }
    this.#next--;
    return this.#mismatch(startOfExpression);
  }

  #named({ at, text }: Token): Node {
    if (text === "true" || text === "false") return { op: "const", at, value: text === "true" };
    if (text === "null") return { op: "const", at, value: null };
    if (text === "in") {
      this.#next--;
      this.#mismatch(startOfExpression);
    }
    if (reserved.has(text)) throw new SyntaxIssue(at, `reserved identifier: ${text}`);
    const open = this.#accept("(");
    return open ? this.#call(open.at, text, undefined) : { op: "ident", at, name: text };
  }

  #list(at: number): Node {
    const elements: { value: Node; optional: boolean }[] = [];
    while (!this.#is("]")) {
      const optional = this.#accept("?") !== undefined;
      elements.push({ value: this.expression(), optional });
      if (!this.#accept(",")) break;
    }
    this.#expect("]");
    return { op: "list", at, elements };
  }

  #entries(): Entry[] {
    const entries: Entry[] = [];
    while (!this.#is("}")) {
      const optional = this.#accept("?") !== undefined;
      const key = this.expression();
      this.#expect(":");
      entries.push({ key, value: this.expression(), optional });
      if (!this.#accept(",")) break;
    }
    this.#expect("}");
    return entries;
  }

  #struct(name: string): Node {
    const { at } = this.#expect("{");
    const entries: { field: string; value: Node; optional: boolean }[] = [];
    while (!this.#is("}")) {
      const optional = this.#accept("?") !== undefined;
      if (this.#token.kind !== "identifier") this.#mismatch("IDENTIFIER");
      const field = this.#take().text;
      this.#expect(":");
      entries.push({ field, value: this.expression(), optional });
      if (!this.#accept(",")) break;
    }
    this.#expect("}");
    return { op: "struct", at, name, entries };
  }

  #call(at: number, name: string, target: Node | undefined): Node {
    const args: Node[] = [];
    while (!this.#is(")")) {
      args.push(this.expression());
      if (!this.#accept(",")) break;
    }
    this.#expect(")");
    return expanded(at, name, target, args) ?? { op: "call", at, name, target, args };
  }
}

/** The dotted name that a chain of selections is. */
export function structName(node: Node): string | undefined {
  if (node.op === "ident") return node.name;
  if (node.op !== "select" || node.test || node.optional) return undefined;
  const operand = structName(node.operand);
  return operand && `${operand}.${node.field}`;
}

const variableOf = (node: Node | undefined, what = "argument must be a simple name"): string => {
  if (node?.op === "ident") return node.name;
  throw new SyntaxIssue(node?.at ?? 0, what);
};

/** How many variables and arguments in all a loop may have. */
const folds: Readonly<Record<string, readonly (readonly [variables: 1 | 2, args: number])[]>> = {
  all: [
    [1, 2],
    [2, 3],
  ],
  exists: [
    [1, 2],
    [2, 3],
  ],
  exists_one: [[1, 2]],
  existsOne: [
    [1, 2],
    [2, 3],
  ],
  map: [
    [1, 2],
    [1, 3],
  ],
  filter: [[1, 2]],
  transformList: [
    [2, 3],
    [2, 4],
  ],
  transformMap: [
    [2, 3],
    [2, 4],
  ],
  transformMapEntry: [
    [2, 3],
    [2, 4],
  ],
  sortBy: [[1, 2]],
};

/** The node that a macro stands for; undefined when the call is none. */
function expanded(at: number, name: string, target: Node | undefined, args: readonly Node[]): Node | undefined {
  if (!target) {
    if (name !== "has" || args.length !== 1) return undefined;
    const operand = args[0]!;
    if (operand.op !== "select") throw new SyntaxIssue(at, "invalid argument to has() macro");
    return { ...operand, test: true };
  }
  if (target.op === "ident" && target.name === "cel" && name === "bind" && args.length === 3) {
    const variable = variableOf(args[0], "cel.bind() variable names must be simple identifiers");
    return { op: "bind", at, variable, value: args[1]!, body: args[2]!, of: "value" };
  }
  if ((name === "optMap" || name === "optFlatMap") && args.length === 2) {
    const variable = variableOf(args[0]);
    return { op: "bind", at, variable, value: target, body: args[1]!, of: name === "optMap" ? "optional" : "flat" };
  }
  const form = Object.hasOwn(folds, name) ? folds[name]!.find(([, count]) => count === args.length) : undefined;
  if (!form) return undefined;
  const variables = args.slice(0, form[0]).map((arg) => variableOf(arg));
  const hasFilter = args.length - form[0] === 2;
  return {
    op: "fold",
    at,
    macro: (name === "existsOne" ? "exists_one" : name) as FoldName,
    range: target,
    variables,
    filter: hasFilter ? args.at(-2) : undefined,
    body: args.at(-1)!,
  };
}
