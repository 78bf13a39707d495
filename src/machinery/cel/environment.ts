// What an expression may refer to: variables, functions with their overloads, and opaque types.
import { assignable, hasParameter, parseType, splitTop, substitute, types, type Bindings, type Type } from "./type.ts";

// oxlint-disable-next-line typescript/no-explicit-any
type Run = (...args: any[]) => unknown;

export interface Overload {
  /** The receiver, for members, is the first parameter. */
  readonly parameters: readonly Type[];
  readonly result: Type;
  readonly run: Run;
  /** The result may be an element of an argument, and so a value of JSON. */
  readonly gives: "fresh" | "element";
}

/** Members and global functions of one name are two rows: `.size` and `size`. */
export class Environment {
  readonly #parent: Environment | undefined;
  readonly #variables = new Map<string, Type>();
  readonly #functions = new Map<string, Overload[]>();
  readonly #opaque: Map<string, Type>;
  /** Objects may be constructed by type name: `Object.spec{…}` and `JSONPatch{…}`. */
  readonly constructs: boolean;

  constructor(parent?: Environment, constructs = parent?.constructs ?? false) {
    this.#parent = parent;
    this.#opaque = new Map(parent ? parent.#opaque : []);
    this.constructs = constructs;
  }

  clone(options: { readonly constructs?: boolean } = {}): Environment {
    return new Environment(this, options.constructs);
  }

  registerVariable(name: string, type: Type | string): this {
    this.#variables.set(name, typeof type === "string" ? this.type(type) : type);
    return this;
  }

  /** A type whose values are the objects of a class. */
  registerType(name: string, constructs: Function): this {
    this.#opaque.set(name, { kind: "opaque", name, constructs });
    return this;
  }

  /**
   * `name(A, B): C`, `type.name(A): C` for members, `namespace.name(A): C`. Bad arguments are for `run` to refuse with
   * CelError.
   */
  registerFunction(signature: string, run: Run): this {
    const match = /^(?:(.+)\.)?([^.(]+)\((.*)\): (.+)$/.exec(signature);
    if (!match) throw new Error(`no signature: ${signature}`);
    const [, before, name, inner, result] = match;
    const receiver = before === undefined ? undefined : parseType(before, this.#opaque);
    const parameters = splitTop(inner!).map((part) => this.type(part));
    const key = receiver ? `.${name}` : before ? `${before}.${name}` : name!;
    const type = this.type(result!);
    const overload: Overload = {
      parameters: receiver ? [receiver, ...parameters] : parameters,
      result: type,
      run,
      gives: hasParameter(type) ? "element" : "fresh",
    };
    const known = this.#functions.get(key);
    if (known) known.push(overload);
    else this.#functions.set(key, [...(this.#parent?.overloads(key) ?? []), overload]);
    return this;
  }

  /** Each signature with what it runs. */
  registerFunctions(table: Readonly<Record<string, Run>>): this {
    for (const [signature, run] of Object.entries(table)) this.registerFunction(signature, run);
    return this;
  }

  type(text: string): Type {
    const type = parseType(text, this.#opaque);
    if (!type) throw new Error(`no type: ${text}`);
    return type;
  }

  variable(name: string): Type | undefined {
    return this.#variables.get(name) ?? this.#parent?.variable(name);
  }

  overloads(key: string): readonly Overload[] | undefined {
    return this.#functions.get(key) ?? this.#parent?.overloads(key);
  }

  isOpaque(name: string): boolean {
    return this.#opaque.has(name);
  }
}

/** The overloads that arguments of these types may mean, and the type of the outcome. */
export function resolve(
  overloads: readonly Overload[],
  args: readonly Type[],
): { readonly fitting: readonly Overload[]; readonly result: Type } | undefined {
  const fitting: Overload[] = [];
  let result: Type | undefined;
  for (const overload of overloads) {
    if (overload.parameters.length !== args.length) continue;
    const bindings: Bindings = new Map();
    if (!args.every((arg, i) => assignable(arg, overload.parameters[i]!, bindings))) continue;
    fitting.push(overload);
    const type = substitute(overload.result, bindings);
    if (result === undefined) result = type;
    else if (result.name !== type.name) result = types.dyn;
  }
  return result && { fitting, result };
}
