// Type checking: every node gets its type and every call its overloads. Follows cel-go checker/checker.go (rules and wording).
import type { Call, Fold, Issue, List, Node, Select, Struct } from "./ast.ts";
import { resolve, type Environment } from "./environment.ts";
import { structName } from "./parse.ts";
import { assignable, isDyn, listOf, mapOf, optionalOf, structOf, types, type Type } from "./type.ts";
import { Uint } from "./value.ts";

/** Names of types that are values by themselves. */
const typeNames = new Set(
  "bool int uint double string bytes list map null_type type google.protobuf.Timestamp google.protobuf.Duration".split(
    " ",
  ),
);

export function check(environment: Environment, root: Node): readonly Issue[] {
  const checker = new Checker(environment);
  checker.check(root);
  return checker.issues;
}

const shown = (list: readonly Type[]) => list.map(({ name }) => name).join(", ");
const isMember = (call: Call) => call.target !== undefined && call.qualified === undefined;

class Checker {
  readonly issues: Issue[] = [];
  readonly #environment: Environment;
  /** Variables of loops, innermost last. */
  readonly #locals: (readonly [string, Type])[] = [];

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  #issue(at: number, message: string): Type {
    this.issues.push({ at, message });
    return types.dyn;
  }

  check(node: Node): Type {
    return (node.type = this.#typeOf(node));
  }

  #typeOf(node: Node): Type {
    switch (node.op) {
      case "const":
        return constType(node.value);
      case "ident":
        return this.#named(node.name) ?? this.#undeclared(node.at, node.name);
      case "select":
        return this.#select(node);
      case "call":
        return this.#call(node);
      case "list":
        return listOf(
          this.#joined(
            node.elements.map(({ value, optional }) => [value, optional ? this.#unwrapped(value) : this.check(value)]),
          ),
        );
      case "map": {
        const keys = this.#joined(node.entries.map(({ key }) => [key, this.check(key)]));
        return mapOf(
          keys,
          this.#joined(
            node.entries.map(({ value, optional }) => [value, optional ? this.#unwrapped(value) : this.check(value)]),
          ),
        );
      }
      case "struct":
        return this.#struct(node);
      case "fold":
        return this.#fold(node);
      default: {
        const value = this.check(node.value);
        const inner = node.of === "value" ? value : (elemOf(value, "optional") ?? types.dyn);
        const body = this.#within([[node.variable, inner]], () => this.check(node.body));
        return node.of === "optional" ? optionalOf(body) : body;
      }
    }
  }

  #undeclared(at: number, name: string): Type {
    return this.#issue(at, `undeclared reference to '${name}' (in container '')`);
  }

  #named(name: string): Type | undefined {
    const local = this.#locals.findLast(([known]) => known === name);
    if (local) return local[1];
    return this.#environment.variable(name) ?? (typeNames.has(name) ? types.type : undefined);
  }

  #within(variables: readonly (readonly [string, Type])[], check: () => Type): Type {
    this.#locals.push(...variables);
    const type = check();
    this.#locals.length -= variables.length;
    return type;
  }

  /** The type of the value of an optional element. */
  #unwrapped(node: Node): Type {
    const type = this.check(node);
    return (
      elemOf(type, "optional") ??
      (isDyn(type) ? type : this.#issue(node.at, `expected type 'optional_type' but found '${type.name}'`))
    );
  }

  /** The one type of the elements of a literal. */
  #joined(elements: readonly (readonly [Node, Type])[]): Type {
    let all: Type | undefined;
    for (const [{ at }, type] of elements) {
      if (all === undefined || isDyn(type)) all = type;
      else if (assignable(type, all, new Map())) continue;
      else if (assignable(all, type, new Map())) all = type;
      else return this.#issue(at, `expected type '${all.name}' but found '${type.name}'`);
    }
    return all ?? types.dyn;
  }

  /** What is formatted need not be of one type. */
  #mixed(node: List): Type {
    for (const { value } of node.elements) this.check(value);
    return (node.type = listOf(types.dyn));
  }

  #select(node: Select): Type {
    const name = structName(node);
    const type = name && !node.test ? this.#qualified(name) : undefined;
    if (type) {
      node.qualified = name!;
      return type;
    }
    const operand = this.check(node.operand);
    const isOptional = operand.kind === "optional";
    const field = this.#field(node, isOptional ? operand.elem! : operand);
    if (node.test) return types.bool;
    return node.optional || isOptional ? optionalOf(field.kind === "optional" ? field.elem! : field) : field;
  }

  /** The type of a variable or type with dots in its name. */
  #qualified(name: string): Type | undefined {
    const first = name.slice(0, name.indexOf("."));
    if (this.#locals.some(([known]) => known === first)) return undefined;
    return this.#environment.variable(name) ?? (typeNames.has(name) ? types.type : undefined);
  }

  #field({ at, field }: Select, operand: Type): Type {
    switch (operand.kind) {
      case "dyn":
        return types.dyn;
      case "map":
        return operand.elem!;
      case "struct": {
        const found = operand.fields!.get(field);
        return found ? found.type : this.#issue(at, `undefined field '${field}'`);
      }
      default:
        return this.#issue(at, `type '${operand.name}' does not support field selection`);
    }
  }

  #call(node: Call): Type {
    const name = node.target && structName(node.target);
    if (name && this.#environment.overloads(`${name}.${node.name}`) && !this.#named(name)) {
      node.qualified = `${name}.${node.name}`;
    }
    const args = [...(isMember(node) ? [node.target!] : []), ...node.args].map((arg) =>
      node.name === "format" && arg.op === "list" ? this.#mixed(arg) : this.check(arg),
    );
    if (node.name === "_[_]" || node.name === "_[?_]") return this.#index(node, args[0]!, args[1]!);
    if (node.name === "_==_" || node.name === "_!=_") {
      const fits = assignable(args[0]!, args[1]!, new Map()) || assignable(args[1]!, args[0]!, new Map());
      return fits ? types.bool : this.#mismatch(node, args);
    }
    const overloads = this.#environment.overloads(isMember(node) ? `.${node.name}` : (node.qualified ?? node.name));
    if (!overloads) return this.#undeclared(node.at, node.name);
    const found = resolve(overloads, args);
    if (!found) return this.#mismatch(node, args);
    node.overloads = found.fitting;
    if (node.name === "_?_:_") return this.#ternary(node, args);
    // Sets stay sets when they are joined.
    return node.name === "_+_" && args[0]!.setKeys ? args[0]! : found.result;
  }

  #ternary(node: Call, [, then, otherwise]: readonly Type[]): Type {
    if (isDyn(then!) || isDyn(otherwise!)) return types.dyn;
    if (assignable(otherwise!, then!, new Map())) return then!;
    return assignable(then!, otherwise!, new Map())
      ? otherwise!
      : this.#mismatch(
          node,
          node.args.map(({ type }) => type!),
        );
  }

  #mismatch(node: Call, args: readonly Type[]): Type {
    const applied = isMember(node) ? `${args[0]!.name}.(${shown(args.slice(1))})` : `(${shown(args)})`;
    return this.#issue(
      node.at,
      `found no matching overload for '${node.qualified ?? node.name}' applied to '${applied}'`,
    );
  }

  #index(node: Call, operand: Type, index: Type): Type {
    const of = operand.kind === "optional" ? operand.elem! : operand;
    const wrap = (type: Type) => (node.name === "_[?_]" || operand.kind === "optional" ? optionalOf(type) : type);
    if (isDyn(of)) return wrap(types.dyn);
    const wanted = of.kind === "list" ? types.int : of.kind === "map" ? of.key! : undefined;
    const fits = wanted && (assignable(index, wanted, new Map()) || ["uint", "double"].includes(index.kind));
    return fits ? wrap(of.elem!) : this.#mismatch(node, [operand, index]);
  }

  #struct(node: Struct): Type {
    for (const { value, optional } of node.entries) {
      if (optional) this.#unwrapped(value);
      else this.check(value);
    }
    const fields = this.#environment.constructs ? constructible(node.name) : undefined;
    if (!fields) return this.#undeclared(node.at, node.name);
    if (fields === "any") return structOf(node.name, new Map());
    for (const { field, value } of node.entries) {
      const wanted = fields[field];
      if (!wanted) this.#issue(value.at, `undefined field '${field}'`);
      else if (!assignable(value.type!, wanted, new Map()) && value.type!.kind !== "optional") {
        this.#issue(
          value.at,
          `expected type of field '${field}' is '${wanted.name}' but provided type is '${value.type!.name}'`,
        );
      }
    }
    return structOf(node.name, new Map());
  }

  #fold(node: Fold): Type {
    const range = this.check(node.range);
    const variables = this.#variablesOf(node, range);
    return this.#within(variables, () => {
      if (node.filter) this.#expectBool(node.filter);
      if (["all", "exists", "exists_one", "filter"].includes(node.macro)) this.#expectBool(node.body);
      else this.check(node.body);
      return this.#outcome(node, range);
    });
  }

  #variablesOf({ at, variables }: Fold, range: Type): (readonly [string, Type])[] {
    if (range.kind !== "list" && range.kind !== "map" && !isDyn(range)) {
      this.#issue(
        at,
        `expression of type '${range.name}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      );
    }
    const elem = range.elem ?? types.dyn;
    const first = range.kind === "map" ? range.key! : range.kind === "list" ? types.int : types.dyn;
    if (variables.length === 2)
      return [
        [variables[0]!, first],
        [variables[1]!, elem],
      ];
    return [[variables[0]!, range.kind === "map" ? first : elem]];
  }

  #outcome({ macro, body }: Fold, range: Type): Type {
    switch (macro) {
      case "map":
      case "transformList":
        return listOf(body.type!);
      case "filter":
        return listOf(range.kind === "map" ? range.key! : (range.elem ?? types.dyn));
      case "sortBy":
        return range;
      case "transformMap":
        return mapOf(range.key ?? (range.kind === "list" ? types.int : types.dyn), body.type!);
      case "transformMapEntry":
        return body.type!;
      default:
        return types.bool;
    }
  }

  #expectBool(node: Node): void {
    const type = this.check(node);
    if (type.kind !== "bool" && !isDyn(type)) this.#issue(node.at, `expected type 'bool' but found '${type.name}'`);
  }
}

const elemOf = (type: Type, kind: Type["kind"]) => (type.kind === kind ? type.elem : undefined);

/** The fields that a constructed type has, or "any". */
function constructible(name: string): Readonly<Record<string, Type>> | "any" | undefined {
  if (name === "Object" || name.startsWith("Object.")) return "any";
  return name === "JSONPatch"
    ? { op: types.string, path: types.string, from: types.string, value: types.dyn }
    : undefined;
}

function constType(value: unknown): Type {
  switch (typeof value) {
    case "bigint":
      return types.int;
    case "number":
      return types.double;
    case "string":
      return types.string;
    case "boolean":
      return types.bool;
    default:
      if (value === null) return types.null;
      return value instanceof Uint ? types.uint : types.bytes;
  }
}
